"""A hidden folder for a comparison's files, which is removed however the comparison ends."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kvmnb.errors import BadValue, KvmnbError
from kvmnb.images.asked import at_once
from kvmnb.images.candidates import Candidate
from kvmnb.programs import run
from kvmnb.units import format_size

_PREFIX = ".kvmnb-comparison-"

#: Held open and locked by whoever works in the folder, so that a folder without an owner can be told.
_LOCK = "lock"

#: Seconds after which an empty folder is not just being made any more.
_BEING_MADE = 60.0


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
    if not os.fspath(where):  # to Path it would be the working directory
        raise BadValue("The place is empty text", "give a folder, such as a pool's target, or '.'")
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


def lacks(candidate: Candidate, place: Path, size: int, data: int) -> str | None:
    """Say what space is lacking for a candidate that takes all of its own at once; None where none is."""
    wanted, free = at_once(size, data), shutil.disk_usage(place).free
    if not candidate.whole or wanted <= free:
        return None
    return f"it takes all of its space at once: {format_size(wanted)}, of which {format_size(free)} are free"


def why(error: KvmnbError | OSError) -> str:
    """Give what an error says was wrong, without what to do about it."""
    return error.what if isinstance(error, KvmnbError) else error.strerror or str(error)


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
        The folder, by a path that holds as long as this process has it open.
    """
    own, lock = _locked(place)
    while not (own / _LOCK).exists():  # swept by another in the moment before it was locked
        os.close(lock)
        own, lock = _locked(place)
    opened = os.open(own, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _sweep(place, own)
        # The place may be called anything; what the programs are given has no blank, comma or colon in it.
        yield Path(f"/proc/{os.getpid()}/fd/{opened}")
    finally:
        os.close(lock)  # first: on NFS a file that is open stays, and its folder with it
        shutil.rmtree(own, ignore_errors=True)
        os.close(opened)


def _locked(place: Path) -> tuple[Path, int]:
    """Make a folder and lock it."""
    try:
        own = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
    except OSError as error:
        raise BadValue(
            f"No folder can be made in {str(place)!r}: {error.strerror}",
            "give another place, or mend this one",
        ) from error
    try:
        lock = os.open(own / _LOCK, os.O_WRONLY | os.O_CREAT)
    except OSError as error:
        shutil.rmtree(own, ignore_errors=True)
        raise BadValue(
            f"No file can be made in {str(place)!r}: {error.strerror}", "free space, or give another place"
        ) from error
    fcntl.flock(lock, fcntl.LOCK_EX)
    return own, lock


def _sweep(place: Path, own: Path) -> None:
    """Remove the folders of this user whose owner has ended without doing so."""
    user = own.stat().st_uid  # a server may call us by another name than this host
    for left in set(place.glob(f"{_PREFIX}*")) - {own}:
        try:
            told = left.lstat()
            # In a place where all may write, another user's folder or link is a trap.
            if told.st_uid == user and stat.S_ISDIR(told.st_mode):
                _remove_idle(left, time.time() - told.st_mtime)
        except OSError:  # still at work, or just being removed by somebody else
            continue


def _remove_idle(left: Path, age: float) -> None:
    try:
        lock = os.open(left / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:  # killed before it was locked, unless it is just being made
        if age > _BEING_MADE:
            left.rmdir()
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(left, ignore_errors=True)
    finally:
        os.close(lock)
