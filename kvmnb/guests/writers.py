"""Whether another program writes to an image right now, by the locks that QEMU takes of it."""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterable

#: QEMU, qemu-nbd and libguestfs hold these bytes of an image locked while they may write to it, or resize it.
_WRITING = (101, 103)

#: ``struct flock``: kind, where from, first byte, how many bytes, process.
_FLOCK = "hhqqi0q"


def being_written(paths: Iterable[str]) -> str | None:
    """Give the first image that another program has open for writing.

    libguestfs reads such an image nevertheless, as QEMU lets it: while it changes, what is read of it may be
    of two times.

    Parameters
    ----------
    paths : iterable of str
        Images of this host.

    Returns
    -------
    str or None
        Its path; None where there is none, or where the locks cannot be looked at.
    """
    return next((path for path in paths if _locked(path)), None)


def _locked(path: str) -> bool:
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError):
        return False
    try:
        return any(_held(file, byte) for byte in _WRITING)
    except OSError:  # a file system without such locks
        return False
    finally:
        os.close(file)


def _held(file: int, byte: int) -> bool:
    """Ask whether a lock of a byte would have to wait; none is taken."""
    wanted = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, byte, 1, 0)
    kind: int = struct.unpack(_FLOCK, fcntl.fcntl(file, fcntl.F_OFD_GETLK, wanted))[0]
    return kind != fcntl.F_UNLCK
