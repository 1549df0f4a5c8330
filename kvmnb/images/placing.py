"""Making an image under its own name only once it is complete."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kvmnb.errors import BadImage, ProgramFailed
from kvmnb.storage.files import publish


@contextmanager
def newly(path: str) -> Iterator[Path]:
    """Give a path to make a file at; it takes its place when the block ends well, else nothing is left.

    It is made in a folder of its own beside its place, under its own name: a vmdk image holds its name.

    Parameters
    ----------
    path : str
        Where the file is to lie in the end. Never takes the place of a file that has appeared meanwhile.

    Raises
    ------
    KvmnbError
        It could not be made, or a file has appeared there; the message names the place, not the folder.

    Yields
    ------
    Path
        Where to make it.
    """
    place = Path(path)
    try:
        with tempfile.TemporaryDirectory(prefix=".kvmnb-", dir=place.parent) as folder:
            part = Path(folder) / place.name
            try:
                yield part
            except ProgramFailed as error:
                raise ProgramFailed(error.what.replace(str(part), path), error.remedy) from error
            _to_disk(part)
            publish(part, place)
            _to_disk(place.parent)
    except FileExistsError as error:
        raise BadImage(
            f"A file has appeared at {path!r} meanwhile", "choose another name; nothing is written over"
        ) from error
    except OSError as error:
        raise BadImage(
            f"The image {path!r} could not be made: {error.strerror or error}",
            "see that its folder is there, has space left and may be written to",
        ) from error


def _to_disk(path: Path) -> None:
    """Wait until a file, or the names of a folder, are on the disk: qemu-img itself does not."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
