"""Throw-away storage for pools that are more than a directory: a block device, an iSCSI target.

No real device and no kernel module is touched: the block device is a file behind a loop device, and the
target is a program. Only root can attach a loop device.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.daemon import Daemon, program


def _run(*command: str | Path, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        command,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        env=environment,
        stdin=subprocess.DEVNULL,
    )
    return done.stdout.strip()


@contextmanager
def loop_device(daemon: Daemon, size: int) -> Iterator[str]:
    """Attach a blank block device of some bytes, such as ``/dev/loop0``; needs root.

    It is detached at the end whatever happens, and by the daemon's keeper when the tests are killed.
    """
    losetup, delpart = program("losetup", "mount"), program("delpart", "util-linux")
    file = daemon.folder / f"device-{time.monotonic_ns()}.img"
    with file.open("xb") as new:
        new.truncate(size)
    device = _run(losetup, "--find", "--show", file)
    try:
        yield device
    finally:
        # Partitions that parted announced to the kernel would stay, even for the device's next user.
        for partition in Path("/sys/block", Path(device).name).glob("*/partition"):
            _run(delpart, device, partition.read_text().strip())
        _run(losetup, "--detach", device)
        file.unlink()


@dataclass(frozen=True)
class Target:
    """An iSCSI target with one disk, its logical unit 1."""

    port: int
    iqn: str
    size: int


@contextmanager
def iscsi_target(daemon: Daemon, size: int) -> Iterator[Target]:
    """Serve a blank disk of some bytes over iSCSI on the loopback address, without the kernel's help."""
    tgtd, tgtadm = program("tgtd", "tgt"), program("tgtadm", "tgt")
    file, control = daemon.folder / "unit.img", daemon.folder / "tgtd"
    with file.open("xb") as new:
        new.truncate(size)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        target = Target(free.getsockname()[1], "iqn.2026-01.org.example:kvmnb", size)
    environment = os.environ | {"TGT_IPC_SOCKET": str(control)}
    # The target and the program that talks to it must agree on a number, which ends the name of the socket.
    served = subprocess.Popen(
        [
            "setpriv",
            "--pdeathsig",
            "KILL",
            tgtd,
            "-f",
            "-C",
            "1",
            "--iscsi",
            f"portal=127.0.0.1:{target.port}",
        ],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait_for(target.port, served)
        ask = [tgtadm, "-C", "1", "--lld", "iscsi", "--tid", "1"]
        _run(*ask, "--op", "new", "--mode", "target", "-T", target.iqn, environment=environment)
        unit = ["--mode", "logicalunit", "--lun", "1", "-b", str(file)]
        _run(*ask, "--op", "new", *unit, environment=environment)
        _run(*ask, "--op", "bind", "--mode", "target", "-I", "ALL", environment=environment)
        yield target
    finally:
        # SIGTERM does not end it while it has a target.
        with suppress(ProcessLookupError):
            os.killpg(served.pid, signal.SIGKILL)
        served.wait()
        file.unlink()


def _wait_for(port: int, served: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while True:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        if served.poll() is not None or time.monotonic() > deadline:
            raise TimeoutError(f"tgtd does not listen on port {port}; it ended with {served.returncode}")
        time.sleep(0.02)
