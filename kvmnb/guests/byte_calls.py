"""Calls of libguestfs by bytes: its Python bindings take UTF-8 only, and a guest's names need not be.

Part of the programs that run an appliance: it imports nothing of the kit. The calls go to the C library that
the bindings have loaded, with their own handle.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

_FIELDS = (
    "dev", "ino", "mode", "nlink", "uid", "gid", "rdev", "size", "blksize", "blocks",
    "atime", "atime_nsec", "mtime", "mtime_nsec", "ctime", "ctime_nsec",
    "spare1", "spare2", "spare3", "spare4", "spare5", "spare6",
)  # fmt: skip
_ROOM = (
    "bsize", "frsize", "blocks", "bfree", "bavail", "files", "ffree", "favail", "fsid", "flag", "namemax",
)  # fmt: skip


class Stat(ctypes.Structure):
    """``struct guestfs_statns``, which never changes."""

    _fields_ = tuple((name, ctypes.c_int64) for name in _FIELDS)


class _Room(ctypes.Structure):
    """``struct guestfs_statvfs``."""

    _fields_ = tuple((name, ctypes.c_int64) for name in _ROOM)


class _Stats(ctypes.Structure):
    _fields_ = (("len", ctypes.c_uint32), ("val", ctypes.POINTER(Stat)))


_Names = ctypes.POINTER(ctypes.c_char_p)


class Wanting(Exception):
    """What is asked for cannot be had; ``told`` is what the answer says of it."""

    def __init__(self, kind: str, reason: str, **told: object) -> None:
        super().__init__(reason)
        self.told = {"kind": kind, "reason": reason, **told}


class ByteCalls:
    """Calls with names as bytes.

    Parameters
    ----------
    handle : guestfs.GuestFS
        An open handle.
    """

    def __init__(self, handle: Any) -> None:  # noqa: ANN401 - the bindings have no types
        pointer = ctypes.pythonapi.PyCapsule_GetPointer
        pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
        self._kept = handle
        self._handle = pointer(handle._o, b"guestfs_h")  # noqa: SLF001 - the one way to the C handle
        self._library = ctypes.CDLL("libguestfs.so.0")

    def _call(self, name: str, result: Any, *arguments: Any) -> Any:  # noqa: ANN401 - of C
        function = self._library[f"guestfs_{name}"]
        function.restype = result
        kinds = [_kind(one) for one in arguments]
        function.argtypes = [ctypes.c_void_p, *kinds]
        told = function(self._handle, *arguments)
        if (result is ctypes.c_int and told == -1) or (result is not ctypes.c_int and not told):
            last = self._library.guestfs_last_error
            last.restype, last.argtypes = ctypes.c_char_p, [ctypes.c_void_p]
            raise RuntimeError((last(self._handle) or b"it said nothing").decode(errors="backslashreplace"))
        return told

    def last_errno(self) -> int:
        """Give the number of the last failure; 0 where it had none."""
        number = self._library.guestfs_last_errno
        number.restype, number.argtypes = ctypes.c_int, [ctypes.c_void_p]
        return int(number(self._handle))

    def stat(self, path: bytes, *, follow: bool) -> Stat:
        """Give what an entry is; ``follow`` says whether of a link that to which it leads."""
        told = self._call("statns" if follow else "lstatns", ctypes.POINTER(Stat), path)
        found = Stat.from_buffer_copy(told.contents)
        self._call_free("statns", told)
        return found

    def _call_free(self, kind: str, told: object) -> None:
        free = self._library[f"guestfs_free_{kind}"]
        free.restype, free.argtypes = None, [ctypes.c_void_p]
        free(told)

    def stats(self, folder: bytes, names: Sequence[bytes]) -> list[Stat | None]:
        """Give for each name in a folder what it is, links as links; None for one that cannot be read."""
        told = self._call("lstatnslist", ctypes.POINTER(_Stats), folder, _array(names))
        listed = told.contents
        found = [Stat.from_buffer_copy(listed.val[number]) for number in range(listed.len)]
        self._call_free("statns_list", told)
        if len(found) != len(names):
            raise RuntimeError(f"of {len(names)} entries {len(found)} were told")
        return [None if one.ino == -1 else one for one in found]

    def links(self, folder: bytes, names: Sequence[bytes]) -> list[bytes]:
        """Give where links in a folder lead."""
        told = self._call("readlinklist", _Names, folder, _array(names))
        found = [told[number] for number in range(len(names))]
        self._call_free_names(told, len(names))
        return found

    def _call_free_names(self, told: Any, count: int) -> None:  # noqa: ANN401 - a ctypes pointer
        pointers = ctypes.cast(told, ctypes.POINTER(ctypes.c_void_p))
        for number in range(count):
            self._free(pointers[number])
        self._free(told)

    def _free(self, told: Any) -> None:  # noqa: ANN401 - a ctypes pointer
        free = ctypes.CDLL(None).free
        free.restype, free.argtypes = None, [ctypes.c_void_p]
        free(told)

    def names(self, folder: bytes, listing: str) -> list[bytes]:
        """Give the names in a folder, by way of a file that is made for it."""
        self._call("ls0", ctypes.c_int, folder, listing.encode())
        with open(listing, "rb") as file:  # noqa: PTH123 - one idiom with what is beside it
            return [name for name in file.read().split(b"\0") if name]

    def real(self, path: bytes) -> bytes:
        """Give the path without links that another leads to."""
        told = self._call("realpath", ctypes.c_void_p, path)
        found = ctypes.string_at(told)
        self._free(told)
        return found

    def free(self, path: bytes) -> int:
        """Give how many bytes the file system at a path has room for."""
        told = self._call("statvfs", ctypes.POINTER(_Room), path)
        found = int(told.contents.bfree * told.contents.frsize)
        self._call_free("statvfs", told)
        return found

    def download(self, path: bytes, file: bytes) -> None:
        """Copy a file of the guest to one of this machine."""
        self._call("download", ctypes.c_int, path, file)

    def upload(self, file: bytes, path: bytes) -> None:
        """Copy a file of this machine into the guest."""
        self._call("upload", ctypes.c_int, file, path)

    def make_folder(self, path: bytes) -> None:
        """Make a folder in the guest."""
        self._call("mkdir", ctypes.c_int, path)

    def set_mode(self, path: bytes, mode: int) -> None:
        """Set an entry's permissions."""
        self._call("chmod", ctypes.c_int, ctypes.c_int(mode), path)

    def rename(self, old: bytes, new: bytes) -> None:
        """Give an entry of the guest another name."""
        self._call("rename", ctypes.c_int, old, new)

    def remove(self, path: bytes) -> None:
        """Remove an entry of the guest, a folder with what is in it."""
        self._call("rm_rf", ctypes.c_int, path)


def _kind(argument: object) -> Any:  # noqa: ANN401 - a type of C
    if isinstance(argument, bytes):
        return ctypes.c_char_p
    return _Names if isinstance(argument, ctypes.Array) else type(argument)


def _array(names: Sequence[bytes]) -> ctypes.Array[Any]:
    return (ctypes.c_char_p * (len(names) + 1))(*names, None)
