"""Making an image under its own name only once it is complete."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kvmnb.storage.files import publish


@contextmanager
def newly(path: str) -> Iterator[Path]:
    """Give a path to make a file at; it takes its place when the block ends well, else nothing is left.

    It is made in a folder of its own beside its place, under its own name: a vmdk image holds its name.

    Parameters
    ----------
    path : str
        Where the file is to lie in the end. Never takes the place of a file that has appeared meanwhile.

    Yields
    ------
    Path
        Where to make it.
    """
    place = Path(path)
    folder = Path(tempfile.mkdtemp(prefix=".kvmnb-", dir=place.parent))
    try:
        part = folder / place.name
        yield part
        _to_disk(part)
        publish(part, place)
        _to_disk(place.parent)
    finally:
        shutil.rmtree(folder)


def _to_disk(path: Path) -> None:
    """Wait until a file, or the names of a folder, are on the disk: qemu-img itself does not."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
