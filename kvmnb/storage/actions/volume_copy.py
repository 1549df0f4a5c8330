"""Copying volumes.

What each method is for is said once, at `kvmnb.storage.action.Action`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import libvirt

from kvmnb.storage import guards, rules
from kvmnb.storage.action import Action, Expectation, given
from kvmnb.storage.actions.facts import (
    volume_fact,
    with_less_space,
)
from kvmnb.storage.actions.volume_removal import DeleteVolume
from kvmnb.storage.model import Inventory, Problem, Volume
from kvmnb.storage.roles import NewVolumeName, PoolName, VolumeName
from kvmnb.storage.streams import Progress
from kvmnb.storage.xml import clone_xml
from kvmnb.units import format_size

#: How often the growing copy is looked at, in seconds.
_GLANCE = 0.2


def _allocated(pool: libvirt.virStoragePool, name: str) -> int:
    """Give the bytes that a volume takes by now; none where libvirt does not show it yet."""
    try:
        return int(pool.storageVolLookupByName(name).info()[2])
    except libvirt.libvirtError:
        return 0


@dataclass(frozen=True)
class CloneVolume:
    """Copy a volume to a new one in the same pool.

    Parameters
    ----------
    pool : str
        A running pool.
    name : str
        The volume to copy.
    new_name : str
        The copy's name.
    """

    pool: PoolName
    name: VolumeName
    new_name: NewVolumeName
    patient: ClassVar[bool] = False

    def describe(self) -> str:
        return f"Copy volume {self.name!r} of pool {self.pool!r} to {self.new_name!r}"

    def command(self) -> list[str]:
        names = [*given("--vol", self.name), *given("--newname", self.new_name)]
        return ["virsh", "vol-clone", *names, "--pool", self.pool]

    def problems(self, seen: Inventory) -> Iterator[Problem]:
        yield from rules.volume_missing(self.pool, self.name, seen)
        yield from rules.name_problems(self.new_name, "new_name", "volume")
        pool, volume = seen.pool(self.pool), seen.volume(self.pool, self.name)
        if pool is None or volume is None:
            return
        if seen.volume(self.pool, self.new_name):
            yield Problem(
                f"Pool {self.pool!r} has a volume {self.new_name!r} already",
                "choose another name",
                "new_name",
            )
        else:
            yield from rules.path_taken(pool, self.new_name, seen, "new_name")
        yield from guards.held_open(volume, seen, "copy it: the copy would be torn")
        yield from rules.space_problems(pool, volume.allocation or 0, at_once=True)

    def already(self, seen: Inventory) -> bool:  # nobody can tell a copy from another volume
        return False

    def assume(self, seen: Inventory) -> Inventory:
        volume = seen.volume(self.pool, self.name)
        if volume is None:
            return seen
        path = f"{Path(volume.path).parent}/{self.new_name}" if volume.path else ""
        seen = with_less_space(seen, self.pool, volume.allocation or 0)
        return seen.assume_volume(self.pool, self.new_name, replace(volume, name=self.new_name, path=path))

    def run(self, connection: libvirt.virConnect, progress: Progress) -> None:
        pool = connection.storagePoolLookupByName(self.pool)
        original = pool.storageVolLookupByName(self.name)
        xml = clone_xml(original.XMLDesc(0), self.new_name)
        total = int(original.info()[2])
        # libvirt tells nothing of its progress, and nothing stops it: the copy is watched while it grows.
        with ThreadPoolExecutor(1) as copying:
            copied = copying.submit(pool.createXMLFrom, xml, original, 0)
            while not wait([copied], _GLANCE).done:
                progress(min(_allocated(pool, self.new_name), total), total)
        copied.result()
        progress(total, total)

    def expected(self) -> tuple[Expectation, ...]:
        def original(read: Callable[[Volume], object]) -> Callable[[Inventory], str | None]:
            def value(seen: Inventory) -> str | None:
                found = seen.volume(self.pool, self.name)
                return str(read(found)) if found else None

            return value

        def fact(what: str, read: Callable[[Volume], object]) -> Expectation:
            copy = volume_fact(what, self.pool, self.new_name, "", read)
            return replace(copy, expected=original(read))

        return (
            fact("format", lambda volume: volume.format),
            fact(
                "capacity", lambda volume: None if volume.capacity is None else format_size(volume.capacity)
            ),
        )

    def inverse(self, before: Inventory) -> tuple[Action, ...]:
        return (DeleteVolume(self.pool, self.new_name, confirm=self.new_name),)
