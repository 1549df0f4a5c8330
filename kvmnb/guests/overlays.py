"""Images to read a guest's disks through, so that nothing is ever written to those themselves."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterable
from pathlib import Path

from kvmnb.programs import run


def overlay(image: str, format: str, path: Path) -> Path:
    """Make a qcow2 image that takes all writes, such as the replay of a journal, in an image's place.

    libguestfs makes one itself for a disk that is only to be read, but leaves it to QEMU to guess what is in
    it: a guest that has written the header of an image at the beginning of its disk would be shown whatever
    file of this machine that header names. In this one every format is said.

    Parameters
    ----------
    image : str
        The guest's image; a running guest may have it open.
    format : str
        Its format.
    path : Path
        Where to make the overlay.

    Returns
    -------
    pathlib.Path
        The overlay.

    Raises
    ------
    kvmnb.errors.ProgramFailed
        qemu-img could not make it.
    """
    driver = "host_device" if stat.S_ISBLK(Path(image).stat().st_mode) else "file"
    below = {"driver": format, "file": {"driver": driver, "filename": image, "locking": "off"}}
    words = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", format, "-b", f"json:{json.dumps(below)}"]
    run([*words, str(path)], timeout=60)
    return path


def cover(images: Iterable[tuple[str, str]], folder: Path) -> list[str]:
    """Make an overlay for each of a guest's images, each said with its format; give their paths in order."""
    return [
        str(overlay(path, kind, folder / f"{number}.qcow2")) for number, (path, kind) in enumerate(images)
    ]
