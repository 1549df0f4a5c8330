"""Making what a pool is built on, and deleting it.

What each method is for is said once, at `kvmnb.storage.action.Action`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import libvirt

from kvmnb.storage import rules
from kvmnb.storage.action import Action, Expectation, given, met
from kvmnb.storage.model import FOLDER_POOLS, Inventory, Problem
from kvmnb.storage.roles import Confirm, PoolName, Word
from kvmnb.storage.streams import Progress


@dataclass(frozen=True)
class BuildPool:
    """Build a pool's storage: make the folder (dir, fs, netfs), the volume group or the partition table.

    Parameters
    ----------
    pool : str
        A defined pool that is not running.
    overwrite : bool
        Whether data on the source device may be destroyed (fs: make a new file system on it). Needs
        ``confirm``.
    confirm : str
        With ``overwrite``: the pool's name, as the word that you mean it.
    """

    pool: PoolName
    overwrite: Word = False
    confirm: Confirm = ""
    patient: ClassVar[bool] = False

    def describe(self) -> str:
        over = ", DESTROYING what is on its source" if self.overwrite else ""
        return f"Build pool {self.pool!r}: make what its type needs, such as its folder{over}"

    def command(self) -> list[str]:
        return [
            "virsh",
            "pool-build",
            *given("--pool", self.pool),
            *(["--overwrite"] if self.overwrite else []),
        ]

    def problems(self, seen: Inventory) -> Iterator[Problem]:
        yield from rules.pool_missing(self.pool, seen)
        pool = seen.pool(self.pool)
        if pool is None:
            return
        if self.overwrite:
            yield from rules.said(self.confirm, self.pool, "overwriting the source of a pool")
            if pool.spec.type not in {"fs", "disk", "logical"}:
                yield Problem(
                    f"A {pool.spec.type} pool has nothing to overwrite", "leave overwrite out", "overwrite"
                )
            if pool.active:
                yield Problem(f"Pool {self.pool!r} is {pool.state}", "stop it first", "pool")
        there = seen.kind(pool.spec.target)
        if pool.spec.type in FOLDER_POOLS and there not in {"directory", "missing", None}:
            yield Problem(
                f"The target {pool.spec.target!r} exists and is no directory",
                "remove it, or undefine the pool",
            )

    def already(self, seen: Inventory) -> bool:
        pool = seen.pool(self.pool)
        if pool is None or self.overwrite:
            return False
        return pool.active or (pool.spec.type == "dir" and seen.kind(pool.spec.target) == "directory")

    def assume(self, seen: Inventory) -> Inventory:
        pool = seen.pool(self.pool)
        return seen.assume_kind(pool.spec.target, "directory") if pool and pool.spec.target else seen

    def run(self, connection: libvirt.virConnect, progress: Progress) -> None:
        flags = libvirt.VIR_STORAGE_POOL_BUILD_OVERWRITE if self.overwrite else 0
        connection.storagePoolLookupByName(self.pool).build(flags)

    def expected(self) -> tuple[Expectation, ...]:

        def folder(seen: Inventory) -> str | None:
            pool = seen.pool(self.pool)
            if pool is None or pool.spec.type not in FOLDER_POOLS:
                return None if pool else "absent"
            return seen.kind(pool.spec.target)

        return (Expectation(f"target of pool {self.pool!r}", "directory", folder),)

    def inverse(self, before: Inventory) -> tuple[Action, ...]:
        pool = before.pool(self.pool)
        made = pool and pool.spec.type in FOLDER_POOLS and before.kind(pool.spec.target) == "missing"
        return (DeletePool(self.pool),) if made else ()


@dataclass(frozen=True)
class DeletePool:
    """Delete a pool's storage: remove its folder, which must be empty, or its volume group.

    Parameters
    ----------
    pool : str
        A defined pool that is not running.
    confirm : str
        For a logical pool: its name, since its volume group goes with all data.
    """

    pool: PoolName
    confirm: Confirm = ""
    patient: ClassVar[bool] = True

    def describe(self) -> str:
        return f"Delete what pool {self.pool!r} was built on, such as its folder, which must be empty"

    def command(self) -> list[str]:
        return ["virsh", "pool-delete", *given("--pool", self.pool)]

    def problems(self, seen: Inventory) -> Iterator[Problem]:
        yield from rules.pool_missing(self.pool, seen)
        pool = seen.pool(self.pool)
        if pool is None:
            return
        if pool.active:
            yield Problem(f"Pool {self.pool!r} is {pool.state}", "stop it first", "pool")
        if pool.spec.type not in {*FOLDER_POOLS, "logical"}:
            yield Problem(f"A {pool.spec.type} pool has no storage of its own to delete", "undefine it only")
        if pool.spec.type == "logical":
            yield from rules.said(self.confirm, self.pool, "deleting a volume group with all its volumes")
            yield from rules.logical_volumes(self.pool, seen)
        else:
            yield from rules.folder_not_empty(pool, seen)

    def already(self, seen: Inventory) -> bool:
        pool = seen.pool(self.pool)
        # A volume group without volumes has no folder below /dev, and is there all the same.
        return pool is not None and pool.spec.type != "logical" and met(self, seen)

    def assume(self, seen: Inventory) -> Inventory:
        pool = seen.pool(self.pool)
        return seen.assume_kind(pool.spec.target, "missing") if pool and pool.spec.target else seen

    def run(self, connection: libvirt.virConnect, progress: Progress) -> None:
        connection.storagePoolLookupByName(self.pool).delete(libvirt.VIR_STORAGE_POOL_DELETE_NORMAL)

    def expected(self) -> tuple[Expectation, ...]:

        def target(seen: Inventory) -> str | None:
            pool = seen.pool(self.pool)
            return seen.kind(pool.spec.target) if pool and pool.spec.target else None

        return (Expectation(f"target of pool {self.pool!r}", "missing", target),)

    def inverse(self, before: Inventory) -> tuple[Action, ...]:
        pool = before.pool(self.pool)
        return (BuildPool(self.pool),) if pool and pool.spec.type in FOLDER_POOLS else ()
