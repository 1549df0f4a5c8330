"""How long reading many volumes takes, against ``virsh vol-list --details`` for the same pool.

Run it with ``python -m tests.benchmarks.volumes [COUNT ...]``. It starts a libvirt daemon of its own and
leaves nothing behind. Every third volume is an overlay, so that chains are followed as well.

libvirt lists at most 16,384 volumes in one call, so more are spread over several pools: then one
``host.volumes()`` is timed against ``virsh vol-list --details`` of each pool in turn.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import kvmnb
from tests.daemon import Daemon

#: Runs of each; the median counts.
ROUNDS = 5

#: Most volumes of one pool, well below what libvirt lists in one call.
MOST = 10_000


def fill(folder: Path, count: int) -> None:
    """Put so many real qcow2 images into a folder, every third an overlay of the first."""
    folder.mkdir()
    base, plain, overlay = folder / "base.qcow2", folder / "plain", folder / "overlay"
    for image, options in ((base, []), (plain, []), (overlay, ["-b", str(base), "-F", "qcow2"])):
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *options, str(image), "1G"], check=True)
    for number in range(count - 1):
        shutil.copyfile(plain if number % 3 else overlay, folder / f"vm{number:05d}.qcow2")
    plain.unlink()
    overlay.unlink()


def median(call: Callable[[], object]) -> float:
    """Time a call and give the median of some rounds, in seconds."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def process(*arguments: str) -> Callable[[], object]:
    """Give a call that runs a program and throws away what it prints."""
    return lambda: subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL)


def in_turn(daemon: Daemon, pools: list[str], *options: str) -> Callable[[], object]:
    """Give a call that lists the volumes of each pool with virsh, one pool after the other."""
    calls = [process("virsh", "-c", daemon.uri, "vol-list", pool, *options) for pool in pools]
    return lambda: [call() for call in calls]


def spread(daemon: Daemon, count: int) -> list[str]:
    """Make running pools that hold so many volumes between them; give their names."""
    sizes = [min(MOST, count - start) for start in range(0, count, MOST)]
    pools = [f"bench{count}-{number}" for number in range(len(sizes))]
    for name, size in zip(pools, sizes, strict=True):
        fill(daemon.folder / name, size)
        daemon.virsh("pool-define-as", name, "dir", "--target", str(daemon.folder / name))
        daemon.virsh("pool-start", name)
    return pools


def measure(daemon: Daemon, count: int) -> tuple[float, float]:
    """Compare the two for one number of volumes; print a line."""
    try:
        pools = spread(daemon, count)
        with kvmnb.connect(daemon.uri) as host:
            frame = host.volumes()
            assert len(frame) == count
            told = frame.drop(columns=["problem", "backing_path", "backing_format"])
            assert not told.isna().to_numpy().any(), "a column is not filled"
            ours = median(host.volumes)
        virsh = median(in_turn(daemon, pools, "--details"))
        plain = median(in_turn(daemon, pools))
    finally:
        daemon.clean()
    print(
        f"{count:>7} {ours:>14.3f} {virsh:>20.3f} {ours / virsh:>7.2f} {plain:>14.3f}"
        f" {ours / count * 1e6:>12.0f} {virsh / count * 1e6:>12.0f}"
    )
    return ours, virsh


def imports() -> None:
    """Compare importing the package with importing pandas alone, each in fresh processes."""
    pandas = median(process(sys.executable, "-c", "import pandas"))
    for what in ("import kvmnb", "from kvmnb import connect"):
        ours = median(process(sys.executable, "-c", what))
        print(f"{what}: {ours:.2f} s, against import pandas {pandas:.2f} s: ratio {ours / pandas:.2f}")


def main(counts: list[int]) -> None:
    """Measure and print."""
    imports()
    print("\nseconds (median of", ROUNDS, "runs), and microseconds per volume")
    print(
        f"{'volumes':>7} {'host.volumes()':>14} {'vol-list --details':>20} {'ratio':>7} {'names alone':>14}"
        f" {'us, ours':>12} {'us, virsh':>12}"
    )
    daemon = Daemon()
    try:
        for count in counts:
            measure(daemon, count)
    finally:
        daemon.stop()


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or [500, 5_000, 20_000])
