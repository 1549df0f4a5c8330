"""Runs one appliance and lists, copies or reads the files of a guest; tells what it finds as lines of JSON.

A program of its own, like ``worker.py``, and for the same reason; it needs no FUSE. Names are bytes, written
in JSON as `os.fsdecode` gives them. All is looked up within the guest's root, absolute links too.
"""

from __future__ import annotations

import json
import os
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))  # it is started isolated, without its own folder

from byte_calls import ByteCalls, Stat, Wanting  # type: ignore[import-not-found]
from worker import attempt, end_with_parent, opened, say  # type: ignore[import-not-found]

_Row = dict[str, Any]

#: Names that are asked about in one call.
_AT_ONCE = 1000

#: Of a log so many of its last bytes are read at most; a message of libguestfs holds 4 MiB.
_TAIL = 1 << 20

#: As many entries of a journal as can be skipped at once.
_MOST_ENTRIES = (1 << 31) - 1


class Files:
    """The files of a guest in an appliance.

    Parameters
    ----------
    request : dict
        What was asked for.
    """

    def __init__(self, request: _Row) -> None:
        self.request = request
        self.handle = opened(request)
        self.calls = ByteCalls(self.handle)
        #: Where a file system of the guest's layout belongs that could not be mounted, and why.
        self.left_out: dict[str, str] = {}

    def mount(self) -> None:
        """Mount the file system that is asked for, or all of the guest's own layout."""
        device = self.request["device"]
        mount = self.handle.mount_ro if self.request["readonly"] else self.handle.mount
        if device:
            _, failed = attempt(mount, device, "/")
            if failed:
                raise Wanting("device", failed, filesystems=self.choice())
            return
        roots, failed = attempt(self.handle.inspect_os)
        if failed or len(roots) != 1:
            reason = failed or ("no system was found" if not roots else f"{len(roots)} systems were found")
            raise Wanting("system", reason, filesystems=self.choice())
        places, failed = attempt(self.handle.inspect_get_mountpoints, roots[0])
        if failed:
            raise Wanting("system", failed, filesystems=self.choice())
        for place in sorted(places, key=len):
            _, failed = attempt(mount, places[place], place)
            if failed and place == "/":
                raise Wanting("device", failed, filesystems=self.choice())
            if failed:
                self.left_out[place] = failed

    def hidden(self, path: bytes) -> str:
        """Say why what lies at a path is not what the guest has there; empty where it is."""
        if not self.left_out:
            return ""
        real, _ = attempt(self.calls.real, path)
        parts = [b"", *(real or path).split(b"/")[1:]]
        above = {b"/".join(parts[:count]) for count in range(2, len(parts) + 1)}
        for place, failed in self.left_out.items():
            if os.fsencode(place.rstrip("/")) in above:
                return f"the file system that the guest has at {place} could not be mounted: {failed}"
        return ""

    def require_whole(self, path: bytes) -> None:
        """Raise where the guest has something else at a path than what is seen there."""
        hidden = self.hidden(path)
        if hidden:
            raise Wanting("missing", hidden, path=os.fsdecode(path))

    def choice(self) -> list[str]:
        """Give the file systems that can be chosen from."""
        kinds, _ = attempt(self.handle.list_filesystems)
        return [f"{name} ({kind})" for name, kind in (kinds or {}).items() if kind not in {"swap", "unknown"}]

    def look(self, path: bytes, *, follow: bool) -> Stat:
        """Give what lies at a path."""
        try:
            return self.calls.stat(path, follow=follow)
        except RuntimeError as error:
            raise Wanting("missing", str(error), path=os.fsdecode(path)) from error

    def follow(self, path: bytes) -> Stat:
        """Give what lies where a path leads."""
        return self.calls.stat(path, follow=True)

    def entries(self, folder: bytes) -> Iterator[tuple[bytes, Stat | None]]:
        """Give what a folder holds; None for what cannot be read."""
        names = self.calls.names(folder, f"{os.environ['TMPDIR']}/names")
        for start in range(0, len(names), _AT_ONCE):
            some = names[start : start + _AT_ONCE]
            yield from zip(some, self.calls.stats(folder, some), strict=True)

    def list(self) -> None:
        """Tell what a folder holds, or what an entry is."""
        path = os.fsencode(self.request["path"])
        self.require_whole(path)
        if not stat.S_ISDIR(self.look(path, follow=False).mode):
            linked, _ = attempt(self.follow, path)
            if linked is None or not stat.S_ISDIR(linked.mode):
                parent, _, name = path.rpartition(b"/")
                self.tell(parent or b"/", [(name, self.look(path, follow=False))])
                return
        self.tell(path, self.entries(path))

    def tell(self, folder: bytes, entries: Any) -> None:  # noqa: ANN401 - an iterable of entries
        """Tell of entries, with where the links among them lead."""
        listed = list(entries)
        links = [name for name, told in listed if told is not None and stat.S_ISLNK(told.mode)]
        targets = dict(zip(links, self.calls.links(folder, links) if links else (), strict=True))
        for name, told in listed:
            row: _Row = {"name": os.fsdecode(name), "stat": None, "target": None}
            if told is not None:
                row["stat"] = facts(told)
            if name in targets:
                row["target"] = os.fsdecode(targets[name])
            say("entry", **row)

    def logs(self) -> None:
        """Tell the last bytes of each of the usual logs, and the last entries of the journal."""
        for name in self.request["logs"]:
            told, failed = attempt(self.handle.statns, name)
            hidden = self.hidden(name.encode())
            if hidden:
                say("log", log=name, status="unreadable", reason=hidden)
            elif failed:
                say("log", log=name, status="missing")
            elif not stat.S_ISREG(told["st_mode"]):
                say("log", log=name, status="no file")
            else:
                start = max(0, told["st_size"] - _TAIL)
                text, failed = (
                    attempt(self.handle.pread, name, _TAIL, start) if told["st_size"] else (b"", "")
                )
                text = text.encode(errors="surrogateescape") if isinstance(text, str) else text
                say("log", log=name, status="failed" if failed else "ok", reason=failed, start=start,
                    text=None if failed else os.fsdecode(text))  # fmt: skip
        for name in self.request["journals"]:
            self.journal(name)

    def journal(self, name: str) -> None:
        """Tell the last entries of a journal, read in the appliance and never by this machine."""
        hidden = self.hidden(name.encode())
        if hidden:
            say("log", log=name, status="unreadable", reason=hidden)
            return
        held, failed = attempt(self.journal_files, name.encode())
        if failed or held is None:
            say("log", log=name, status="missing" if failed else "empty")
            return
        _, failed = attempt(self.handle.journal_open, name)
        if failed:
            say("log", log=name, status="binary", reason=failed)
            return
        try:
            count = self.handle.journal_skip(_MOST_ENTRIES)
            if count > self.request["lines"] - 1:
                self.handle.journal_skip(1 - self.request["lines"])
            else:
                self.handle.journal_close()
                self.handle.journal_open(name)
                count = count and self.handle.journal_skip(1)
            while count:
                say("journal", log=name, time=self.handle.journal_get_realtime_usec(),
                    fields={one["attrname"]: os.fsdecode(one["attrval"]) for one in self.handle.journal_get()
                            if one["attrname"] in self.request["fields"]})  # fmt: skip
                count = self.handle.journal_next()
            say("log", log=name, status="journal", damaged=held)
        except (RuntimeError, UnicodeDecodeError) as error:
            say("log", log=name, status="failed", reason=str(error))
        finally:
            attempt(self.handle.journal_close)

    def journal_files(self, folder: bytes) -> bool | None:
        """Tell whether a folder, or one in it, holds files of a journal; None where it holds nothing."""
        entries = list(self.entries(folder))
        names = [name for name, _ in entries]
        for name, told in entries:
            if told is not None and stat.S_ISDIR(told.mode):
                names += [below for below, _ in self.entries(folder + b"/" + name)]
        return any(b".journal" in name for name in names) if entries else None


def facts(told: Stat) -> _Row:
    """Give what is told of an entry: its mode, owner, size, and times in nanoseconds since 1970."""
    row: _Row = {"mode": told.mode, "uid": told.uid, "gid": told.gid, "size": told.size}
    for name in ("atime", "mtime", "ctime"):
        row[name] = getattr(told, name) * 10**9 + getattr(told, f"{name}_nsec")
    return row


def wait_for_word(request: _Row) -> None:
    """Wait until whoever asked has looked once more whether the guest may be written to."""
    say("ready")
    while not Path(request["word"]).exists():
        time.sleep(0.02)


def main() -> int:
    """Read the request, answer it."""
    end_with_parent()
    request = json.loads(sys.argv[1])
    try:
        files = Files(request)
        if not request["readonly"]:
            wait_for_word(request)
        files.mount()
        if request["task"] == "list":
            files.list()
        elif request["task"] == "logs":
            files.logs()
        else:
            import copy_worker  # type: ignore[import-not-found]  # noqa: PLC0415 - most need it not

            getattr(copy_worker, request["task"])(files)
        if not request["readonly"]:
            files.handle.umount_all()
        files.handle.shutdown()
    except Wanting as wanting:
        say("wanting", **wanting.told)
        return 1
    except (RuntimeError, OSError) as error:
        say("failed", reason=str(error))
        return 1
    say("done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
