"""Unmounts a guest's file system once the process that mounted it has ended, however it ended.

A program of its own: ``guard.py FD ROOT PID GUESTUNMOUNT`` waits until the last writer of the pipe FD has
closed it. Where guestmount, process PID, has mounted ROOT, guestunmount takes over; where it is only
starting, it is ended, since nobody is left who could use the mount.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path


def mounted(root: str) -> bool:
    """Tell whether something is mounted there, without touching it: a dead mount would not answer."""
    for line in Path("/proc/self/mountinfo").read_bytes().splitlines():
        place = line.split()[4].decode("unicode_escape").encode("latin-1")
        if place == os.fsencode(root):
            return True
    return False


def began(pid: int) -> str:
    """Give when a process was started, by which two of one number are told apart; empty once it has ended."""
    try:
        fields = (Path("/proc") / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in {"Z", "X"} else fields[19]


def main() -> None:
    """Wait, then leave nothing mounted."""
    pipe, root, worker, unmount = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
    started = began(worker)
    os.read(pipe, 1)
    while started and began(worker) == started and not mounted(root):
        with suppress(ProcessLookupError):
            os.killpg(worker, signal.SIGKILL)
        time.sleep(0.1)
    if mounted(root):
        os.execv(unmount, [unmount, "--quiet", root])  # noqa: S606 - this program ends in the other


if __name__ == "__main__":
    main()
