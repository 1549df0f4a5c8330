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

#: A path of this machine, the part of it below what is copied, and what it is.
_Found = tuple[bytes, bytes, os.stat_result]

#: What a file system of this machine answers to a name that it cannot take.
_NAME = {errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL, errno.EEXIST}

#: What it answers when it is full.
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

#: With fewer bytes free than these, a guest's file system is why writing to it failed.
_SCARCE = 1 << 20

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
    try:
        _copy_out(files)
    except (RuntimeError, OSError) as error:
        if (error.errno if isinstance(error, OSError) else files.calls.last_errno()) in _FULL:
            say("no room", reason=_said(error))
        raise


def _said(error: Exception) -> str:
    return str(error.strerror if isinstance(error, OSError) and error.strerror else error)


def _require_room(size: int, free: int) -> None:
    if size > free:
        raise OSError(errno.ENOSPC, f"the files are {size} bytes, and {free} are free")


def _copy_out(files: Files) -> None:
    found = []
    for number, name in enumerate(files.request["paths"]):
        path = os.fsencode(name)
        found += list(_walk(files, path, os.fsencode(f"{files.request['to']}/{number}"), top=True))
    size = sum(told.size for _, _, told, _ in found if told and stat.S_ISREG(told.mode))
    place = os.statvfs(files.request["to"])
    # Holes too are written: a guest's file of nothing else can be of any size.
    _require_room(size, place.f_bavail * place.f_frsize)
    count = Count(files.handle, size)
    folders = []
    for path, copy, told, wrong in found:
        status, reason = ("unreadable", wrong) if wrong else _out(files, path, copy, told)
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


def _walk(
    files: Files, path: bytes, copy: bytes, *, top: bool = False
) -> Iterator[tuple[bytes, bytes, Any, str]]:
    """Give a path and all below it, each with where it is copied to, what it is, and why it is unreadable.

    A folder of which it cannot be read what it holds comes once more, with the reason.
    """
    files.require_whole(path)
    told = files.look(path, follow=top)
    yield path, copy, told, ""
    waiting = [(path, copy)] if stat.S_ISDIR(told.mode) else []
    while waiting:
        folder, copies = waiting.pop()
        held, wrong = _held(files, folder)
        if wrong:
            yield folder, copies, None, f"what it holds cannot be read: {wrong}"
        for name, told in held:
            if name in {b".", b".."} or b"/" in name:
                raise RuntimeError(f"an entry of {folder!r} has a name that no entry can have: {name!r}")
            here = folder.rstrip(b"/") + b"/" + name
            yield here, copies + b"/" + name, told, "" if told else "what it is cannot be read"
            if told is not None and stat.S_ISDIR(told.mode):
                waiting.append((here, copies + b"/" + name))


def _held(files: Files, folder: bytes) -> tuple[list[tuple[bytes, Any]], str]:
    """Give what a folder holds, or why that cannot be read."""
    hidden = files.hidden(folder)
    if hidden:
        return [], hidden
    try:
        return list(files.entries(folder)), ""
    except RuntimeError as error:
        if not files.handle.is_ready():
            raise  # the appliance is gone; all the rest would seem to be unreadable
        return [], str(error)


def _out(files: Files, path: bytes, copy: bytes, told: Any) -> tuple[str, str]:  # noqa: ANN401
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
        if files.calls.last_errno() in _FULL or not files.handle.is_ready():
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
    files.require_whole(folder)
    if not stat.S_ISDIR(files.look(folder, follow=True).mode):
        raise Wanting("no folder", "it is no folder", path=files.request["to"])
    folder = folder.rstrip(b"/")
    sources = [os.fsencode(name) for name in files.request["paths"]]
    ends = [folder + b"/" + os.path.basename(source) for source in sources]  # noqa: PTH119
    for end in ends:
        _require_free(files, end, end)
    found = [list(_walk_here(source)) for source in sources]
    sizes = [facts.st_size for one in found for _, _, facts in one if stat.S_ISREG(facts.st_mode)]
    count = Count(files.handle, sum(sizes))
    made: list[bytes] = []
    try:
        _require_room(sum(sizes), files.calls.free(folder or b"/"))
        _copy_in(files, found, ends, count, made)
        files.handle.sync()
    except (RuntimeError, OSError, Wanting) as error:
        # libguestfs does not always hand on the number of the guest's error.
        full = not isinstance(error, Wanting) and files.calls.free(folder or b"/") < _SCARCE
        full = full or (isinstance(error, OSError) and error.errno in _FULL)
        _take_back(files, made)
        if full:
            say("no room", reason=_said(error))
        raise


def _copy_in(
    files: Files, found: list[list[_Found]], ends: list[bytes], count: Count, made: list[bytes]
) -> None:
    parts = []
    for number, (one, end) in enumerate(zip(found, ends, strict=True)):
        part = end.rpartition(b"/")[0] + b"/.kvmnb-" + secrets.token_hex(8).encode() + b".part"
        parts.append(part)
        made.append(part)
        for entry in one:
            _, below, facts = entry
            _require_free(files, part + below, end + below)
            copy = os.fsdecode(str(number).encode() + below)
            _in(files, entry, part + below, {"copy": copy, "mode": facts.st_mode}, count)
    for part, end in zip(parts, ends, strict=True):
        _require_free(files, end, end)
        files.calls.rename(part, end)
        made.append(end)


def _require_free(files: Files, path: bytes, end: bytes) -> None:
    """Raise where something is there: the guest's file system may take *A* and *a* for one name."""
    try:
        files.calls.stat(path, follow=False)
    except RuntimeError:
        if files.calls.last_errno() != errno.ENOENT:
            raise
        return
    raise Wanting("exists", "it is there already", path=os.fsdecode(end))


def _take_back(files: Files, made: list[bytes]) -> None:
    """Remove what was made in the guest, and have that in its image before anyone is told."""
    for path in made:
        files.calls.remove(path)
    files.handle.umount_all()
    files.handle.shutdown()


def _walk_here(path: bytes) -> Iterator[_Found]:
    """Give a path and all below it, folders first, with the part below the path and what it is."""
    facts = os.stat(path)  # noqa: PTH116
    yield path, b"", facts
    waiting = [path] if stat.S_ISDIR(facts.st_mode) else []
    while waiting:
        folder = waiting.pop()
        for entry in os.scandir(folder):
            facts = entry.stat(follow_symlinks=False)
            yield entry.path, entry.path.removeprefix(path), facts
            if stat.S_ISDIR(facts.st_mode):
                waiting.append(entry.path)


def _in(files: Files, entry: _Found, to: bytes, row: dict[str, Any], count: Count) -> None:
    path, _, facts = entry
    mode = facts.st_mode
    row |= {"path": os.fsdecode(path), "size": None}
    if stat.S_ISDIR(mode):
        files.calls.make_folder(to)
    elif stat.S_ISREG(mode):
        row["size"] = facts.st_size
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
