"""Unmounts a guest's file system once the process that mounted it has ended, however it ended.

A program of its own: ``guard.py FD ROOT OWNER GUESTUNMOUNT`` is started before guestmount and waits until the
last writer of the pipe FD has closed it, or the process OWNER has ended: one that it has forked may hold the
pipe as well. Where guestmount has mounted ROOT, guestunmount takes over, and the image is finished; where it
is only starting, it is ended, since nobody is left who could use the mount.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

#: How often it looks whether the owner has ended, in seconds, where the pipe does not tell.
_GLANCE = 1.0

#: How often, each time after a tenth of a second, guestmount is looked at whether it gives up.
_TRIES = 20

#: Seconds between two tries to unmount what somebody still uses.
_PAUSE = 5.0


def mounted(root: str, process: str = "self") -> bool:
    """Tell whether something is mounted there, without touching it: a dead mount would not answer."""
    for line in Path(f"/proc/{process}/mountinfo").read_bytes().splitlines():
        place = line.split()[4].decode("unicode_escape").encode("latin-1")
        if place == os.fsencode(root):
            return True
    return False


def began(pid: int) -> str:
    """Give when a process was started, by which two of one number are told apart; empty once it has ended."""
    fields = _fields(pid)
    return "" if not fields or fields[0] in {"Z", "X"} else fields[19]


def group(leader: int) -> list[int]:
    """Give the processes of a group that still run, as guestmount's QEMU may after guestmount has ended."""
    found = [int(process.name) for process in Path("/proc").glob("[0-9]*")]
    told = ((pid, _fields(pid)) for pid in found)
    return [
        pid for pid, fields in told if fields and fields[2] == str(leader) and fields[0] not in {"Z", "X"}
    ]


def end(worker: int) -> None:
    """End a guestmount that only starts: without its QEMU it gives up, and removes its temporary files."""
    for _ in range(_TRIES):
        others = [pid for pid in group(worker) if pid != worker]
        for pid in others:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)
        if not group(worker):
            return
    with suppress(ProcessLookupError):
        os.killpg(worker, signal.SIGKILL)


def _fields(pid: int) -> list[str]:
    """Give what the kernel tells of a process, from its state on; nothing where there is none."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def remove(folder: Path) -> None:
    """Remove a mount's folder and what guestmount keeps beside it; never what is mounted there."""
    try:
        (folder / "root").rmdir()
    except FileNotFoundError:
        pass
    except OSError:  # it is mounted
        return
    shutil.rmtree(folder / "scratch", ignore_errors=True)
    with suppress(OSError):
        for name in ("mount.json", "mount.part"):
            (folder / name).unlink(missing_ok=True)
        folder.rmdir()


def main() -> None:
    """Wait, then leave nothing mounted, and nothing behind."""
    pipe, root, owner, unmount = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
    started = began(owner)
    while not select.select([pipe], [], [], _GLANCE)[0] and started and began(owner) == started:
        pass
    folder = Path(root).parent
    worker = _worker(root)
    alive = began(worker) if worker else ""
    # Only the note tells one that is starting from one that is unmounted and now finishes the image.
    while alive and began(worker) == alive and not _note(folder).get("ready", True) and not mounted(root):
        end(worker)
    while mounted(root) and Path(unmount).exists():
        os.spawnv(os.P_WAIT, unmount, [unmount, "--quiet", root])  # noqa: S606 - no shell
        if mounted(root):
            time.sleep(_PAUSE)
    while worker and group(worker):
        time.sleep(0.1)
    remove(folder)


def _note(folder: Path) -> dict[str, Any]:
    """Read what is kept of the mount; nothing where it has been removed."""
    try:
        told: dict[str, Any] = json.loads((folder / "mount.json").read_text())
    except (OSError, ValueError):
        return {}
    return told


def _worker(root: str) -> int:
    """Find guestmount, also where its owner was killed before it could note it; 0 where there is none."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (process / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
            pid = int(process.name)
            # libguestfs's own watch over QEMU is a fork of guestmount, which leads the group.
            if words[-1] == os.fsencode(root) and b"--no-fork" in words and _fields(pid)[2:3] == [str(pid)]:
                return pid
    return 0


if __name__ == "__main__":
    main()
