"""How long reading the guests' file systems takes, against ``virt-df`` for the same guests.

Run it with ``python -m tests.benchmarks.guests [COUNT]``. It starts a libvirt daemon of its own, defines so
many guests that are shut off, each with a disk of its own, and leaves nothing behind. The first reading and
the second, remembered one are timed, and the most memory that each took, with all programs it started.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil

import kvmnb
from kvmnb.guests.appliance import settings
from kvmnb.guests.reading import side_by_side
from kvmnb.programs import follow
from tests.daemon import Daemon
from tests.guests import kinds


class Peak:
    """Watches the memory of this process and of all that it starts."""

    def __init__(self) -> None:
        self.most = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        me = psutil.Process()
        while not self._ended.wait(0.2):
            taken = 0
            for process in me.children(recursive=True):
                try:
                    taken += process.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            self.most = max(self.most, taken)


def measure(call: Callable[[], object]) -> tuple[float, int]:
    """Give the seconds that a call takes, and the most memory of the programs that it starts."""
    with Peak() as peak:
        began = time.perf_counter()
        call()
        took = time.perf_counter() - began
    return took, peak.most


def main(count: int) -> None:
    """Measure and print."""
    with Daemon() as daemon, tempfile.TemporaryDirectory() as cache:
        os.environ["XDG_CACHE_HOME"] = cache
        folder = Path(cache) / "images"  # not the daemon's own folder, which is emptied with it
        folder.mkdir()
        made = kinds.make(folder, daemon)
        daemon.clean()
        made.names.clear()
        for number in range(count):
            shutil.copyfile(folder / "gpt.qcow2", folder / f"vm{number}.qcow2")
            made.guest(f"vm{number}", (f"vm{number}.qcow2", "qcow2"))

        def theirs() -> object:
            command = ["virt-df", "--csv", "-c", daemon.uri]
            return follow(command, lambda _said: None, timeout=1800, environment=settings())

        with kvmnb.connect(daemon.uri) as host:
            virt_df, their_peak = measure(theirs)
            first, our_peak = measure(host.df)
            second, _ = measure(host.df)
    print(f"{count} guests that are shut off, {side_by_side()} appliances at once")
    print(f"virt-df                 {virt_df:8.2f} s  {their_peak >> 20:6} MiB at most")
    print(
        f"host.df(), first        {first:8.2f} s  {our_peak >> 20:6} MiB at most  ratio {first / virt_df:.2f}"
    )
    print(f"host.df(), remembered   {second:8.3f} s  ratio {second / virt_df:.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 8)
