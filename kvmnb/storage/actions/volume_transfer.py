"""Moving a volume's content between a pool and a file of this machine.

What each method is for is said once, at `kvmnb.storage.action.Action`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import libvirt

from kvmnb.storage import guards, rules, streams
from kvmnb.storage.action import Action, Expectation, given
from kvmnb.storage.model import Inventory, Problem
from kvmnb.storage.roles import Confirm, FilePath, NewFilePath, PoolName, VolumeName
from kvmnb.storage.streams import Progress
from kvmnb.units import format_size


@dataclass(frozen=True)
class UploadVolume:
    """Write a file over a volume's content, through a libvirt stream.

    Holes stay holes where the volume is of the file's size and empty; elsewhere they are written as zeros,
    since ``virsh vol-upload --sparse`` would leave what was there before.

    Parameters
    ----------
    pool : str
        A running pool.
    name : str
        A volume that nobody uses. Its file format becomes that of the file.
    file : str
        A file on this machine.
    confirm : str
        The volume's name again, as the word that you mean it.
    """

    pool: PoolName
    name: VolumeName
    file: FilePath
    confirm: Confirm = ""
    patient: ClassVar[bool] = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "file", str(self.file))

    def describe(self) -> str:
        return f"Write the file {self.file!r} over volume {self.name!r} of pool {self.pool!r}"

    def command(self) -> list[str]:
        return [
            "virsh",
            "vol-upload",
            *given("--vol", self.name),
            *given("--file", self.file),
            "--pool",
            self.pool,
        ]

    def problems(self, seen: Inventory) -> Iterator[Problem]:
        yield from rules.volume_missing(self.pool, self.name, seen)
        yield from rules.said(self.confirm, self.name, "writing over a volume")
        volume = seen.volume(self.pool, self.name)
        if seen.reader.client_kind(self.file) != "file":
            yield Problem(f"There is no file {self.file!r} here", "give the path of a file", "file")
        elif volume is not None:
            size = seen.reader.client_size(self.file)
            room = max(volume.capacity or 0, volume.physical or 0)
            if size > room:
                yield Problem(
                    f"The file {self.file!r} has {format_size(size)}, more than the {format_size(room)} of "
                    f"volume {self.name!r}",
                    "resize the volume first",
                    "file",
                )
            rest = (volume.physical or 0) - size if volume.allocation else 0
            if rest > 0:
                yield Problem(
                    f"The file {self.file!r} is shorter than what volume {self.name!r} holds: {rest} bytes "
                    "of the old content stay behind it",
                    "wipe the volume first to be rid of them",
                    "file",
                    "warn",
                )
        if volume is not None:
            yield from guards.in_use(volume, seen, "write over")

    def already(self, seen: Inventory) -> bool:  # only reading both would tell
        return False

    def assume(self, seen: Inventory) -> Inventory:
        return seen

    def run(self, connection: libvirt.virConnect, progress: Progress) -> None:
        streams.upload(connection, self.pool, self.name, Path(self.file), progress)

    def expected(self) -> tuple[Expectation, ...]:
        def volume_content(seen: Inventory) -> str | None:
            if seen.reader.client_kind(self.file) != "file":
                return None
            size = seen.reader.client_size(self.file)
            # Length 0 would mean all of it, and of an empty file nothing was written.
            return seen.reader.content(self.pool, self.name, size) if size else streams.zeros_digest(0)

        return (
            Expectation(
                f"SHA-256 of volume {self.name!r}",
                lambda seen: seen.reader.client_content(self.file),
                volume_content,
            ),
        )

    def inverse(self, before: Inventory) -> tuple[Action, ...]:
        return ()


@dataclass(frozen=True)
class DownloadVolume:
    """Copy a volume's content to a new file of this machine, through a libvirt stream; holes stay holes.

    Parameters
    ----------
    pool : str
        A running pool.
    name : str
        The volume.
    file : str
        A file that does not exist yet. It appears only when it is complete.
    """

    pool: PoolName
    name: VolumeName
    file: NewFilePath
    patient: ClassVar[bool] = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "file", str(self.file))

    def describe(self) -> str:
        return f"Copy the content of volume {self.name!r} of pool {self.pool!r} to the file {self.file!r}"

    def command(self) -> list[str]:
        return [
            "virsh",
            "vol-download",
            *given("--vol", self.name),
            *given("--file", self.file),
            "--pool",
            self.pool,
            "--sparse",
        ]

    def problems(self, seen: Inventory) -> Iterator[Problem]:
        yield from rules.volume_missing(self.pool, self.name, seen)
        if seen.reader.client_kind(self.file) != "missing":
            yield Problem(f"{self.file!r} exists already", "choose another path, or move it away", "file")
        elif seen.reader.client_kind(str(Path(self.file).parent)) != "directory":
            yield Problem(f"There is no folder for {self.file!r}", "make the folder first", "file")
        volume = seen.volume(self.pool, self.name)
        if volume is not None:
            users = guards.running_users(volume, seen)
            if users:
                yield Problem(
                    f"Volume {self.name!r} is open in {', '.join(users)}, so that the copy may be torn",
                    "shut the guest off for a copy that can be trusted",
                    "name",
                    "warn",
                )

    def already(self, seen: Inventory) -> bool:
        return False

    def assume(self, seen: Inventory) -> Inventory:
        return seen

    def run(self, connection: libvirt.virConnect, progress: Progress) -> None:
        streams.download(connection, self.pool, self.name, Path(self.file), progress)

    def expected(self) -> tuple[Expectation, ...]:
        return (
            Expectation(
                f"SHA-256 of the file {self.file!r}",
                lambda seen: seen.reader.content(self.pool, self.name, 0),
                lambda seen: seen.reader.client_content(self.file),
            ),
        )

    def inverse(self, before: Inventory) -> tuple[Action, ...]:  # the file is the user's now
        return ()
