"""An inventory as DataFrames."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from kvmnb.schema import DISKS, GUESTS, POOLS, VOLUMES, Frame
from kvmnb.storage.model import Disk, Guest, Inventory, Pool, Volume
from kvmnb.storage.usage import Chain, Usage


def build(frame: Frame, rows: Iterable[dict[str, Any]], seen: Inventory) -> pd.DataFrame:
    """Make a frame of what was read of a host, which each row names."""
    # Text, since attrs travel into files as JSON.
    read_at = pd.Timestamp(seen.read_at, unit="ns", tz="UTC").isoformat()
    named = ({**row, "host": seen.host or None} for row in rows)
    return frame.build(named, host=seen.host, uri=seen.uri, read_at=read_at)


def _status(problem: str) -> dict[str, str | None]:
    return {"status": "unreadable" if problem else "ok", "problem": problem or None}


def pools(seen: Inventory) -> pd.DataFrame:
    """Make the frame of pools, by name."""

    def row(pool: Pool) -> dict[str, Any]:
        spec = pool.spec
        return {
            "name": pool.name,
            "type": spec.type or None,
            "state": pool.state,
            "autostart": pool.autostart,
            "persistent": pool.persistent,
            "capacity": pool.capacity,
            "allocation": pool.allocation,
            "available": pool.available,
            "volumes": pool.volumes,
            "target": spec.target or None,
            "source": spec.source() or None,
            "source_format": spec.source_format or None,
            "uuid": pool.uuid or None,
            **_status(pool.problem),
        }

    return build(POOLS, [row(seen.pools[name]) for name in sorted(seen.pools)], seen)


def blank(frame: Frame) -> dict[str, Any]:
    """Give a row in which nothing is known."""
    return dict.fromkeys(frame.names)


def _known(chain: Chain) -> tuple[str, ...] | None:
    """Give a chain as far as it is known; None where nothing of it is."""
    return chain.paths if chain.paths or not chain.problem else None


def volumes(seen: Inventory, pool: str | None = None) -> pd.DataFrame:
    """Make the frame of volumes, by pool and name, of one pool or of all.

    A pool whose volumes could not be read has one row that says why.
    """
    usage = Usage.of(seen)
    rows: list[dict[str, Any]] = []
    for name in sorted(seen.pools) if pool is None else [pool]:
        if seen.pools[name].active:
            listed = sorted(seen.volumes_of(name), key=lambda volume: volume.name)
            rows += [_volume_row(volume, usage) for volume in listed]
        else:
            rows.append({**blank(VOLUMES), "pool": name, **idle(seen.pools[name])})
    return build(VOLUMES, rows, seen)


def idle(pool: Pool) -> dict[str, str]:
    """Give the status and the problem of what cannot be read while a pool is not running."""
    said = f"pool {pool.name!r} is {pool.state}: start it to read its volumes"
    return {"status": "pool not running", "problem": said}


def _volume_row(volume: Volume, usage: Usage) -> dict[str, Any]:
    if not volume.path:
        return {
            **blank(VOLUMES),
            "pool": volume.pool,
            "name": volume.name or None,
            **_status(volume.problem),
        }
    path = usage.real(volume.path)
    chain = usage.chain(path, volume.format)
    users = tuple(dict.fromkeys(use.guest.name for use in usage.uses_of(path)))
    unknown = "" if users or not usage.blind else f"it cannot be known whether it is in use: {usage.blind[0]}"
    status = "use unknown" if unknown else "ok"
    return {
        "pool": volume.pool,
        "name": volume.name or None,
        "type": volume.type,
        "format": volume.format,
        "capacity": volume.capacity,
        "allocation": volume.allocation,
        "physical": volume.physical,
        "path": volume.path,
        "backing_path": volume.backing_path,
        "backing_format": volume.backing_format,
        "chain": _known(chain),
        "chain_known": not chain.problem,
        "used_by": None if unknown else users,
        "overlays": tuple(overlay.path for overlay in usage.overlays.get(path, ())),
        "mode": volume.mode,
        "owner": volume.owner,
        "group": volume.group,
        "modified": volume.modified,
        "accessed": volume.accessed,
        "changed": volume.changed,
        "status": "unreadable" if volume.problem else status,
        "problem": "; ".join(filter(None, [volume.problem or chain.problem, unknown])) or None,
    }


def guests(seen: Inventory) -> pd.DataFrame:
    """Make the frame of guests, by name."""

    def row(guest: Guest) -> dict[str, Any]:
        return {
            "name": guest.name,
            "state": guest.state,
            "persistent": guest.persistent,
            "autostart": guest.autostart,
            "vcpus": guest.vcpus,
            "memory": guest.memory,
            "disks": None if guest.problem else len(guest.disks),
            "snapshots": guest.snapshots,
            "kernel": guest.file("kernel"),
            "initrd": guest.file("initrd"),
            "uuid": guest.uuid or None,
            **_status(guest.problem),
        }

    return build(GUESTS, [row(guest) for guest in _by_name(seen)], seen)


def _by_name(seen: Inventory) -> list[Guest]:
    return sorted(seen.guests(), key=lambda guest: guest.name)


def disks(seen: Inventory) -> pd.DataFrame:
    """Make the frame of the guests' disks, by guest, in the guest's own order.

    A guest that could not be read has one row that says why.
    """
    usage = Usage.of(seen)
    rows: list[dict[str, Any]] = []
    for guest in _by_name(seen):
        if guest.problem:
            rows.append(
                {**blank(DISKS), "guest": guest.name, "guest_state": guest.state, **_status(guest.problem)}
            )
        rows += [_disk_row(guest, disk, usage) for disk in guest.disks]
    return build(DISKS, rows, seen)


def _disk_row(guest: Guest, disk: Disk, usage: Usage) -> dict[str, Any]:
    path = usage.source(disk)
    chain = usage.chain(path, disk.format) if path else None
    volume = usage.by_path.get(path) if path else None
    status, problem = disk_status(disk, path, chain.problem if chain else "", volume)
    return {
        "guest": guest.name,
        "guest_state": guest.state,
        "target": disk.target,
        "device": disk.device,
        "bus": disk.bus,
        "type": disk.type,
        "format": disk.format,
        "readonly": disk.readonly,
        "path": path or disk.path,
        "pool": volume.pool if volume else disk.pool,
        "volume": volume.name if volume else disk.volume,
        "chain": _known(chain) if chain else () if status == "no medium" else None,
        "chain_known": not chain.problem if chain else None,
        "capacity": volume.capacity if volume else None,
        "allocation": volume.allocation if volume else None,
        "physical": volume.physical if volume else None,
        "status": status,
        "problem": problem,
    }


def disk_status(
    disk: Disk, path: str | None, chain_problem: str, volume: Volume | None
) -> tuple[str, str | None]:
    """Say how much of a disk could be read."""
    if path is None and disk.pool is not None:
        return "unreadable", f"volume {disk.volume!r} of pool {disk.pool!r} could not be looked up"
    if path is None and disk.type == "network":
        return "network", "its source is on the network, where this host cannot look"
    if path is None:
        return "no medium", None
    if chain_problem:
        return "chain unknown", chain_problem
    if volume is None:
        return "no volume", f"{path} is in no running pool"
    return "ok", None
