"""Opening an image with qemu-img: what its header names is read first, its format is said, time is limited.

An image may be anybody's. Its format is never guessed, since a raw image that a guest wrote to can claim to
be anything; a hostile header can ask for gigabytes, or name any file of the host as its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kvmnb.errors import BadImage, BadValue, ProgramFailed
from kvmnb.images.headers import FORMATS, Named, foreign_parts, is_path, named, resolve
from kvmnb.programs import Completed, follow, run

#: Gets what a program writes, in pieces.
Tell = Callable[[str], None]

#: Told which part of a job is behind, from 0 to 1.
Share = Callable[[float], None]

#: What looking at an image may take: seconds of waiting, seconds of a processor, bytes of address space.
LOOK: dict[str, Any] = {"timeout": 30.0, "cpu_seconds": 20, "memory": 4 << 30}

#: What changing an image may take. Copying a large one is slow, so only a hang ends it.
WORK: dict[str, Any] = {"timeout": 6 * 3600.0, "cpu_seconds": 6 * 3600, "memory": 8 << 30}

#: No sane chain of backing stores is longer; one that is, is a loop.
_LONGEST_CHAIN = 200

_LOCKED = re.compile(r'Failed to get (?:shared )?"[^"]*" lock')
_LOCKED_IMAGE = re.compile(r"Is another process using the image \[(.*?)\]\?")

_SHARE = re.compile(r"\((\d+(?:\.\d+)?)/100%\)")


def plain(path: str | Path) -> str:
    """Give a path as qemu-img takes it for a file: absolute, so that ``a:b`` or ``-x`` means a file too."""
    text = str(path)
    if not text.startswith("/"):
        raise BadValue(f"{text!r} is no absolute path", "give a path that begins with /")
    return text


def flags(options: Mapping[str, str]) -> list[str]:
    """Give ``-o`` options; a comma in a value is doubled, since a single one would begin the next option."""
    return [word for key, value in options.items() for word in ("-o", f"{key}={value.replace(',', ',,')}")]


def ask(command: Sequence[str], tell: Tell | None = None, **limits: Any) -> Completed:  # noqa: ANN401 - of run
    """Run qemu-img, and say in plain words where another program has the image."""
    try:
        if tell is not None:
            return follow(command, tell, **limits)
        return run(command, **limits)
    except ProgramFailed as error:
        if not _LOCKED.search(error.what):
            raise
        image = _LOCKED_IMAGE.search(error.what)
        name = image[1] if image else command[-1]
        raise ProgramFailed(
            f"The image {name!r} is open in another program, such as a running guest",
            "shut that guest off, or end the program that has it open, which lsof names",
        ) from error


def shares(share: Share) -> Callable[[str], None]:
    """Read the progress that ``qemu-img -p`` writes, in whatever pieces it comes."""
    rest = ""

    def tell(piece: str) -> None:
        nonlocal rest
        rest += piece
        found = list(_SHARE.finditer(rest))
        if found:
            rest = rest[found[-1].end() :]
            share(float(found[-1][1]) / 100)

    return tell


def known(format: str) -> None:
    """Take only formats of images: to QEMU the drivers of servers and of made-up disks are formats too."""
    if format not in FORMATS:
        raise BadValue(f"{format!r} is no format of disk images", f"say one of: {', '.join(FORMATS)}")


def parts(path: str, format: str) -> Named:
    """Read what an image's header names; raise where opening it would open what is not beside it."""
    known(format)
    found = named(plain(path), format)
    foreign = foreign_parts(path, found)
    if foreign:
        shown = ", ".join(repr(name) if name else "a file whose name cannot be read" for name in foreign)
        raise BadImage(
            f"The image {path!r} says that its data lies in {shown}, which is no file of its own folder",
            "do not open an image of a stranger; if it is yours, put its data beside it and name it there",
        )
    return found


def chain(path: str | Path, format: str) -> tuple[tuple[str, str], ...]:
    """Read which images lie below one, without opening any with qemu-img.

    Parameters
    ----------
    path : str or Path
        Absolute path of the image.
    format : str
        Its format.

    Returns
    -------
    tuple of (str, str)
        Path and format of each, nearest first; empty where there are none.

    Raises
    ------
    BadImage
        A name in the chain is no path, a format is not said, a file with data lies elsewhere, or the chain
        goes in a circle. QEMU would open whatever is named, and guess the format.
    """
    here, kind, found = str(path), format, [(str(path), format)]
    while True:
        told = parts(here, kind)
        if told.backing is None:
            return tuple(found[1:])
        if not is_path(told.backing):
            what, remedy = "which is no path of a file", "do not open an image of a stranger"
        elif not told.backing_format or told.backing_format not in FORMATS:
            what = "without a format that is known, so that QEMU would guess it"
            remedy = "name it, if you trust the image, with: qemu-img rebase -u -b BACKING -F FORMAT IMAGE"
        elif (resolve(here, told.backing), told.backing_format) in found or len(found) > _LONGEST_CHAIN:
            what, remedy = "so that the chain goes in a circle", "do not open it: it was made by hand"
        else:
            here, kind = resolve(here, told.backing), told.backing_format
            found.append((here, kind))
            continue
        raise BadImage(f"The image {here!r} lies on {told.backing!r}, {what}", remedy)


def spec(path: str, format: str) -> str:
    """Write an image as options, for those commands of qemu-img that take no ``-f``."""
    return f"driver={format},file.driver=file,file.filename={plain(path).replace(',', ',,')}"


def alone(path: str, format: str, found: Named) -> list[str]:
    """Give the words that open an image without its backing store."""
    if found.backing is None:
        return ["-f", format, path]
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise BadImage(
            f"The path {path!r} is not UTF-8, so that the image cannot be opened without its backing store",
            "rename the file",
        ) from error
    file = {"driver": "file", "filename": path}
    return [f"json:{json.dumps({'driver': format, 'file': file, 'backing': None})}"]
