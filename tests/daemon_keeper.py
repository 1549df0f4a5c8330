"""Keeps one libvirtd, and clears everything away when its owner is gone; started by `tests.daemon`.

The owner writes ``start``, ``halt`` or ``status`` to standard input and reads one line of answer. The end
of the input means that the owner stopped or died, by whatever signal: then the daemon, every process that
came of it, every mount, every loop device and the folder are removed.

As the subreaper of all it starts, the keeper inherits the guests, which make themselves children of
process 1 otherwise. It reaps them at once: libvirt waits for a QEMU that it ended until nobody can see its
process any more, and a process 1 that reaps slowly, as in many containers, costs seconds each time.
"""

from __future__ import annotations

import argparse
import ctypes
import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

_PR_SET_CHILD_SUBREAPER = 36
_PATIENCE = 20  # seconds for a daemon that was asked to end


class Keeper:
    """One libvirtd and all that comes of it."""

    def __init__(self, folder: Path, command: list[str]) -> None:
        self._command = command
        self._log = folder / "libvirtd.log"
        self._pid = 0
        self._ended: dict[int, int] = {}

    def reap(self, *_signal: object) -> None:
        """Take the exit status of every child that ended; the handler of SIGCHLD."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._ended[pid] = os.waitstatus_to_exitcode(status)

    def start(self) -> str:
        """Start the daemon on what the folder holds."""
        output = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._pid = os.posix_spawn(
            self._command[0],
            self._command,
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, self._log, output, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
        )
        return str(self._pid)

    def status(self) -> str:
        """Say whether the daemon runs, or how it ended."""
        if not self._pid:
            return "not started"
        code = self._ended.get(self._pid)
        return "running" if code is None else f"ended with {code}"

    def halt(self) -> str:
        """End the daemon alone; guests go on running, as they do when it is upgraded."""
        asked = time.monotonic()
        while self.status() == "running":
            late = time.monotonic() - asked > _PATIENCE
            try:
                os.kill(self._pid, signal.SIGKILL if late else signal.SIGTERM)
            except ProcessLookupError:
                break
            time.sleep(0.01)  # a SIGCHLD ends the sleep's wait in between and runs `reap`
        return self.status()


def _children() -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name in parentheses may hold anything, so read what follows the last of them.
            _state, parent, *_rest = stat.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:  # it ended in between
            continue
        if int(parent) == os.getpid():
            found.append(int(stat.parent.name))
    return found


def _end_children() -> None:
    """Kill every descendant: the children of a killed child become our own, so go on until none is left."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    while True:
        for pid in _children():
            os.kill(pid, signal.SIGKILL)
        try:
            os.wait()
        except ChildProcessError:
            return


def _unmount(below: list[Path]) -> None:
    """Unmount, in this namespace, whatever is mounted in the given folders, the newest first."""
    points = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), line.split()[4])
        if any(Path(point).is_relative_to(folder) for folder in below):
            points.append(point)
    for point in reversed(points):
        subprocess.run(["umount", "--", point], check=True, stdin=subprocess.DEVNULL)


def _detach_loops(folder: Path) -> None:
    """Detach the loop devices whose file lies in the folder."""
    for backing in Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            file = backing.read_text().strip()
        except OSError:  # detached in between
            continue
        if Path(file).is_relative_to(folder):
            device = f"/dev/{backing.parent.parent.name}"
            for partition in backing.parent.parent.glob("*/partition"):
                number = partition.read_text().strip()
                subprocess.run(["delpart", device, number], check=True, stdin=subprocess.DEVNULL)
            subprocess.run(["losetup", "--detach", device], check=True, stdin=subprocess.DEVNULL)


def _serve(keeper: Keeper) -> None:
    answers = {"start": keeper.start, "halt": keeper.halt, "status": keeper.status}
    for line in sys.stdin:
        sys.stdout.write(f"{answers[line.strip()]()}\n")
        sys.stdout.flush()


def _leave(signum: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + signum)


def main() -> None:
    """Bind the private folders, serve the owner, and clear away."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--bind", nargs=2, type=Path, action="append", default=[])
    parser.add_argument("command", nargs="+")
    given = parser.parse_args()

    lock = os.open(given.folder, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)  # says that the folder is in use, for as long as this process lives
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")
    for source, point in given.bind:
        subprocess.run(["mount", "--bind", "--", source, point], check=True, stdin=subprocess.DEVNULL)

    keeper = Keeper(given.folder, given.command)
    signal.signal(signal.SIGCHLD, keeper.reap)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    try:
        _serve(keeper)
    finally:
        keeper.halt()
        _end_children()
        _unmount([given.folder, *(point for _source, point in given.bind)])
        if os.geteuid() == 0:
            _detach_loops(given.folder)
        shutil.rmtree(given.folder)


if __name__ == "__main__":
    main()
