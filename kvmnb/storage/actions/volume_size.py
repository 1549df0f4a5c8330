"""Changing a volume's capacity.

What each method is for is said once, at `kvmnb.storage.action.Action`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import libvirt

from kvmnb.storage import guards, rules, streams
from kvmnb.storage.action import Action, Expectation, given, met
from kvmnb.storage.actions.facts import (
    volume_capacity,
)
from kvmnb.storage.model import FOLDER_POOLS, Inventory, Problem, Volume
from kvmnb.storage.roles import PoolName, Size, VolumeName, Word
from kvmnb.storage.streams import Progress
from kvmnb.units import format_size, parse_size, virsh_size

#: Formats that QEMU can resize.
RESIZABLE = ("raw", "qcow2", "qed")


@dataclass(frozen=True)
class ResizeVolume:
    """Change a volume's capacity.

    Parameters
    ----------
    pool : str
        A running pool.
    name : str
        A volume that no running guest has open.
    capacity : int or str
        The new capacity, in bytes or as ``"20G"``; kept as bytes.
    shrink : bool
        The word that a smaller capacity is meant: what lies beyond its end is lost.
    """

    pool: PoolName
    name: VolumeName
    capacity: Size
    shrink: Word = False
    patient: ClassVar[bool] = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "capacity", parse_size(self.capacity))

    def describe(self) -> str:
        how = "Resize, cutting off its end where that is needed," if self.shrink else "Grow"
        return f"{how} volume {self.name!r} of pool {self.pool!r} to {format_size(self.capacity)}"

    def command(self) -> list[str]:
        return [
            "virsh",
            "vol-resize",
            *given("--vol", self.name),
            virsh_size(self.capacity),
            "--pool",
            self.pool,
            *(["--shrink"] if self.shrink else []),
        ]

    def problems(self, seen: Inventory) -> Iterator[Problem]:
        yield from rules.volume_missing(self.pool, self.name, seen)
        yield from rules.capacity_problems(self.capacity)
        pool, volume = seen.pool(self.pool), seen.volume(self.pool, self.name)
        if pool is None or volume is None:
            return
        if pool.spec.type in FOLDER_POOLS and volume.format not in RESIZABLE:
            yield Problem(
                f"Volume {self.name!r} is {volume.format or 'of no known format'}, which cannot be resized",
                "create a larger qcow2 volume and copy the content there with qemu-img convert",
                "capacity",
            )
            return
        now = volume.capacity or 0
        if self.capacity < now:
            yield from self._shrink_problems(volume, seen, now)
        yield from guards.held_open(volume, seen, "resize it; virsh blockresize grows a running guest's disk")
        yield from guards.memory_saved(volume, seen, "resize its disk")
        yield from rules.space_problems(pool, self.capacity - now, at_once=pool.spec.type not in FOLDER_POOLS)

    def _shrink_problems(self, volume: Volume, seen: Inventory, now: int) -> Iterator[Problem]:
        if not self.shrink:
            yield Problem(
                f"Volume {self.name!r} has {format_size(now)}: cut to {format_size(self.capacity)} it would "
                "lose its end",
                "shrink the file systems inside first, then say shrink=True",
                "shrink",
            )
        if volume.format not in {"raw", "qcow2", None}:
            yield Problem(
                f"{volume.format} volumes cannot be shrunk", "convert it to qcow2 first", "capacity"
            )
        yield from guards.overlays_on(volume, seen, "shrink")

    def already(self, seen: Inventory) -> bool:
        return met(self, seen)

    def assume(self, seen: Inventory) -> Inventory:
        volume = seen.volume(self.pool, self.name)
        changed = replace(volume, capacity=self.capacity) if volume else None
        return seen.assume_volume(self.pool, self.name, changed) if changed else seen

    def run(self, connection: libvirt.virConnect, progress: Progress) -> None:
        flags = libvirt.VIR_STORAGE_VOL_RESIZE_SHRINK if self.shrink else 0
        streams.volume(connection, self.pool, self.name).resize(self.capacity, flags)

    def expected(self) -> tuple[Expectation, ...]:
        return (volume_capacity(self.pool, self.name, self.capacity),)

    def inverse(self, before: Inventory) -> tuple[Action, ...]:
        return ()  # data may lie beyond the old end by now
