"""How long a fleet of many daemons takes, against the slowest of them alone, in one run.

Run it with ``python -m tests.benchmarks.fleet [DAEMONS [VOLUMES]]``. It starts so many libvirt daemons of its
own and leaves nothing behind.

Twice the same is measured. At first the daemons answer at once: then there is nothing to wait for, and ten of
them and their one reader share the processors of this machine, so that the ratio says how many processors
there are rather than what the fleet costs. Then every answer comes late by as much as over a network, through
a socket in another process: that is what a fleet is for, as the hosts are waited for at once.

The volumes have no backing stores: those of this machine are looked at with qemu-img, which another machine's
cannot be, and a fleet is mostly of other machines.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from pathlib import Path

import kvmnb
from tests.daemon import Daemon
from tests.fleets.proxy import socket_of

#: Runs of each; the median counts.
ROUNDS = 3

#: By how much an answer is late, in seconds.
LATE = 0.05


@contextmanager
def late(uri: str, path: Path) -> Iterator[str]:
    """Have a daemon's answers come late; give the URI that leads there."""
    words = [sys.executable, "-m", "tests.fleets.proxy", str(socket_of(uri)), str(path), str(LATE)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as proxy:
        assert proxy.stdin is not None
        assert proxy.stdout is not None
        assert proxy.stdout.readline() == b"ready\n"
        yield uri.replace(str(socket_of(uri)), str(path))
        proxy.stdin.close()


def plain(folder: Path, count: int) -> None:
    """Put so many qcow2 images into a folder."""
    folder.mkdir()
    first = folder / "vm0.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(first), "1G"], check=True)
    for number in range(1, count):
        shutil.copyfile(first, folder / f"vm{number}.qcow2")


def filled(daemon: Daemon, pattern: Path) -> str:
    """Give a daemon a running pool with a copy of the volumes; give its URI."""
    shutil.copytree(pattern, daemon.folder / "pool")
    daemon.virsh("pool-define-as", "bench", "dir", "--target", str(daemon.folder / "pool"))
    daemon.virsh("pool-start", "bench")
    return daemon.uri


def seconds(call: Callable[[], object]) -> float:
    """Time a call."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def alone(uri: str) -> None:
    """Read one host as a user does who has one: connect and read."""
    with kvmnb.connect(uri) as host:
        host.volumes()


def measure(words: str, uris: dict[str, str], count: int, executor: Executor | None = None) -> float:
    """Compare the fleet with each of its hosts alone; print a line and give the ratio."""
    fleet = kvmnb.fleet(uris, executor=executor)
    whole = fleet.volumes()
    assert set(whole["status"]) == {"ok"}
    assert len(whole) == len(uris) * count
    together, each = [], {label: list[float]() for label in uris}
    for _ in range(ROUNDS):  # in turn, so that what else runs here disturbs both
        together.append(seconds(fleet.volumes))
        for label, uri in uris.items():
            each[label].append(seconds(lambda uri=uri: alone(uri)))  # type: ignore[misc]
    medians = [statistics.median(times) for times in each.values()]
    took, slowest = statistics.median(together), max(medians)
    print(
        f"{words:<52} {took:7.3f} {slowest:9.3f} {took / slowest:7.2f} {sum(medians):13.3f}"
        f" {took / sum(medians):7.2f}"
    )
    return took / slowest


def main(daemons: int, count: int) -> None:
    """Measure and print."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        plain(folder / "pattern", count)
        running = [stack.enter_context(Daemon()) for _ in range(daemons)]
        near = {f"h{n}": filled(daemon, folder / "pattern") for n, daemon in enumerate(running)}
        print(f"{daemons} daemons of {count} volumes each, {os.cpu_count()} processors; host.volumes(),")
        print(f"seconds, median of {ROUNDS} runs\n")
        print(f"{'':<52} {'fleet':>7} {'slowest':>9} {'ratio':>7} {'one by one':>13} {'ratio':>7}")
        measure("answers at once, threads", near, count)
        processes = ProcessPoolExecutor(daemons, mp_context=get_context("spawn"))
        with processes:
            measure("answers at once, as many processes", near, count, processes)
        far = {label: stack.enter_context(late(uri, folder / label)) for label, uri in near.items()}
        measure(f"answers late by {LATE * 1000:.0f} ms, threads", far, count)


if __name__ == "__main__":
    main(*map(int, [*sys.argv[1:], *["10", "200"][len(sys.argv) - 1 :]]))
