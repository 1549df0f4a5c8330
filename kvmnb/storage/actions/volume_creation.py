"""Making new volumes.

What each method is for is said once, at `kvmnb.storage.action.Action`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import libvirt

from kvmnb.errors import BadValue
from kvmnb.storage import guards, rules
from kvmnb.storage.action import Action, Expectation, given, met, optional
from kvmnb.storage.actions.facts import (
    volume_allocation,
    volume_capacity,
    volume_fact,
    volume_presence,
    with_less_space,
)
from kvmnb.storage.actions.volume_removal import DeleteVolume
from kvmnb.storage.model import FOLDER_POOLS, Inventory, Pool, Problem, Volume
from kvmnb.storage.roles import Format, NewVolumeName, PoolName, Size, VolumeName
from kvmnb.storage.streams import Progress
from kvmnb.storage.xml import volume_xml
from kvmnb.units import format_size, parse_size, virsh_size

Preallocation = Literal["off", "metadata", "falloc"]


#: Formats that QEMU can create and libvirt can ask for. Others (iso, dmg …) are only ever found.
CREATABLE = ("raw", "qcow2", "qcow", "qed", "vdi", "vmdk", "vpc")


#: Formats whose capacity is rounded up: to a disk geometry by QEMU, to an extent where there is no format.
_ROUNDED = {"vpc", ""}


@dataclass(frozen=True)
class CreateVolume:
    """Create a volume in a pool.

    Parameters
    ----------
    pool : str
        A running pool.
    name : str
        The new volume's name; for files with its ending, such as ``vm1.qcow2``.
    capacity : int or str
        The size that a guest sees, in bytes or as ``"10G"``; kept as bytes.
    format : str
        raw, qcow2, qcow, qed, vdi, vmdk or vpc; empty in a pool of block devices, which have none.
    preallocation : {"off", "metadata", "falloc"}
        Take no space yet, lay out qcow2's tables, or reserve all space now.
    backing_volume : str
        Name of a volume of the same pool that it is to be an overlay of.
    backing_format : str
        That volume's format. Always said, never guessed: a raw image could claim to be anything.
    """

    pool: PoolName
    name: NewVolumeName
    capacity: Size
    format: Format = "qcow2"
    preallocation: Preallocation = "off"
    backing_volume: VolumeName = ""
    backing_format: Format = ""
    patient: ClassVar[bool] = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "capacity", parse_size(self.capacity))
        for field in ("pool", "name", "format", "backing_volume"):
            if not isinstance(getattr(self, field), str):
                what = f"The {field.replace('_', ' ')} of a volume is text, not {getattr(self, field)!r}"
                raise BadValue(what, f"give {field} as text")

    def describe(self) -> str:
        extra = "" if self.preallocation == "off" else f", preallocated ({self.preallocation})"
        if self.backing_volume:
            extra += f", as an overlay of {self.backing_volume!r}"
        size = format_size(self.capacity)
        kind = f"{self.format} volume" if self.format else "volume"
        return f"Create the {size} {kind} {self.name!r} in pool {self.pool!r}{extra}"

    @property
    def _allocation(self) -> int | None:
        """What libvirt is told to allocate: for raw nothing or all, for qcow2 that picks the kind."""
        if self.preallocation == "falloc":
            return self.capacity
        return 0 if self.format == "raw" or self.preallocation == "metadata" else None

    def command(self) -> list[str]:
        tables = self.preallocation != "off" and self.format == "qcow2"
        return [
            "virsh",
            "vol-create-as",
            *given("--pool", self.pool),
            *given("--name", self.name),
            virsh_size(self.capacity),
            *optional(format=self.format),
            *([] if self._allocation is None else ["--allocation", virsh_size(self._allocation)]),
            *(["--prealloc-metadata"] if tables else []),
            *optional(backing_vol=self.backing_volume, backing_vol_format=self.backing_format),
        ]

    def problems(self, seen: Inventory) -> Iterator[Problem]:
        yield from rules.pool_not_running(self.pool, seen)
        yield from rules.name_problems(self.name, "name", "volume")
        yield from rules.capacity_problems(self.capacity)
        pool = seen.pool(self.pool)
        if pool is None or not pool.active:
            return
        yield from self._format_problems(pool, seen)
        existing = seen.volume(self.pool, self.name)
        if existing is not None and not self.already(seen):
            yield Problem(
                f"Pool {self.pool!r} has a volume {self.name!r} already: {existing.format}, "
                f"{format_size(existing.capacity or 0)}{self._not_preallocated(existing)}",
                "choose another name, or delete that volume first",
                "name",
            )
        elif existing is None:
            yield from rules.path_taken(pool, self.name, seen, "name")
            yield from rules.space_problems(pool, self.capacity, at_once=self._at_once(pool))

    def _at_once(self, pool: Pool) -> bool:
        """Tell whether all of its space is taken when it is made."""
        return self.preallocation == "falloc" or pool.spec.type not in FOLDER_POOLS

    def _not_preallocated(self, existing: Volume) -> str:
        if self.preallocation != "falloc" or (existing.allocation or 0) >= self.capacity:
            return ""
        return f", not preallocated: {format_size(existing.allocation or 0)} are allocated"

    def _format_problems(self, pool: Pool, seen: Inventory) -> Iterator[Problem]:
        if pool.spec.type not in FOLDER_POOLS:
            # libvirt takes raw for an unknown type of partition, and allocates nothing of a logical volume.
            if self.format:
                yield Problem(
                    f"A {pool.spec.type} pool has block devices, not {self.format} images",
                    "leave the format empty: format=''",
                    "format",
                )
            for name in ("backing_volume", "preallocation"):
                if getattr(self, name) not in {"", "off"}:
                    yield Problem(
                        f"A {pool.spec.type} pool has block devices, allocated whole, on no backing store",
                        f"leave out {name}",
                        name,
                    )
            return
        known = seen.reader.formats(pool.spec.type) or CREATABLE
        choices = [name for name in CREATABLE if name in known]
        if self.format not in choices:
            yield Problem(
                f"The volume format {self.format!r} cannot be created here",
                f"choose one of: {', '.join(choices)}",
                "format",
            )
        elif self.preallocation not in self.preallocations():
            yield Problem(
                f"{self.format} volumes have no preallocation {self.preallocation!r}",
                f"choose one of: {', '.join(self.preallocations())}",
                "preallocation",
            )
        if self.backing_volume:
            yield from self._backing_problems(seen)

    def preallocations(self) -> tuple[Preallocation, ...]:
        """Give the kinds of preallocation that libvirt offers for the format."""
        if self.format == "raw":
            return ("off", "falloc")
        return ("off", "metadata", "falloc") if self.format == "qcow2" else ("off",)

    def _backing_problems(self, seen: Inventory) -> Iterator[Problem]:
        backing = seen.volume(self.pool, self.backing_volume)
        if backing is None:
            yield from rules.volume_missing(self.pool, self.backing_volume, seen, "backing_volume")
            return
        if set("<&") & set(backing.path):  # virsh vol-create-as writes it into XML as it is
            yield Problem(
                f"The path {backing.path!r} of the backing volume holds '<' or '&'",
                "rename it, and refresh the pool",
                "backing_volume",
            )
        if self.backing_format != backing.format:
            yield Problem(
                f"Volume {self.backing_volume!r} is {backing.format}, not {self.backing_format or 'unsaid'}",
                f"give backing_format={backing.format!r}",
                "backing_format",
            )
        if self.format not in {"qcow2", "qed", "qcow", "vmdk"}:
            yield Problem(f"{self.format} volumes cannot be overlays", "use format 'qcow2'", "format")
        if self.preallocation == "falloc":
            yield Problem(
                "An overlay cannot be preallocated whole: it would hide its backing store",
                "leave preallocation off",
                "preallocation",
            )
        if backing.capacity is not None and self.capacity < backing.capacity:
            yield Problem(
                f"The capacity {format_size(self.capacity)} is less than that of {self.backing_volume!r}, "
                f"{format_size(backing.capacity)}, so that its end would be cut off",
                f"use {virsh_size(backing.capacity)} or more",
                "capacity",
            )
        users = guards.running_users(backing, seen, direct=True)
        if users:
            yield Problem(
                f"Volume {self.backing_volume!r} is written by {', '.join(users)}, under the overlay",
                "shut it off, or make an external snapshot of the guest instead",
                "backing_volume",
            )

    def _backing_path(self, seen: Inventory) -> str | None:
        backing = seen.volume(self.pool, self.backing_volume) if self.backing_volume else None
        return backing.path if backing else None

    def already(self, seen: Inventory) -> bool:
        found = seen.volume(self.pool, self.name)
        if found is None or found.backing_path != self._backing_path(seen):
            return False
        return met(self, seen)

    def assume(self, seen: Inventory) -> Inventory:
        pool = seen.pool(self.pool)
        if pool is None or seen.volume(self.pool, self.name):
            return seen
        path = f"{pool.spec.target.rstrip('/')}/{self.name}"
        at_once = self._at_once(pool)
        allocation = self.capacity if at_once else None
        volume = Volume(self.pool, self.name, path, "file", self.format, self.capacity, allocation)
        seen = with_less_space(seen, self.pool, self.capacity) if at_once else seen
        return seen.assume_volume(
            self.pool, self.name, replace(volume, backing_path=self._backing_path(seen))
        )

    def run(self, connection: libvirt.virConnect, progress: Progress) -> None:
        pool = connection.storagePoolLookupByName(self.pool)
        backing_path = pool.storageVolLookupByName(self.backing_volume).path() if self.backing_volume else ""
        xml = volume_xml(
            self.name,
            self.capacity,
            allocation=self._allocation,
            format=self.format,
            backing_path=backing_path,
            backing_format=self.backing_format,
        )
        tables = self.preallocation != "off" and self.format == "qcow2"
        pool.createXML(xml, libvirt.VIR_STORAGE_VOL_CREATE_PREALLOC_METADATA if tables else 0)

    def expected(self) -> tuple[Expectation, ...]:
        size = volume_capacity(self.pool, self.name, self.capacity, rounded=self.format in _ROUNDED)
        if not self.format:
            return (volume_presence(self.pool, self.name, "present"), size)
        kind = volume_fact("format", self.pool, self.name, self.format, lambda volume: volume.format)
        if self.preallocation != "falloc":
            return (kind, size)
        return (kind, size, volume_allocation(self.pool, self.name, self.capacity))

    def inverse(self, before: Inventory) -> tuple[Action, ...]:
        if before.volume(self.pool, self.name):
            return ()
        return (DeleteVolume(self.pool, self.name, confirm=self.name),)
