"""Goals to lists of actions. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from kvmnb.storage.action import Action
from kvmnb.storage.actions import (
    BuildPool,
    CreateVolume,
    DefinePool,
    DeletePool,
    Preallocation,
    SetPoolAutostart,
    StartPool,
    StopPool,
    UndefinePool,
)
from kvmnb.storage.model import FOLDER_POOLS, Inventory, PoolSpec
from kvmnb.units import parse_size


def create_pool(spec: PoolSpec, *, autostart: bool = True) -> Iterator[Action]:
    """Define a pool, build it, which makes its folder, start it, and have it started from then on."""
    yield DefinePool(**vars(spec))
    # The other types are there already: an iSCSI target or a partitioned disk is found, not made.
    if spec.type in FOLDER_POOLS:
        yield BuildPool(spec.name)
    yield StartPool(spec.name)
    yield SetPoolAutostart(spec.name, on=autostart)


def remove_pool(name: str, seen: Inventory, *, delete_target: bool = True) -> Iterator[Action]:
    """Stop a pool, delete its empty folder, and undefine it."""
    pool = seen.pool(name)
    yield StopPool(name)
    if pool is not None and pool.persistent is False:
        return  # once it is stopped there is no pool any more, to delete or to undefine
    if delete_target and (pool is None or pool.spec.type in FOLDER_POOLS):
        yield DeletePool(name)
    yield UndefinePool(name)


def create_volume(
    pool: str,
    name: str,
    capacity: int | str,
    seen: Inventory,
    *,
    format: str = "qcow2",
    preallocation: Preallocation = "off",
    backing_volume: str = "",
) -> Iterator[Action]:
    """Create a volume; the format of a backing volume is looked up, so that it is never guessed by QEMU."""
    backing = seen.volume(pool, backing_volume) if backing_volume and seen.pool(pool) else None
    found = seen.pool(pool)
    # A block device is raw; libvirt wants that unsaid.
    unsaid = format == "raw" and found is not None and found.spec.type not in FOLDER_POOLS
    yield CreateVolume(
        pool,
        name,
        parse_size(capacity),
        format="" if unsaid else format,
        preallocation=preallocation,
        backing_volume=backing_volume,
        backing_format=(backing.format or "") if backing else "",
    )
