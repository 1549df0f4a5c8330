"""Copying an image to a new file of another or the same format.

What each method is for is said once, at `kvmnb.storage.action.Action`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from kvmnb.images import qemu_img
from kvmnb.images.answers import Info
from kvmnb.images.options import write_options
from kvmnb.images.placing import newly
from kvmnb.storage import guards, image_rules
from kvmnb.storage.action import Action, Expectation
from kvmnb.storage.actions import image_facts
from kvmnb.storage.actions.image_creation import DeleteImage
from kvmnb.storage.model import Inventory, Problem
from kvmnb.storage.roles import Format, ImagePath, NewFilePath
from kvmnb.storage.streams import Progress

if TYPE_CHECKING:
    import libvirt

#: Formats whose images can be compressed. qemu-img takes -c for qcow too, but then fails without a word.
COMPRESSIBLE = ("qcow2", "vmdk")


@dataclass(frozen=True)
class ConvertImage:
    """Copy an image, with all that lies below it, to a new file; the copy lies on nothing.

    The new file appears only when it is complete, and its content is compared with the source's.

    Parameters
    ----------
    source : str
        Absolute path of an image that no running guest writes to.
    source_format : str
        Its format. Always said, never guessed: a raw image could claim to be anything.
    target : str
        Absolute path of a file that does not exist yet.
    target_format : str
        raw, qcow2, qcow, qed, vdi, vmdk, vpc, vhdx or parallels.
    options : str or mapping
        The new format's own, as after ``-o`` of qemu-img: ``cluster_size=2M``.
    compress : bool
        Whether to compress what is copied (qcow2, vmdk).
    """

    source: ImagePath
    source_format: Format
    target: NewFilePath
    target_format: Format = "qcow2"
    options: str = ""
    compress: bool = False
    patient: ClassVar[bool] = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", write_options(self.options))
        image_rules.flag(self.compress, "compress")
        for field in ("source", "source_format", "target", "target_format"):
            object.__setattr__(self, field, image_rules.text(getattr(self, field), field))

    @property
    def pool(self) -> str:
        """What it works on alone."""
        return self.target

    def describe(self) -> str:
        extra = f" ({self.options})" if self.options else ""
        kind = f"compressed {self.target_format}" if self.compress else self.target_format
        return (
            f"Copy the {self.source_format} image {self.source!r} to the {kind} image {self.target!r}{extra}"
        )

    def command(self) -> list[str]:
        options = ["-o", self.options] if self.options else []
        squeeze = ["-c"] if self.compress else []
        formats = ["-f", self.source_format, "-O", self.target_format]
        return ["qemu-img", "convert", "-p", *formats, *options, *squeeze, self.source, self.target]

    def problems(self, seen: Inventory) -> Iterator[Problem]:
        yield from image_rules.existing(self.source, self.source_format, seen, ("source", "source_format"))
        yield from image_rules.new_file(self.target, seen, "target")
        fields = ("target_format", "options")
        yield from image_rules.format_problems(self.target_format, self.options, seen, fields)
        if self.compress and self.target_format not in COMPRESSIBLE:
            known = ", ".join(COMPRESSIBLE)
            yield Problem(
                f"{self.target_format} images cannot be compressed", f"choose one of: {known}", "compress"
            )
        if self.compress and image_rules.options_of(self.options).get("preallocation", "off") != "off":
            what = "What is compressed cannot be preallocated"
            yield Problem(what, "leave out the one or the other", "compress")
        told = seen.image(self.source, self.source_format) if self.source.startswith("/") else None
        if isinstance(told, Info):
            yield from self._fit_problems(told, seen)
            if told.snapshots:
                yield Problem(
                    f"The {len(told.snapshots)} snapshot(s) of image {self.source!r} are not copied: "
                    f"{guards.listing([*told.snapshots])}",
                    "keep the source for them",
                    "source",
                    "warn",
                )
            users = guards.running_users(guards.image(self.source, seen), seen, direct=True)
            if users:
                yield Problem(
                    f"Image {self.source!r} is open in {guards.listing(users)}: the copy would be torn",
                    "shut the guest off first",
                    "source",
                )
        yield from image_rules.in_pool(self.target, seen, "target")

    def _fit_problems(self, told: Info, seen: Inventory) -> Iterator[Problem]:
        most = image_rules.LARGEST_SIZES.get(self.target_format)
        if most is not None and told.virtual_size > most:
            what = f"A {self.target_format} image can have {most} bytes at most, not {told.virtual_size}"
            yield Problem(what, "choose qcow2 or raw", "target_format")
        at_once = image_rules.all_at_once(self.options)
        need = told.virtual_size if at_once else 0 if self.compress else told.allocated_size or 0
        yield from image_rules.space_problems(self.target, need, seen, at_once=at_once, field="target")

    def already(self, seen: Inventory) -> bool:  # only reading both would tell
        return False

    def assume(self, seen: Inventory) -> Inventory:
        told = seen.image(self.source, self.source_format)
        size = told.virtual_size if isinstance(told, Info) else 0
        return seen.assume_image(Info(self.target, self.target_format, size, None, None))

    def run(self, connection: libvirt.virConnect, progress: Progress) -> None:
        total = qemu_img.info(self.source, self.source_format).virtual_size
        source, options = (self.source, self.source_format), image_rules.options_of(self.options)
        with newly(self.target) as part:
            qemu_img.convert(
                source,
                (part, self.target_format),
                options,
                compress=self.compress,
                share=lambda share: progress(int(share * total), total),
            )

    def expected(self) -> tuple[Expectation, ...]:
        def content(seen: Inventory) -> str | None:
            if seen.reader.images is None:
                return None
            source, target = (self.source, self.source_format), (self.target, self.target_format)
            same = seen.reader.images.same(source, target)
            return same if isinstance(same, str) else "the same" if same else "different"

        return (
            image_facts.presence(self.target, "present"),
            Expectation(f"content of {self.target!r} and {self.source!r}", "the same", content),
        )

    def inverse(self, before: Inventory) -> tuple[Action, ...]:
        return (DeleteImage(self.target, confirm=image_rules.name_of(self.target)),)
