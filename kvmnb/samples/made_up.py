"""A host that there is not, to learn on: what it has at any day of its history. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from kvmnb.guests.reading import Contents
from kvmnb.samples.nowhere import Nowhere
from kvmnb.storage.model import Disk, Guest, Inventory, Pool, PoolSpec, Volume

HOST = "example-host (made up)"
URI = "made-up:"

_GIB = 1 << 30

#: How a figure strays, by the name of what it is of: from -1 to 1, mostly near 0.
Stray = Callable[[str], float]


@dataclass(frozen=True)
class _Size:
    """A size over time, in GiB and days: a line, a weekly rhythm, and what it strays by."""

    start: float
    growth: float = 0.0
    weekly: float = 0.0
    strays: float = 0.0

    def at(self, day: float, stray: float = 0.0) -> int:
        """Give it in bytes, in whole blocks of 4 KiB."""
        size = self.start + self.growth * day + self.weekly * math.sin(2 * math.pi * day / 7)
        return int((size + self.strays * stray) * _GIB) // 4096 * 4096


@dataclass(frozen=True)
class _Volume:
    """A volume, what it takes, and between which parts of the whole time it is there."""

    pool: str
    name: str
    capacity: int
    takes: _Size
    format: str = "qcow2"
    backing: str | None = None
    since: float = 0.0
    until: float = math.inf

    @property
    def path(self) -> str:
        return f"/data/{self.pool}/{self.name}"


@dataclass(frozen=True)
class _Guest:
    """A guest, its volumes, and what its first one's file system holds."""

    name: str
    state: str
    volumes: tuple[str, ...]
    holds: _Size
    size: float | None = None  # of the file system, in GiB; None for one that is full in some days
    full_in: float = 0.0


_BASE = "debian-12.qcow2"

_VOLUMES = (
    _Volume("vmdisk", _BASE, 20, _Size(2.1)),
    _Volume("vmdisk", "web1.qcow2", 40, _Size(6, 0.10, 0.2, 0.05), backing=_BASE),
    _Volume("vmdisk", "web2.qcow2", 40, _Size(5, 0.06, 0.2, 0.05), backing=_BASE),
    _Volume("vmdisk", "db1.qcow2", 400, _Size(120, 1.6, 1.5, 5)),
    _Volume("vmdisk", "mail1.qcow2", 300, _Size(60, 0.5, 2.0, 2)),
    _Volume("vmdisk", "build1.qcow2", 100, _Size(45)),
    _Volume("vmdisk", "staging.qcow2", 200, _Size(150), until=0.35),
    _Volume("vmdisk", "db1-archive.raw", 80, _Size(80), format="raw", since=0.7),
    _Volume("vmdisk", "forgotten.qcow2", 60, _Size(30)),
    _Volume("iso", "debian-12.iso", 1, _Size(0.63), format="raw"),
    _Volume("iso", "virtio-win.iso", 1, _Size(0.59), format="raw"),
    _Volume("scratch", "try.qcow2", 20, _Size(1, 2.0), since=math.inf),  # see _is_new
)

_GUESTS = (
    _Guest("web1", "running", ("web1.qcow2",), _Size(5.5, 0.09, 0.2, 0.05), 39),
    _Guest("web2", "running", ("web2.qcow2",), _Size(4.6, 0.055, 0.2, 0.05), 39),
    _Guest("db1", "running", ("db1.qcow2", "db1-archive.raw"), _Size(105, 1.5, 1.4, 5), full_in=25),
    _Guest("mail1", "running", ("mail1.qcow2",), _Size(52, 0.45, 1.8, 2), 295),
    _Guest("build1", "shut off", ("build1.qcow2",), _Size(12), 98),
)

#: Days from the last sample until the pool with the guests is full.
POOL_FULL_IN = 40.0

#: How long the newest pool has been there at the last sample, in days: too short for a trend.
NEW_FOR = 1.0


@dataclass(frozen=True)
class MadeUpHost:
    """A host whose figures follow from the day alone, and from how they stray.

    Parameters
    ----------
    days : float
        How long its history is.
    """

    days: float

    def at(self, day: float, moment: int, stray: Stray) -> tuple[Inventory, list[Contents]]:
        """Give what the host had, and what was in its guests' disks.

        Parameters
        ----------
        day : float
            Days since its history began.
        moment : int
            That time, in nanoseconds since 1970.
        stray : callable
            Gives what a figure strays by.
        """
        volumes = {v.path: _volume(v, day, moment, stray(v.name)) for v in self._there(day)}
        guests = tuple(self._guest(guest, volumes) for guest in _GUESTS)
        pools = {pool.name: pool for pool in self._pools(volumes)}
        seen = Inventory(Nowhere(volumes, guests), pools, HOST, URI, moment)
        contents = [
            Contents(guest, self._inside(told, guest, day, stray(told.name)), read_at=moment)
            for told, guest in zip(_GUESTS, guests, strict=True)
        ]
        return seen, contents

    def _is_new(self, day: float) -> bool:
        return day >= self.days - NEW_FOR

    def _there(self, day: float) -> Iterator[_Volume]:
        part = day / self.days
        for volume in _VOLUMES:
            if volume.since <= part < volume.until or (volume.pool == "scratch" and self._is_new(day)):
                yield volume

    def _capacity(self) -> int:
        """Give the size of the pool that fills: what it takes at the end, and its growth until it is full."""
        at_the_end = [v for v in self._there(self.days) if v.pool == "vmdisk"]
        takes = sum(v.takes.start + v.takes.growth * (self.days + POOL_FULL_IN) for v in at_the_end)
        return int(takes * _GIB) + _OWN

    def _pools(self, volumes: Mapping[str, Volume]) -> Iterator[Pool]:
        sizes = {"vmdisk": self._capacity(), "iso": 50 * _GIB, "scratch": 100 * _GIB}
        for name, size in sizes.items():
            own = [volume for volume in volumes.values() if volume.pool == name]
            if not own:
                continue
            taken = sum(volume.allocation or 0 for volume in own) + _OWN
            yield Pool(
                PoolSpec(name, target=f"/data/{name}"),
                state="running",
                autostart=True,
                capacity=size,
                allocation=min(size, taken),
                available=max(0, size - taken),
                volumes=len(own),
            )

    def _guest(self, told: _Guest, volumes: Mapping[str, Volume]) -> Guest:
        paths = [f"/data/vmdisk/{name}" for name in told.volumes]
        disks = [
            Disk(f"vd{letter}", bus="virtio", format=volumes[path].format, path=path)
            for letter, path in zip("ab", paths, strict=False)
            if path in volumes
        ]
        return Guest(told.name, told.state, autostart=True, vcpus=2, memory=4 * _GIB, disks=tuple(disks))

    def _inside(self, told: _Guest, guest: Guest, day: float, stray: float) -> list[dict[str, object]]:
        size = told.size
        if size is None:
            size = told.holds.start + told.holds.growth * (self.days + told.full_in)
        rows = [_filesystem("/dev/sda1", "/", "vda", int(size * _GIB), told.holds.at(day, stray))]
        if len(guest.disks) > 1:
            rows.append(_filesystem("/dev/sdb1", "/archive", "vdb", 79 * _GIB, 71 * _GIB))
        return rows


#: What a file system takes itself, in a pool that is a folder.
_OWN = 3 * _GIB


def _filesystem(device: str, where: str, target: str, capacity: int, used: int) -> dict[str, object]:
    used = min(used, capacity)
    return {
        "filesystem": device,
        "device": device,
        "type": "ext4",
        "mounted": [where],
        "disks": [target],
        "size": capacity,
        "capacity": capacity,
        "used": used,
        "available": capacity - used,
        "inodes": capacity >> 14,
        "inodes_used": used >> 17,
        "status": "ok",
        "reason": None,
    }


def _volume(told: _Volume, day: float, moment: int, stray: float) -> Volume:
    capacity = told.capacity * _GIB
    takes = min(told.takes.at(day, stray), capacity)
    return Volume(
        told.pool,
        told.name,
        told.path,
        format=told.format,
        capacity=capacity,
        allocation=takes,
        physical=capacity if told.format == "raw" else takes,
        backing_path=f"/data/{told.pool}/{told.backing}" if told.backing else None,
        backing_format="qcow2" if told.backing else None,
        mode="0600",
        owner=0,
        group=0,
        modified=moment if told.takes.growth else None,
    )
