"""Making image files and removing them.

What each method is for is said once, at `kvmnb.storage.action.Action`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from kvmnb.errors import BadImage
from kvmnb.images import qemu_img
from kvmnb.images.answers import Info
from kvmnb.images.headers import FORMATS, resolve
from kvmnb.images.options import write_options
from kvmnb.images.placing import newly
from kvmnb.storage import guards, image_guards, image_rules, rules
from kvmnb.storage.action import Action, Expectation, met
from kvmnb.storage.actions import image_facts
from kvmnb.storage.model import Inventory, Problem
from kvmnb.storage.roles import Confirm, Format, ImagePath, NewFilePath, Size
from kvmnb.storage.streams import Progress
from kvmnb.units import format_size, parse_size

if TYPE_CHECKING:
    import libvirt

#: Formats that can lie on another image, and on which. A qcow image cannot say the format of what it lies on,
#: and a qed image says it of raw alone, so that QEMU would guess it.
OVERLAYS = {"qcow2": FORMATS, "qed": ("raw",), "vmdk": ("vmdk",)}


@dataclass(frozen=True)
class CreateImage:
    """Create an image file, empty or as an overlay of another image.

    Parameters
    ----------
    path : str
        Absolute path of the new file.
    size : int or str
        The size that a guest sees, in bytes or as ``"10G"``; kept as bytes.
    format : str
        raw, qcow2, qcow, qed, vdi, vmdk, vpc, vhdx or parallels.
    options : str or mapping
        The format's own, as after ``-o`` of qemu-img: ``cluster_size=2M,preallocation=metadata``.
    backing_path : str
        Absolute path of an image that it is to be an overlay of.
    backing_format : str
        That image's format. Always said, never guessed: a raw image could claim to be anything.
    """

    path: NewFilePath
    size: Size
    format: Format = "qcow2"
    options: str = ""
    backing_path: ImagePath = ""
    backing_format: Format = ""
    patient: ClassVar[bool] = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", parse_size(self.size))
        object.__setattr__(self, "options", write_options(self.options))
        for field in ("path", "format", "backing_path", "backing_format"):
            object.__setattr__(self, field, image_rules.text(getattr(self, field), field))

    @property
    def pool(self) -> str:
        """What it works on alone."""
        return self.path

    def describe(self) -> str:
        extra = f" ({self.options})" if self.options else ""
        if self.backing_path:
            extra += f" as an overlay of {self.backing_path!r}"
        return f"Create the {format_size(self.size)} {self.format} image {self.path!r}{extra}"

    def command(self) -> list[str]:
        below = ["-b", self.backing_path, "-F", self.backing_format] if self.backing_path else []
        options = ["-o", self.options] if self.options else []
        return ["qemu-img", "create", "-f", self.format, *options, *below, self.path, str(self.size)]

    def problems(self, seen: Inventory) -> Iterator[Problem]:
        if self.already(seen):
            return
        yield from image_rules.new_file(self.path, seen, "path")
        yield from image_rules.format_problems(self.format, self.options, seen, ("format", "options"))
        yield from image_rules.size_problems(self.format, self.size, self.options, seen)
        if self.backing_path or self.backing_format:
            yield from self._backing_problems(seen)
        at_once = image_rules.all_at_once(self.options)
        yield from image_rules.space_problems(self.path, self.size, seen, at_once=at_once, field="size")
        yield from image_rules.in_pool(self.path, seen, "path")

    def _backing_problems(self, seen: Inventory) -> Iterator[Problem]:
        if self.format not in OVERLAYS:
            yield Problem(
                f"A {self.format} image can be no overlay that says the format of what it lies on",
                "choose qcow2",
                "format",
            )
            return
        if not self.backing_path:
            yield Problem("The format of no backing image was said", "say backing_path", "backing_path")
            return
        fields = ("backing_path", "backing_format")
        if self.backing_format in FORMATS and self.backing_format not in OVERLAYS[self.format]:
            yield Problem(
                f"A {self.format} image can lie on a {OVERLAYS[self.format][0]} image only",
                "choose qcow2",
                "format",
            )
            return
        problems = [*image_rules.existing(self.backing_path, self.backing_format, seen, fields)]
        yield from problems
        if problems:
            return
        users = guards.running_users(guards.image(self.backing_path, seen), seen, direct=True)
        if users:
            yield Problem(
                f"Image {self.backing_path!r} is open in {guards.listing(users)}, which writes to it",
                "shut the guest off first: what lies below an overlay must stay as it is",
                "backing_path",
            )
        told = seen.image(self.backing_path, self.backing_format)
        if isinstance(told, Info) and self.size < told.virtual_size:
            yield Problem(
                f"The overlay of {format_size(self.size)} would be smaller than the image below it, of "
                f"{format_size(told.virtual_size)}",
                f"say size={told.virtual_size}",
                "size",
            )

    def already(self, seen: Inventory) -> bool:
        told = seen.image(self.path, self.format) if seen.kind(self.path) == "file" else None
        if not isinstance(told, Info) or image_rules.all_at_once(self.options):
            return False  # whether all of its space is reserved cannot be told from outside
        wanted = image_rules.options_of(self.options)
        known = dict(told.options)
        sizes = {name: _bytes(value) for name, value in wanted.items() if name.endswith("_size")}
        return met(self, seen) and all(
            known.get(name) == (str(sizes[name]) if sizes.get(name) is not None else value)
            for name, value in wanted.items()
        )

    def assume(self, seen: Inventory) -> Inventory:
        below = (self.backing_path or None, self.backing_format or None)
        return seen.assume_image(Info(self.path, self.format, self.size, None, None, None, *below))

    def run(self, connection: libvirt.virConnect, progress: Progress) -> None:
        below = (self.backing_path, self.backing_format) if self.backing_path else None
        options = image_rules.options_of(self.options)
        with newly(self.path) as part:
            qemu_img.create(part, self.format, self.size, options, backing=below)

    def expected(self) -> tuple[Expectation, ...]:
        def backing(seen: Inventory) -> str | None:
            told = seen.image(self.path, self.format)
            return (told.backing_path or "none") if isinstance(told, Info) else told

        return (
            image_facts.presence(self.path, "present"),
            image_facts.virtual_size(self.path, self.format, self.size),
            Expectation(f"backing image of {self.path!r}", self.backing_path or "none", backing),
        )

    def inverse(self, before: Inventory) -> tuple[Action, ...]:
        return (DeleteImage(self.path, confirm=image_rules.name_of(self.path)),)


def _bytes(value: str) -> int | None:
    try:
        return parse_size(value)
    except ValueError:
        return None


@dataclass(frozen=True)
class DeleteImage:
    """Delete an image file with all that is on it.

    Refused while any guest needs it, running or not, directly or as a backing store, while another image lies
    on it, and where a guest or a pool that may need it cannot be read. What lies on it is looked for in the
    pools and in its own folder: an overlay elsewhere that no guest has is not found.

    Parameters
    ----------
    path : str
        Absolute path of the file.
    confirm : str
        The file's name again, without its folder, as the word that you mean it.
    """

    path: ImagePath
    confirm: Confirm = ""
    patient: ClassVar[bool] = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", image_rules.text(self.path, "path"))

    @property
    def pool(self) -> str:
        """What it works on alone."""
        return self.path

    def describe(self) -> str:
        return f"Delete the image {self.path!r}: all that is on it is lost"

    def command(self) -> list[str]:
        return ["rm", "--", self.path]

    def problems(self, seen: Inventory) -> Iterator[Problem]:
        problems = [*image_rules.path_problems(self.path, "path"), *image_rules.elsewhere(seen)]
        yield from problems
        images = seen.reader.images
        if problems or images is None or self.already(seen):
            return
        if images.is_link(self.path) or seen.kind(self.path) != "file":
            what = "a link" if images.is_link(self.path) else f"no file but a {seen.kind(self.path)}"
            yield Problem(f"{self.path!r} is {what}", "give the path of the file itself", "path")
            return
        yield from rules.said(self.confirm, image_rules.name_of(self.path), "deleting an image")
        yield from image_guards.in_use(self.path, seen, "delete")
        parts = [repr(resolve(self.path, name)) for name in images.named(self.path).parts if name]
        if parts:
            what = f"The data of image {self.path!r} lies in {guards.listing(parts)}, which stays"
            yield Problem(what, "delete that too, once nothing needs it", "path", "warn")
        folder = image_rules.folder_of(self.path)
        if seen.reader.kind(folder) == "directory" and not images.writable(folder):
            yield Problem(
                f"You may not remove files of the folder {folder!r}", "ask as a user who may", "path"
            )
        yield from image_rules.in_pool(self.path, seen, "path")

    def already(self, seen: Inventory) -> bool:
        images = seen.reader.images
        is_link = images is not None and self.path.startswith("/") and images.is_link(self.path)
        return self.path.startswith("/") and seen.kind(self.path) == "missing" and not is_link

    def assume(self, seen: Inventory) -> Inventory:
        return seen.assume_kind(self.path, "missing")

    def run(self, connection: libvirt.virConnect, progress: Progress) -> None:
        try:
            Path(self.path).unlink()
        except OSError as error:
            raise BadImage(
                f"The image {self.path!r} could not be deleted: {error.strerror}",
                "see that it is still there and that you may remove files of its folder",
            ) from error

    def expected(self) -> tuple[Expectation, ...]:
        return (image_facts.presence(self.path, "absent"),)

    def inverse(self, before: Inventory) -> tuple[Action, ...]:
        return ()
