"""Making libvirt know a guest, and forget it; starting it and turning it off.

What each method is for is said once, at `kvmnb.storage.action.Action`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar
from xml.etree import ElementTree as ET

import libvirt

from kvmnb.errors import BadValue
from kvmnb.storage import rules
from kvmnb.storage.action import Action, Expectation, given, met, shell_line
from kvmnb.storage.guest_xml import read_disks, read_guest_files, read_made
from kvmnb.storage.model import Guest, Inventory, Problem
from kvmnb.storage.roles import Confirm, FilePath, GuestName, NewGuestName
from kvmnb.storage.streams import Progress
from kvmnb.storage.usage import Usage

#: No definition of a guest is larger.
_LARGEST = 1 << 20


def _guest_state(name: str, state: str) -> Expectation:
    def actual(seen: Inventory) -> str:
        found = seen.guest(name)
        return found.state if found else "absent"

    return Expectation(f"state of guest {name!r}", state, actual)


def _missing(name: str, seen: Inventory) -> Iterator[Problem]:
    if seen.guest(name) is None:
        known = ", ".join(sorted(guest.name for guest in seen.guests()))
        remedy = f"choose one of: {known}" if known else "define one first"
        yield Problem(f"There is no guest {name!r}", remedy, "name")


@dataclass(frozen=True)
class DefineGuest:
    """Define a guest, so that libvirt knows it from now on. It is not started.

    Parameters
    ----------
    name : str
        The guest's name, as its definition says it.
    file : str
        A file of this machine with the definition: libvirt's XML, a ``<domain>``.
    """

    name: NewGuestName
    file: FilePath
    patient: ClassVar[bool] = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "file", str(self.file))

    @property
    def pool(self) -> str:
        return f"guest {self.name}"

    def describe(self) -> str:
        return f"Define the guest {self.name!r} as the file {self.file!r} says"

    def command(self) -> list[str]:
        return ["virsh", "define", *given("--file", self.file), "--validate"]

    def _text(self) -> str:
        with Path(self.file).open("rb") as file:
            content = file.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise ValueError(f"it is larger than {_LARGEST} bytes")
        return content.decode()  # what is handed to libvirt is UTF-8

    def _root(self) -> ET.Element | str:
        """Read the definition, or say why it cannot be read."""
        try:
            return self._guest(self._text())
        except (OSError, ValueError, ET.ParseError) as error:
            return f"The file {self.file!r} cannot be read as XML in UTF-8: {error}"

    def _guest(self, text: str) -> ET.Element | str:
        root = ET.fromstring(text.encode())
        if root.tag != "domain":
            return f"The file {self.file!r} defines a {root.tag!r}, and no guest"
        name = root.findtext("name")
        return root if name == self.name else f"The file {self.file!r} defines a guest {name!r}"

    def problems(self, seen: Inventory) -> Iterator[Problem]:
        yield from rules.name_problems(self.name, "name", "guest")
        if seen.guest(self.name) is not None:
            yield Problem(
                f"The name {self.name!r} is taken by another guest",
                "choose another name, or undefine that guest first",
                "name",
            )
        if seen.reader.client_kind(self.file) != "file":
            yield Problem(f"There is no file {self.file!r} here", "give the path of a file", "file")
            return
        root = self._root()
        if isinstance(root, str):
            yield Problem(root, f"give a definition of guest {self.name!r}", "file")

    def already(self, seen: Inventory) -> bool:  # libvirt writes more into a definition than it was given
        return False

    def assume(self, seen: Inventory) -> Inventory:
        root = self._root()
        if isinstance(root, str):
            return seen.assume_guest(self.name, Guest(self.name))
        guest = Guest(self.name, disks=read_disks(root), files=read_guest_files(root), made=read_made(root))
        return seen.assume_guest(self.name, guest)

    def run(self, connection: libvirt.virConnect, progress: Progress) -> None:
        text = self._text()
        wrong = self._guest(text)
        if isinstance(wrong, str):  # it was changed just now, and could define another guest anew
            raise BadValue(wrong, f"give a definition of guest {self.name!r}")
        connection.defineXMLFlags(text, libvirt.VIR_DOMAIN_DEFINE_VALIDATE)

    def expected(self) -> tuple[Expectation, ...]:
        return (_guest_state(self.name, "shut off"),)

    def inverse(self, before: Inventory) -> tuple[Action, ...]:
        return () if before.guest(self.name) else (UndefineGuest(self.name),)


@dataclass(frozen=True)
class UndefineGuest:
    """Forget a guest's definition. Its disks stay as they are.

    Parameters
    ----------
    name : str
        A guest that is shut off, without snapshots or saved memory.
    """

    name: GuestName
    patient: ClassVar[bool] = False

    @property
    def pool(self) -> str:
        return f"guest {self.name}"

    def describe(self) -> str:
        return f"Undefine guest {self.name!r}: libvirt forgets it, its disks stay"

    def command(self) -> list[str]:
        return ["virsh", "undefine", *given("--domain", self.name)]

    def problems(self, seen: Inventory) -> Iterator[Problem]:
        guest = seen.guest(self.name)
        if guest is None:
            return
        if guest.running:
            yield Problem(f"Guest {self.name!r} is {guest.state}", "shut it off first", "name")
        if guest.snapshots or guest.saved:
            kept = "snapshots" if guest.snapshots else "its memory saved"
            yield Problem(
                f"Guest {self.name!r} has {kept}, which would be lost",
                "see virsh snapshot-delete and virsh managedsave-remove, or keep the guest",
                "name",
            )
        if seen.kind(guest.file("nvram") or "/") == "file":
            yield Problem(
                f"Guest {self.name!r} has settings of its firmware in {guest.file('nvram')!r}",
                "undefine it by hand: virsh undefine with --nvram or --keep-nvram",
                "name",
            )
        copy = shell_line(["virsh", "dumpxml", *given("--domain", self.name)])
        yield Problem(
            f"The definition of guest {self.name!r} cannot be written anew: no undo",
            f"keep a copy first: {copy}",
            "name",
            "warn",
        )

    def already(self, seen: Inventory) -> bool:
        return met(self, seen)

    def assume(self, seen: Inventory) -> Inventory:
        return seen.assume_guest(self.name, None)

    def run(self, connection: libvirt.virConnect, progress: Progress) -> None:
        connection.lookupByName(self.name).undefine()

    def expected(self) -> tuple[Expectation, ...]:
        return (_guest_state(self.name, "absent"),)

    def inverse(self, before: Inventory) -> tuple[Action, ...]:
        return ()


@dataclass(frozen=True)
class StartGuest:
    """Start a guest.

    Parameters
    ----------
    name : str
        A defined guest.
    """

    name: GuestName
    patient: ClassVar[bool] = False

    @property
    def pool(self) -> str:
        return f"guest {self.name}"

    def describe(self) -> str:
        return f"Start guest {self.name!r}"

    def command(self) -> list[str]:
        return ["virsh", "start", *given("--domain", self.name)]

    def problems(self, seen: Inventory) -> Iterator[Problem]:
        yield from _missing(self.name, seen)
        guest = seen.guest(self.name)
        if guest is None or self.already(seen):
            return
        if guest.running:
            yield Problem(
                f"Guest {self.name!r} is {guest.state}", "have it go on: virsh resume, or shut it off", "name"
            )
        if guest.saved:
            yield Problem(
                f"Guest {self.name!r} goes on from its saved memory, which is used up by that: no undo",
                f"have it saved anew when it is to stop: {self._save()}",
                "name",
                "warn",
            )
        for disk in guest.disks:
            path = Usage.of(seen).source(disk)
            if path is not None and seen.kind(path) == "missing":
                yield Problem(
                    f"There is nothing at {path!r}, disk {disk.target} of guest {self.name!r}",
                    "bring the disk back first",
                    "name",
                )

    def already(self, seen: Inventory) -> bool:
        return met(self, seen)

    def assume(self, seen: Inventory) -> Inventory:
        guest = seen.guest(self.name)
        return seen if guest is None else seen.assume_guest(self.name, replace(guest, state="running"))

    def run(self, connection: libvirt.virConnect, progress: Progress) -> None:
        connection.lookupByName(self.name).create()

    def expected(self) -> tuple[Expectation, ...]:
        return (_guest_state(self.name, "running"),)

    def inverse(self, before: Inventory) -> tuple[Action, ...]:
        guest = before.guest(self.name)
        # What was saved would be lost by turning it off.
        lost = guest is not None and (guest.running or guest.saved)
        return () if lost else (ShutOffGuest(self.name, confirm=self.name),)

    def _save(self) -> str:
        return shell_line(["virsh", "managedsave", *given("--domain", self.name)])


@dataclass(frozen=True)
class ShutOffGuest:
    """Turn a guest off at once, as by pulling its plug: libvirt's word is *destroy*.

    Parameters
    ----------
    name : str
        A running guest.
    confirm : str
        The guest's name again, as the word that you mean it: what it has not written yet is lost.
    """

    name: GuestName
    confirm: Confirm = ""
    patient: ClassVar[bool] = False

    @property
    def pool(self) -> str:
        return f"guest {self.name}"

    def describe(self) -> str:
        return f"Turn guest {self.name!r} off at once: what it has not written yet is lost"

    def command(self) -> list[str]:
        return ["virsh", "destroy", *given("--domain", self.name)]

    def problems(self, seen: Inventory) -> Iterator[Problem]:
        yield from _missing(self.name, seen)
        guest = seen.guest(self.name)
        if guest is not None and guest.running:
            yield from rules.said(self.confirm, self.name, "turning a guest off at once")
            if not guest.persistent:
                yield Problem(
                    f"Guest {self.name!r} is transient: it is gone once it is off",
                    "keep a copy of its definition if you need it",
                    "name",
                    "warn",
                )

    def already(self, seen: Inventory) -> bool:
        guest = seen.guest(self.name)
        return guest is not None and not guest.running

    def assume(self, seen: Inventory) -> Inventory:
        guest = seen.guest(self.name)
        if guest is None:
            return seen
        off = replace(guest, state="shut off") if guest.persistent else None
        return seen.assume_guest(self.name, off)

    def run(self, connection: libvirt.virConnect, progress: Progress) -> None:
        connection.lookupByName(self.name).destroy()

    def expected(self) -> tuple[Expectation, ...]:
        def actual(seen: Inventory) -> str:
            guest = seen.guest(self.name)
            return "on" if guest and guest.running else "off"

        return (Expectation(f"guest {self.name!r} is", "off", actual),)

    def inverse(self, before: Inventory) -> tuple[Action, ...]:
        guest = before.guest(self.name)
        return (StartGuest(self.name),) if guest and guest.running and guest.persistent else ()
