"""A hidden folder for a comparison's files, which is removed however the comparison ends."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kvmnb.errors import BadValue
from kvmnb.programs import run
from kvmnb.units import format_size

_PREFIX = ".kvmnb-comparison-"

#: Held open and locked by whoever works in the folder, so that a folder without an owner can be told.
_LOCK = "lock"


def folder(where: str | os.PathLike[str]) -> Path:
    """Give the folder in which images are to be made, or say why it will not do.

    Parameters
    ----------
    where : str or path
        A folder, such as a pool's target.

    Returns
    -------
    Path
        Absolute, links resolved.

    Raises
    ------
    BadValue
        It does not exist, is no folder, or may not be written to.
    """
    try:
        place = Path(where).expanduser()
        exists, is_folder = place.exists(), place.is_dir()
    except (OSError, RuntimeError, ValueError) as error:  # no such user's home, a NUL in the path …
        raise BadValue(
            f"The place {str(where)!r} cannot be looked at: {error}", "give another folder"
        ) from error
    if not is_folder:
        raise BadValue(
            f"The place {str(where)!r} {'is no folder' if exists else 'does not exist'}",
            "give an existing folder, such as a pool's target",
        )
    if not os.access(place, os.W_OK | os.X_OK):
        raise BadValue(
            f"The place {str(where)!r} may not be written to by you", "give another folder, or ask its owner"
        )
    return place.resolve()


def filesystem(place: Path) -> str:
    """Give the type of the file system that a folder is on, such as ext4."""
    done = run(["findmnt", "-n", "-o", "FSTYPE", "-T", str(place)], timeout=10, check=False)
    return done.stdout.strip() or "unknown"


def require_space(place: Path, need: int, what: str) -> None:
    """Stop with `BadValue` where a folder has not so many bytes free."""
    free = shutil.disk_usage(place).free
    if free < need:
        raise BadValue(
            f"{what} needs {format_size(need)}, and {str(place)!r} has {format_size(free)} free",
            "free space, choose another place, or compare with less data or fewer formats",
        )


@contextmanager
def workspace(place: Path) -> Iterator[Path]:
    """Make a folder of one's own in a place; it and all in it is removed at the end, after a failure too.

    What a killed process has left there is removed at the beginning.

    Parameters
    ----------
    place : Path
        As `folder` gives it.

    Yields
    ------
    Path
        The folder.
    """
    _sweep(place)
    try:
        own = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
    except OSError as error:
        raise BadValue(
            f"No folder can be made in {str(place)!r}: {error.strerror}",
            "give another place, or mend this one",
        ) from error
    try:
        with (own / _LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield own
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _sweep(place: Path) -> None:
    """Remove the folders whose owner has ended without doing so."""
    for left in place.glob(f"{_PREFIX}*"):
        try:
            with (left / _LOCK).open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left, ignore_errors=True)
        except OSError:  # still at work, another user's, or just being made
            continue
