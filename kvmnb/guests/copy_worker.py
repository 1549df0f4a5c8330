"""The part of ``files_worker.py`` that copies files out of a guest, and into it."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import guestfs
from byte_calls import Wanting  # type: ignore[import-not-found]
from worker import say  # type: ignore[import-not-found]

if TYPE_CHECKING:
    from kvmnb.guests.files_worker import Files

#: What a file system of this machine answers to a name that it cannot take.
_NAME = {errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL, errno.EEXIST}

#: What it answers when it is full.
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

_KINDS = {
    stat.S_IFLNK: "a link, which would mean another file here",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a block device",
    stat.S_IFCHR: "a character device",
}


def _why_not(mode: int) -> str:
    return f"it is {_KINDS.get(stat.S_IFMT(mode), 'of an unknown kind')}"


class Count:
    """How many bytes are behind, told as they go."""

    def __init__(self, handle: guestfs.GuestFS, total: int) -> None:
        self._total, self._done = total, 0
        handle.set_event_callback(self._hear, guestfs.EVENT_PROGRESS)

    def _hear(self, _event: int, _handle: int, _text: str, numbers: list[int]) -> None:
        self._say(self._done + numbers[2])

    def add(self, size: int) -> None:
        """Count a file that is complete."""
        self._done += size
        self._say(self._done)

    def _say(self, done: int) -> None:
        say("progress", done=min(done, self._total), total=self._total)


def copy_out(files: Files) -> None:
    """Copy what is asked for below the folder that is given, each under its number."""
    found = []
    for number, name in enumerate(files.request["paths"]):
        path = os.fsencode(name)
        found += list(_walk(files, path, os.fsencode(f"{files.request['to']}/{number}"), top=True))
    count = Count(files.handle, sum(told.size for _, _, told in found if told and stat.S_ISREG(told.mode)))
    folders = []
    for path, copy, told in found:
        status, reason = _out(files, path, copy, told)
        row = {"mode": told.mode, "size": told.size} if told else {"mode": None, "size": None}
        below = os.fsdecode(copy).removeprefix(f"{files.request['to']}/")
        say("copied", path=os.fsdecode(path), copy=below, status=status, reason=reason, **row)
        if told and stat.S_ISREG(told.mode):
            count.add(told.size)
        elif told and not status:
            folders.append((copy, told))
    for copy, told in reversed(folders):  # only now: the writing into a folder changes its time
        os.chmod(copy, told.mode & 0o777 | 0o700)  # noqa: PTH101
        os.utime(copy, ns=_times(told))


def _walk(files: Files, path: bytes, copy: bytes, *, top: bool = False) -> Iterator[tuple[bytes, bytes, Any]]:
    """Give a path and all below it, each with where it is copied to; None for what cannot be read."""
    told = files.look(path, follow=top)
    yield path, copy, told
    waiting = [(path, copy)] if stat.S_ISDIR(told.mode) else []
    while waiting:
        folder, copies = waiting.pop()
        for name, told in files.entries(folder):
            if name in {b".", b".."} or b"/" in name:
                raise RuntimeError(f"an entry of {folder!r} has a name that no entry can have: {name!r}")
            here = folder.rstrip(b"/") + b"/" + name
            yield here, copies + b"/" + name, told
            if told is not None and stat.S_ISDIR(told.mode):
                waiting.append((here, copies + b"/" + name))


def _out(files: Files, path: bytes, copy: bytes, told: Any) -> tuple[str, str]:  # noqa: ANN401
    if told is None:
        return "unreadable", "what it is cannot be read"
    if not (stat.S_ISDIR(told.mode) or stat.S_ISREG(told.mode)):
        return "not copied", _why_not(told.mode)
    try:
        if stat.S_ISDIR(told.mode):
            os.mkdir(copy, 0o700)  # noqa: PTH102
            return "", ""
        os.close(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileNotFoundError:
        return "not copied", "the folder that it is in could not be made"
    except OSError as error:
        if error.errno not in _NAME:
            raise
        return "not copied", f"this machine's file system does not take its name: {error.strerror}"
    return _fetch(files, path, copy, told)


def _fetch(files: Files, path: bytes, copy: bytes, told: Any) -> tuple[str, str]:  # noqa: ANN401 - a Stat
    try:
        files.calls.download(path, copy)
    except RuntimeError as error:
        if files.calls.last_errno() in _FULL:
            raise
        os.unlink(copy)  # noqa: PTH108
        return "unreadable", str(error)
    size = os.stat(copy).st_size  # noqa: PTH116
    if size != told.size:
        raise RuntimeError(f"of the {told.size} bytes of {path!r} {size} came")
    os.chmod(copy, told.mode & 0o777 | 0o600)  # noqa: PTH101 - never setuid or setgid
    os.utime(copy, ns=_times(told))
    return "", ""


def _times(told: Any) -> tuple[int, int]:  # noqa: ANN401 - a Stat
    return told.atime * 10**9 + told.atime_nsec, told.mtime * 10**9 + told.mtime_nsec


def copy_in(files: Files) -> None:
    """Copy files of this machine into a folder of the guest, under names of their own until all are there."""
    folder = os.fsencode(files.request["to"])
    if not stat.S_ISDIR(files.look(folder, follow=True).mode):
        raise Wanting("no folder", "it is no folder", path=files.request["to"])
    sources = [os.fsencode(name) for name in files.request["paths"]]
    names = [os.path.basename(source) for source in sources]  # noqa: PTH119
    there = {name for name, _ in files.entries(folder)}
    for name in names:
        if name in there:
            raise Wanting(
                "exists", "it is there already", path=os.fsdecode(folder.rstrip(b"/") + b"/" + name)
            )
    found = [list(_walk_here(source)) for source in sources]
    sizes = [os.lstat(path).st_size for one in found for path, _, mode in one if stat.S_ISREG(mode)]
    count = Count(files.handle, sum(sizes))
    parts = []
    try:
        for number, one in enumerate(found):
            part = folder.rstrip(b"/") + b"/.kvmnb-" + secrets.token_hex(8).encode() + b".part"
            parts.append(part)
            for path, below, mode in one:
                copy = os.fsdecode(str(number).encode() + below)
                _in(files, path, part + below, {"copy": copy, "mode": mode}, count)
        for part, name in zip(parts, names, strict=True):
            files.calls.rename(part, folder.rstrip(b"/") + b"/" + name)
    except (RuntimeError, OSError):
        for part in parts:
            files.calls.remove(part)
        raise
    files.handle.sync()


def _walk_here(path: bytes) -> Iterator[tuple[bytes, bytes, int]]:
    """Give a path and all below it, folders first, with the part below the path and its mode."""
    mode = os.stat(path).st_mode  # noqa: PTH116
    yield path, b"", mode
    waiting = [path] if stat.S_ISDIR(mode) else []
    while waiting:
        folder = waiting.pop()
        for entry in os.scandir(folder):
            mode = entry.stat(follow_symlinks=False).st_mode
            yield entry.path, entry.path.removeprefix(path), mode
            if stat.S_ISDIR(mode):
                waiting.append(entry.path)


def _in(files: Files, path: bytes, to: bytes, row: dict[str, Any], count: Count) -> None:
    mode = row["mode"]
    row |= {"path": os.fsdecode(path), "size": None}
    if stat.S_ISDIR(mode):
        files.calls.make_folder(to)
    elif stat.S_ISREG(mode):
        row["size"] = os.lstat(path).st_size
        files.calls.upload(path, to)
        sent = files.calls.stat(to, follow=False).size
        if sent != row["size"]:
            raise RuntimeError(f"of the {row['size']} bytes of {path!r} {sent} came")
        count.add(row["size"])
    else:
        say("copied", **row, status="not copied", reason=_why_not(mode))
        return
    files.calls.set_mode(to, mode & 0o777)
    say("copied", **row, status="", reason="")
