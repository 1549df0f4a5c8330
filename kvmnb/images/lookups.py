"""Looking at image files for plans: each once, and a failure as a sentence rather than an error."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cache
from typing import TypeVar

from kvmnb.errors import KvmnbError
from kvmnb.images import look
from kvmnb.images.answers import Check, Info, Snapshot
from kvmnb.images.headers import Named, looks_like, may_name, named
from kvmnb.images.opening import chain

_T = TypeVar("_T")

#: What checking an image that is to be mended may take, in seconds.
_CHECK = 3600.0


class Lookups:
    """The image files of this machine, as they were when each was first looked at."""

    def __init__(self) -> None:
        self.info = cache(self._info)
        self.chain = cache(self._chain)
        self.snapshots = cache(self._snapshots)
        self.check = cache(self._check)
        self.same = cache(self._same)
        self.options = cache(self._options)

    @staticmethod
    def _info(path: str, format: str) -> Info | str:
        return _said(lambda: look.info(path, format))

    @staticmethod
    def _chain(path: str, format: str) -> tuple[tuple[str, str], ...] | str:
        return _said(lambda: chain(path, format))

    @staticmethod
    def _snapshots(path: str, format: str) -> tuple[Snapshot, ...] | str:
        return _said(lambda: look.snapshots(path, format))

    @staticmethod
    def _check(path: str, format: str) -> Check | str:
        return _said(lambda: look.check(path, format, seconds=_CHECK))

    @staticmethod
    def _same(first: tuple[str, str], second: tuple[str, str]) -> bool | str:
        return _said(lambda: look.same(first, second))

    @staticmethod
    def _options(format: str) -> Mapping[str, str] | str:
        return _said(lambda: look.create_options(format))

    @staticmethod
    def measured(format: str, size: int, options: Mapping[str, str]) -> str:
        """Say why qemu-img would not make such an image; empty where it would, or cannot tell."""
        told = _said(lambda: look.measure(format, size, options))
        return told if isinstance(told, str) else ""

    @staticmethod
    def writable(folder: str) -> bool:
        """Tell whether files may be made and removed in a folder."""
        return os.access(folder, os.W_OK | os.X_OK)

    @staticmethod
    def is_link(path: str) -> bool:
        """Tell whether a symbolic link lies at a path."""
        return os.path.islink(path)  # noqa: PTH114 - of a path that is too long, no error

    @staticmethod
    def links(path: str) -> int:
        """Count the names of a file, hard links; zero where it cannot be known."""
        try:
            return os.stat(path).st_nlink  # noqa: PTH116 - beside the other calls by path, one idiom
        except (OSError, ValueError):
            return 0

    @staticmethod
    def named(path: str) -> Named:
        """Read which other files a file names, if it is an image of the format that it begins as."""
        return named(path, looks_like(path) or "raw") if may_name(path) else Named()

    @staticmethod
    def free(folder: str) -> int:
        """Give the space that is left for this user in a folder's file system, in bytes."""
        told = os.statvfs(folder)
        return told.f_bavail * told.f_frsize


def _said(read: Callable[[], _T]) -> _T | str:
    try:
        return read()
    except KvmnbError as error:
        return error.what
    except (OSError, ValueError) as error:  # ValueError: a path with NUL
        return str(error)
