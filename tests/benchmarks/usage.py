"""How long telling how storage is used takes, against the commands that tell the parts of it.

Run it with ``python -m tests.benchmarks.usage [COUNT ...]``. It starts a libvirt daemon of its own and leaves
nothing behind. Besides the volumes there are 200 guests that are shut off; each has two disks, which are
overlays of an overlay of a base that all share, so that chains are two deep.

It is ``host.usage(inside=False)``: reading inside the guests takes appliances, which ``guests.py`` times.
`Host.orphans` and `Host.overcommit` stand beside it. What a user would run instead is ``virsh vol-list
--details`` per pool, ``virsh domblklist`` per guest, and ``qemu-img info --backing-chain`` per disk. The last
two take a process for each guest and disk, however many volumes there are, so both sums are given: with them,
and of the listing alone, which tells neither guests nor chains.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import libvirt

import kvmnb
from tests.benchmarks.volumes import in_turn, median, process
from tests.daemon import Daemon
from tests.storage.builders import file_disk, guest_xml

#: Guests, and disks of each.
GUESTS, DISKS = 200, 2

#: Pools that share the volumes.
POOLS = 4


def image(path: Path, backing: Path | None = None) -> Path:
    """Make an empty image of 1 GiB."""
    lies = ["-b", str(backing), "-F", "qcow2"] if backing else []
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *lies, str(path), "1G"], check=True)
    return path


def fill(folder: Path, count: int) -> list[Path]:
    """Put so many images into the folders of the pools; give the top images that the guests are to have."""
    folders = [folder / f"pool{number}" for number in range(POOLS)]
    for one in folders:
        one.mkdir()
    base = image(folders[0] / "base.qcow2")
    middle = image(folders[0] / "middle.qcow2", base)
    plain, top = image(folder / "plain"), image(folder / "top", middle)
    tops = []
    disks = min(GUESTS * DISKS, (count - 2) // 2)
    for number in range(count - 2):
        path = folders[number % POOLS] / f"vm{number:05d}.qcow2"
        shutil.copyfile(top if number < disks else plain, path)
        tops += [path] if number < disks else []
    plain.unlink()
    top.unlink()
    return tops


def furnish(daemon: Daemon, count: int) -> list[str]:
    """Make the pools with so many volumes, and the guests; give the disks' paths."""
    tops = fill(daemon.folder, count)
    for number in range(POOLS):
        daemon.virsh(
            "pool-define-as", f"pool{number}", "dir", "--target", str(daemon.folder / f"pool{number}")
        )
        daemon.virsh("pool-start", f"pool{number}")
    connection = libvirt.open(daemon.uri)
    try:
        for number in range(GUESTS):
            own = tops[number::GUESTS][:DISKS]
            devices = [file_disk(path, target=f"vd{letter}") for letter, path in zip("ab", own, strict=False)]
            connection.defineXML(guest_xml(f"vm{number:03d}", *devices))
    finally:
        connection.close()
    return [str(path) for path in tops]


def measure(daemon: Daemon, count: int) -> tuple[float, float, float]:
    """Time one number of volumes; print a line, and give ours, the commands' and the listing's seconds."""
    try:
        disks = furnish(daemon, count)
        pools = [f"pool{number}" for number in range(POOLS)]
        with kvmnb.connect(daemon.uri) as host:
            frame = host.usage(inside=False)
            assert frame["volume"].notna().sum() == count
            assert (frame["role"] == "disk").sum() == len(disks)
            assert all(len(chain) == 2 for chain in frame.loc[frame["role"] == "disk", "chain"])
            ours = median(lambda: host.usage(inside=False))
            others = median(host.orphans), median(host.overcommit)
        listing = median(in_turn(daemon, pools, "--details"))
        each = process("virsh", "-c", daemon.uri, "domblklist", "vm000")
        chain = process("qemu-img", "info", "-U", "--backing-chain", "-f", "qcow2", disks[0])
        commands = listing + GUESTS * median(each) + len(disks) * median(chain)
    finally:
        daemon.clean()
    print(
        f"{count:>7} {ours:>8.3f} {others[0]:>9.3f} {others[1]:>12.3f} {listing:>8.3f} {commands:>9.2f}"
        f" {ours / listing:>13.2f} {ours / commands:>14.3f} {ours / count * 1e6:>11.0f}"
    )
    return ours, commands, listing


def main(counts: list[int]) -> None:
    """Measure and print."""
    print(f"seconds, with {GUESTS} guests and their chains two deep; nothing is read inside the guests")
    print("of domblklist and qemu-img one process each is timed, and counted for all guests and disks")
    print(
        f"{'volumes':>7} {'usage':>8} {'orphans':>9} {'overcommit':>12} {'vol-list':>8} {'all three':>9}"
        f" {'usage/vol-list':>13} {'usage/three':>14} {'us a volume':>11}"
    )
    daemon = Daemon()
    try:
        found = [measure(daemon, count) for count in counts]
    finally:
        daemon.stop()
    for (first, before), (last, after) in pairwise(zip(counts, found, strict=True)):
        print(f"{last / first:.1f} times the volumes ({last:,}): {after[0] / before[0]:.1f} times as long")


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or [200, 2_000, 10_000])
