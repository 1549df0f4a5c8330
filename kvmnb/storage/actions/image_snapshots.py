"""Internal snapshots of image files: taking one, going back to one, deleting one.

What each method is for is said once, at `kvmnb.storage.action.Action`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal

from kvmnb.images import qemu_img
from kvmnb.images.answers import Info
from kvmnb.images.opening import spec
from kvmnb.storage import image_guards, image_rules, rules
from kvmnb.storage.action import Action, Expectation, met
from kvmnb.storage.model import Inventory, Problem
from kvmnb.storage.roles import Confirm, ImagePath, SnapshotName
from kvmnb.storage.streams import Progress
from kvmnb.storage.usage import Usage

if TYPE_CHECKING:
    import libvirt

#: A longer name would be cut by QEMU.
_LONGEST_NAME = 255

#: The one format that keeps snapshots.
_FORMAT = "qcow2"


@dataclass(frozen=True)
class CreateSnapshot:
    """Take an internal snapshot of a qcow2 image: what it holds now stays, inside the same file.

    Parameters
    ----------
    path : str
        Absolute path of a qcow2 image that no running guest has open and nothing lies on.
    name : str
        The snapshot's name.
    """

    path: ImagePath
    name: str
    patient: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check_fields(self)

    @property
    def pool(self) -> str:
        """What it works on alone."""
        return self.path

    def describe(self) -> str:
        return f"Take the snapshot {self.name!r} of the image {self.path!r}"

    def command(self) -> list[str]:
        return _command("-c", self.path, self.name)

    def problems(self, seen: Inventory) -> Iterator[Problem]:
        yield from _problems(self.path, seen, "take a snapshot of")
        name = self.name
        if not name or not name.isprintable() or len(name.encode(errors="replace")) > _LONGEST_NAME:
            yield Problem(
                f"The snapshot name {name[:40]!r} is empty, too long or has control characters",
                f"use letters, digits and signs, at most {_LONGEST_NAME} bytes",
                "name",
            )
        elif name.isdecimal() or name.startswith("-"):
            yield Problem(
                f"The snapshot name {name!r} could be taken for a snapshot's number, or for an option",
                "begin it with a letter",
                "name",
            )
        if name in _names(self.path, seen):
            yield Problem(
                f"Image {self.path!r} has a snapshot {name!r} already", "choose another name", "name"
            )
        yield from image_rules.in_pool(self.path, seen, "path")

    def already(self, seen: Inventory) -> bool:
        return False  # one of that name may hold something else

    def assume(self, seen: Inventory) -> Inventory:
        return _assume(self.path, seen, add=self.name)

    def run(self, connection: libvirt.virConnect, progress: Progress) -> None:
        qemu_img.snapshot(self.path, _FORMAT, "create", self.name)

    def expected(self) -> tuple[Expectation, ...]:
        return (_presence(self.path, self.name, "present"),)

    def inverse(self, before: Inventory) -> tuple[Action, ...]:
        return (DeleteSnapshot(self.path, self.name, confirm=self.name),)


@dataclass(frozen=True)
class ApplySnapshot:
    """Go back to an internal snapshot of a qcow2 image: all that was written since is lost.

    Parameters
    ----------
    path : str
        Absolute path of a qcow2 image that no running guest has open and nothing lies on.
    name : str
        The snapshot's name.
    confirm : str
        The snapshot's name again, as the word that you mean it.
    """

    path: ImagePath
    name: SnapshotName
    confirm: Confirm = ""
    patient: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check_fields(self)

    @property
    def pool(self) -> str:
        """What it works on alone."""
        return self.path

    def describe(self) -> str:
        return f"Go back to the snapshot {self.name!r} of the image {self.path!r}: all written since is lost"

    def command(self) -> list[str]:
        return _command("-a", self.path, self.name)

    def problems(self, seen: Inventory) -> Iterator[Problem]:
        yield from _problems(self.path, seen, "change")
        yield from _one_of_that_name(self.path, self.name, seen)
        yield from rules.said(self.confirm, self.name, "going back to a snapshot")

    def already(self, seen: Inventory) -> bool:
        return False  # only reading all of it would tell

    def assume(self, seen: Inventory) -> Inventory:
        return seen

    def run(self, connection: libvirt.virConnect, progress: Progress) -> None:
        qemu_img.snapshot(self.path, _FORMAT, "apply", self.name)

    def expected(self) -> tuple[Expectation, ...]:
        return (_presence(self.path, self.name, "present"),)

    def inverse(self, before: Inventory) -> tuple[Action, ...]:
        return ()


@dataclass(frozen=True)
class DeleteSnapshot:
    """Delete an internal snapshot of a qcow2 image; what the image holds now stays.

    Parameters
    ----------
    path : str
        Absolute path of a qcow2 image that no running guest has open and nothing lies on.
    name : str
        The snapshot's name.
    confirm : str
        The snapshot's name again, as the word that you mean it.
    """

    path: ImagePath
    name: SnapshotName
    confirm: Confirm = ""
    patient: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check_fields(self)

    @property
    def pool(self) -> str:
        """What it works on alone."""
        return self.path

    def describe(self) -> str:
        return f"Delete the snapshot {self.name!r} of the image {self.path!r}: there is no way back to it"

    def command(self) -> list[str]:
        return _command("-d", self.path, self.name)

    def problems(self, seen: Inventory) -> Iterator[Problem]:
        if self.already(seen):
            return
        yield from _problems(self.path, seen, "delete a snapshot of")
        yield from _one_of_that_name(self.path, self.name, seen)
        yield from rules.said(self.confirm, self.name, "deleting a snapshot")

    def already(self, seen: Inventory) -> bool:
        return self.path.startswith("/") and met(self, seen)

    def assume(self, seen: Inventory) -> Inventory:
        return _assume(self.path, seen, drop=self.name)

    def run(self, connection: libvirt.virConnect, progress: Progress) -> None:
        qemu_img.snapshot(self.path, _FORMAT, "delete", self.name)

    def expected(self) -> tuple[Expectation, ...]:
        return (_presence(self.path, self.name, "absent"),)

    def inverse(self, before: Inventory) -> tuple[Action, ...]:
        return ()


def _check_fields(action: CreateSnapshot | ApplySnapshot | DeleteSnapshot) -> None:
    for field in ("path", "name"):
        object.__setattr__(action, field, image_rules.text(getattr(action, field), field))


def _command(flag: str, path: str, name: str) -> list[str]:
    # This command takes no -f, so the format is said in another way.
    place = spec(path, _FORMAT) if path.startswith("/") else path
    return ["qemu-img", "snapshot", flag, name, "--image-opts", place]


def _problems(path: str, seen: Inventory, verb: str) -> Iterator[Problem]:
    problems = [*image_rules.existing(path, _FORMAT, seen, ("path", "path"))]
    yield from problems
    if not problems:
        yield from image_guards.held_open(path, seen, f"{verb} it")
        yield from image_guards.overlays_on(path, seen, verb)
        if verb == "change":  # taking and deleting one leave what the image holds now
            yield from image_guards.memory_saved(path, seen, "go back to a snapshot of its disk")


def _names(path: str, seen: Inventory) -> tuple[str, ...]:
    told = seen.image(path, _FORMAT) if path.startswith("/") else None
    return told.snapshots if isinstance(told, Info) else ()


def _one_of_that_name(path: str, name: str, seen: Inventory) -> Iterator[Problem]:
    """Say that there is no snapshot of that name, or that more than one could be meant."""
    names = _names(path, seen)
    if name not in names:
        known = ", ".join(map(repr, names)) or "it has none"
        yield Problem(f"Image {path!r} has no snapshot {name!r}", f"choose one of: {known}", "name")
        return
    images = seen.reader.images
    told = images.snapshots(path, _FORMAT) if images is not None and seen.kind(path) == "file" else ()
    also = [one for one in told if name in {one.id, one.name}] if not isinstance(told, str) else []
    if len(also) > 1:
        yield Problem(
            f"Image {path!r} has {len(also)} snapshots that {name!r} could mean, by name or number",
            "do it by hand, by the number that is meant",
            "name",
        )
    usage = Usage.of(seen)
    guests = {use.guest.name: use.guest for use in usage.uses_of(usage.real(path)) if use.guest.snapshots}
    for guest in guests.values():
        own = any(disk.where == f"snapshot {name}" for disk in guest.other_disks)
        part = f"{name!r} {'is' if own else 'may be'} part of one"
        yield Problem(
            f"Guest {guest.name!r} has snapshots of libvirt's: {part}",
            "use virsh snapshot-revert or snapshot-delete for those",
            "name",
            "refuse" if own else "warn",
        )


def _assume(path: str, seen: Inventory, add: str = "", drop: str = "") -> Inventory:
    told = seen.image(path, _FORMAT)
    if not isinstance(told, Info):
        return seen
    names = tuple(name for name in told.snapshots if name != drop) + ((add,) if add else ())
    return seen.assume_image(replace(told, snapshots=names))


def _presence(path: str, name: str, want: Literal["present", "absent"]) -> Expectation:
    def actual(seen: Inventory) -> str | None:
        told = seen.image(path, _FORMAT)
        if not isinstance(told, Info):
            return told
        return "present" if name in told.snapshots else "absent"

    return Expectation(f"snapshot {name!r} of image {path!r}", want, actual)
