"""Places to compare in: with hostile names, too small, not writable; and what lies in them."""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

MIB, GIB = 1 << 20, 1 << 30

#: Names that a place may have, each a trap for some way of handling it.
HOSTILE = (
    "a b",
    'it\'s "quoted"',
    "comma,format=raw",
    "nbd:host:10809",
    "key: value",
    "-o",
    "two\nlines",
    "100%s{}",
    os.fsdecode(b"caf\xe9"),
    "~root",
    "*[a]?",
)

NOT_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a file system")


@contextmanager
def small_disk(folder: Path, size: int, *options: str) -> Iterator[Path]:
    """Mount a file system of some bytes, held in memory; needs root."""
    folder.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", ",".join([f"size={size}", *options]), "tmpfs", folder], check=True
    )
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def fill(place: Path, *, but: int = 0) -> Path:
    """Take all the space that is free, but for some bytes; give the file that takes it."""
    told = os.statvfs(place)
    filler = place / "filler"
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, told.f_bavail * told.f_frsize - but)
    return filler


def contents(place: Path) -> dict[str, tuple[str, int, int]]:
    """Give the checksum, mode and time of change of all that lies in a place, hidden or not."""
    return {
        str(path.relative_to(place)): (
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
            path.lstat().st_mode,
            path.lstat().st_mtime_ns,
        )
        for path in sorted(place.rglob("*"))
    }


def children_of(pid: int) -> list[str]:
    """Give the command lines of the programs that work in a process' workspace, whoever their parent is."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it has ended meanwhile
            continue
        if line.startswith(("qemu-", "/usr/bin/qemu-", "/usr/bin/prlimit")) and f"/proc/{pid}/fd/" in line:
            found.append(line)
    return found


def wait_for(what: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.005)
