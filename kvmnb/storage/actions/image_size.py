"""Changing the size of an image file, and mending one.

What each method is for is said once, at `kvmnb.storage.action.Action`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from kvmnb.images import qemu_img
from kvmnb.images.answers import Check, Info
from kvmnb.storage import image_guards, image_rules, rules
from kvmnb.storage.action import Action, Expectation, met, shell_line
from kvmnb.storage.actions import image_facts
from kvmnb.storage.actions.volume_size import RESIZABLE
from kvmnb.storage.model import Inventory, Problem
from kvmnb.storage.roles import Confirm, Format, ImagePath, Size, Word
from kvmnb.storage.streams import Progress
from kvmnb.units import format_size, parse_size

if TYPE_CHECKING:
    import libvirt


@dataclass(frozen=True)
class ResizeImage:
    """Change the size that a guest sees of an image.

    Parameters
    ----------
    path : str
        Absolute path of an image that no running guest has open.
    format : str
        Its format: raw, qcow2 or qed.
    size : int or str
        The new size, in bytes or as ``"20G"``; kept as bytes.
    shrink : bool
        The word that a smaller size is meant: what lies beyond its end is lost.
    """

    path: ImagePath
    format: Format
    size: Size
    shrink: Word = False
    patient: ClassVar[bool] = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", parse_size(self.size))
        image_rules.flag(self.shrink, "shrink")
        for field in ("path", "format"):
            object.__setattr__(self, field, image_rules.text(getattr(self, field), field))

    @property
    def pool(self) -> str:
        """What it works on alone."""
        return self.path

    def describe(self) -> str:
        how = "Resize, cutting off its end where that is needed," if self.shrink else "Grow"
        return f"{how} the {self.format} image {self.path!r} to {format_size(self.size)}"

    def command(self) -> list[str]:
        less = ["--shrink"] if self.shrink else []
        return ["qemu-img", "resize", "-f", self.format, *less, self.path, str(self.size)]

    def problems(self, seen: Inventory) -> Iterator[Problem]:
        yield from image_rules.existing(self.path, self.format, seen, ("path", "format"))
        if self.format not in RESIZABLE:
            yield Problem(
                f"{self.format} images cannot be resized", "convert it to qcow2 or raw first", "format"
            )
            return
        yield from image_rules.size_problems(self.format, self.size, "", seen)
        told = seen.image(self.path, self.format) if self.path.startswith("/") else None
        if not isinstance(told, Info):
            return
        if seen.kind(self.path) == "device":
            yield Problem(
                f"{self.path!r} is a device, whose size qemu-img does not decide", "grow the device", "path"
            )
        if self.size < told.virtual_size:
            yield from self._shrink_problems(told, seen)
        more = self.size - told.virtual_size
        yield from image_rules.space_problems(self.path, more, seen, at_once=False, field="size")
        doing = "resize it; virsh blockresize grows a running guest's disk"
        yield from image_guards.held_open(self.path, seen, doing)
        yield from image_guards.memory_saved(self.path, seen, "resize its disk")
        yield from image_rules.in_pool(self.path, seen, "path")

    def _shrink_problems(self, told: Info, seen: Inventory) -> Iterator[Problem]:
        if not self.shrink:
            now = format_size(told.virtual_size)
            yield Problem(
                f"Image {self.path!r} has {now}: cut to {format_size(self.size)} it would lose its end",
                "shrink the file systems inside first, then say shrink=True",
                "shrink",
            )
        if self.format == "qed":
            yield Problem("qed images cannot be shrunk", "convert it to qcow2 first", "size")
        if told.snapshots:
            yield Problem(
                f"Image {self.path!r} has {len(told.snapshots)} snapshot(s), which keep its size",
                "delete them first, or convert the image to a new one and shrink that",
                "size",
            )
        yield from image_guards.overlays_on(self.path, seen, "shrink")

    def already(self, seen: Inventory) -> bool:
        return self.path.startswith("/") and met(self, seen)

    def assume(self, seen: Inventory) -> Inventory:
        told = seen.image(self.path, self.format)
        return seen.assume_image(replace(told, virtual_size=self.size)) if isinstance(told, Info) else seen

    def run(self, connection: libvirt.virConnect, progress: Progress) -> None:
        qemu_img.resize(self.path, self.format, self.size, shrink=self.shrink)

    def expected(self) -> tuple[Expectation, ...]:
        return (image_facts.virtual_size(self.path, self.format, self.size),)

    def inverse(self, before: Inventory) -> tuple[Action, ...]:
        return ()  # data may lie beyond the old end by now


@dataclass(frozen=True)
class RepairImage:
    """Mend what ``qemu-img check`` finds wrong in an image. What is mended may not be what was there.

    Parameters
    ----------
    path : str
        Absolute path of an image that no running guest has open and nothing lies on.
    format : str
        Its format.
    confirm : str
        The file's name again, without its folder, as the word that you mean it.
    """

    path: ImagePath
    format: Format = "qcow2"
    confirm: Confirm = ""
    patient: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for field in ("path", "format"):
            object.__setattr__(self, field, image_rules.text(getattr(self, field), field))

    @property
    def pool(self) -> str:
        """What it works on alone."""
        return self.path

    def describe(self) -> str:
        return f"Mend the {self.format} image {self.path!r}, as far as it can be mended"

    def command(self) -> list[str]:
        return ["qemu-img", "check", "-r", "all", "-f", self.format, self.path]

    def problems(self, seen: Inventory) -> Iterator[Problem]:
        problems = [*image_rules.existing(self.path, self.format, seen, ("path", "format"), whole=False)]
        yield from problems
        if problems or seen.reader.images is None or self.already(seen):
            return
        yield from image_guards.held_open(self.path, seen, "mend it")
        yield from image_guards.memory_saved(self.path, seen, "mend its disk")
        yield from image_guards.overlays_on(self.path, seen, "mend")
        found = seen.reader.images.check(self.path, self.format)
        if isinstance(found, str):
            yield Problem(
                f"Image {self.path!r} cannot be checked: {found}", "put right what it names", "path"
            )
            return
        yield from rules.said(self.confirm, image_rules.name_of(self.path), "mending an image")
        yield Problem(
            f"Image {self.path!r} has {found.corruptions} corrupt and {found.leaks} leaked clusters: what is "
            "mended may not be what was there",
            f"keep a copy first: {shell_line(['cp', '--sparse=always', self.path, f'{self.path}.before'])}",
            "path",
            "warn",
        )

    def already(self, seen: Inventory) -> bool:
        told = seen.image(self.path, self.format) if self.path.startswith("/") else None
        return isinstance(told, Info) and not told.corrupt and met(self, seen)

    def assume(self, seen: Inventory) -> Inventory:
        return seen

    def run(self, connection: libvirt.virConnect, progress: Progress) -> None:
        qemu_img.check(self.path, self.format, repair=True)

    def expected(self) -> tuple[Expectation, ...]:
        def found(seen: Inventory) -> str | None:
            if seen.reader.images is None or not self.path.startswith("/"):
                return None
            told = seen.reader.images.check(self.path, self.format)
            if not isinstance(told, Check):
                return told
            return f"{told.corruptions} corrupt, {told.leaks} leaked"

        return (Expectation(f"clusters of image {self.path!r}", "0 corrupt, 0 leaked", found),)

    def inverse(self, before: Inventory) -> tuple[Action, ...]:
        return ()
