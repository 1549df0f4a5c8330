"""Doing away with volumes, or with what is on them.

What each method is for is said once, at `kvmnb.storage.action.Action`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import libvirt

from kvmnb.storage import guards, rules, streams
from kvmnb.storage.action import Action, Expectation, given, met
from kvmnb.storage.actions.facts import (
    volume_presence,
)
from kvmnb.storage.model import Inventory, Problem
from kvmnb.storage.roles import Confirm, PoolName, VolumeName
from kvmnb.storage.streams import Progress


@dataclass(frozen=True)
class WipeVolume:
    """Overwrite a volume with zeros, so that nothing of it can be read again.

    An image's own header goes too: after a refresh libvirt shows it as raw.

    Parameters
    ----------
    pool : str
        A running pool.
    name : str
        A volume that no guest has open and no overlay lies on.
    confirm : str
        The volume's name again, as the word that you mean it.
    """

    pool: PoolName
    name: VolumeName
    confirm: Confirm = ""
    patient: ClassVar[bool] = False

    def describe(self) -> str:
        return f"Overwrite volume {self.name!r} of pool {self.pool!r} with zeros: all that is on it is lost"

    def command(self) -> list[str]:
        return ["virsh", "vol-wipe", *given("--vol", self.name), "--pool", self.pool]

    def problems(self, seen: Inventory) -> Iterator[Problem]:
        yield from rules.volume_missing(self.pool, self.name, seen)
        yield from rules.said(self.confirm, self.name, "wiping a volume")
        volume = seen.volume(self.pool, self.name)
        if volume is None:
            return
        yield from guards.in_use(volume, seen, "wipe")
        if volume.format not in {"raw", None}:
            yield Problem(
                f"Volume {self.name!r} is a {volume.format} image, whose header is wiped too",
                "it will be raw afterwards; create a new volume to have an empty image",
                "name",
                "warn",
            )

    def already(self, seen: Inventory) -> bool:  # only reading all of it would tell
        return False

    def assume(self, seen: Inventory) -> Inventory:
        return seen

    def run(self, connection: libvirt.virConnect, progress: Progress) -> None:
        streams.volume(connection, self.pool, self.name).wipe(0)

    def expected(self) -> tuple[Expectation, ...]:
        def start(seen: Inventory) -> str | None:
            volume = seen.volume(self.pool, self.name)
            length = min(volume.physical or 0, 1 << 20) if volume else 0
            found = seen.reader.content(self.pool, self.name, length) if length else None
            return None if found is None else "zeros" if found == streams.zeros_digest(length) else "data"

        return (Expectation(f"first MiB of volume {self.name!r}", "zeros", start),)

    def inverse(self, before: Inventory) -> tuple[Action, ...]:
        return ()


@dataclass(frozen=True)
class DeleteVolume:
    """Delete a volume with all that is on it.

    Refused while any guest needs it, running or not, directly or as a backing store, and where that can't be
    known.

    Parameters
    ----------
    pool : str
        A running pool.
    name : str
        The volume.
    confirm : str
        The volume's name again, as the word that you mean it.
    """

    pool: PoolName
    name: VolumeName
    confirm: Confirm = ""
    patient: ClassVar[bool] = False

    def describe(self) -> str:
        return f"Delete volume {self.name!r} of pool {self.pool!r}: all that is on it is lost"

    def command(self) -> list[str]:
        return ["virsh", "vol-delete", *given("--vol", self.name), "--pool", self.pool]

    def problems(self, seen: Inventory) -> Iterator[Problem]:
        yield from rules.pool_not_running(self.pool, seen)
        volume = seen.volume(self.pool, self.name)
        if volume is None:
            return
        if volume.type == "dir":
            yield Problem(
                f"{self.name!r} in pool {self.pool!r} is a directory, not an image",
                "leave it: it belongs to the file system, or to whoever made it",
                "name",
            )
            return
        yield from rules.said(self.confirm, self.name, "deleting a volume")
        yield from guards.in_use(volume, seen, "delete")

    def already(self, seen: Inventory) -> bool:
        pool = seen.pool(self.pool)
        return pool is not None and pool.active and met(self, seen)

    def assume(self, seen: Inventory) -> Inventory:
        volume = seen.volume(self.pool, self.name)
        if volume is not None and volume.path:
            seen = seen.assume_kind(volume.path, "missing")
        return seen.assume_volume(self.pool, self.name, None)

    def run(self, connection: libvirt.virConnect, progress: Progress) -> None:
        streams.volume(connection, self.pool, self.name).delete(libvirt.VIR_STORAGE_VOL_DELETE_NORMAL)

    def expected(self) -> tuple[Expectation, ...]:
        return (volume_presence(self.pool, self.name, "absent"),)

    def inverse(self, before: Inventory) -> tuple[Action, ...]:
        return ()
