"""Paths within a guest's root: a link of the guest must never lead to a file of this machine."""

from __future__ import annotations

import os
import stat
from pathlib import Path, PurePosixPath

from kvmnb.errors import BadImage, BadValue, NotFound

#: As many links as the kernel follows.
_MOST_LINKS = 40


def inside(root: str | Path, path: str | Path = "/") -> Path:
    """Find a file or folder of a mounted guest as the guest itself would find it.

    Links are followed within the guest's root: ``/etc/localtime`` may lead to ``/usr/share/zoneinfo/UTC`` of
    the guest, never of this machine, and ``..`` never leads above the root.

    Parameters
    ----------
    root : str or Path
        What `kvmnb.mount` gave.
    path : str or Path
        The path in the guest, with or without a slash at its beginning.

    Returns
    -------
    pathlib.Path
        A path below ``root`` without any link in it, of a file or a folder: safe to open, and to write to.

    Raises
    ------
    kvmnb.errors.NotFound
        There is nothing in the guest.
    kvmnb.errors.BadImage
        The links lead round in a circle.
    kvmnb.errors.BadValue
        It is a device, pipe or socket, which must not be opened here.
    """
    found = _resolve(Path(root), str(path))
    mode = found.lstat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise BadValue(
            f"{str(path)!r} of the guest is neither a file nor a folder",
            "leave it alone: it would not answer",
        )
    return found


def _resolve(root: Path, path: str) -> Path:
    """Walk a path part by part; only folders and links are looked into, and nothing is opened."""
    waiting = _parts(path)
    here: list[str] = []
    links = 0
    while waiting:
        part = waiting.pop()
        if part == "..":
            here = here[:-1]
            continue
        candidate = root.joinpath(*here, part)
        try:
            mode = candidate.lstat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            shown = "/" + "/".join([*here, part])
            raise NotFound(f"There is no {shown!r} in the guest", "list its folder with kvmnb.ls") from None
        if not stat.S_ISLNK(mode):
            here.append(part)
            continue
        links += 1
        if links > _MOST_LINKS:
            raise BadImage(
                f"The links at {path!r} of the guest lead round in a circle", "mend the link first"
            )
        target = os.readlink(candidate)  # noqa: PTH115 - a Path would drop what is written there
        if target.startswith("/"):
            here = []
        waiting += _parts(target)
    return root.joinpath(*here)


def _parts(path: str) -> list[str]:
    """Give the parts of a path, the last first."""
    if "\0" in path:
        raise BadValue(f"{path!r} holds a NUL, which no path can", "leave it out")
    return [part for part in reversed(PurePosixPath(path).parts) if part.strip("/")]
