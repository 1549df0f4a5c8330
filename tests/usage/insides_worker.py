"""Fills the disks of the test's guest and trims them, with the bindings of libguestfs.

A program of its own: ``insides_worker.py FOLDER PATH:FORMAT …`` leaves in FOLDER copies of the disks as they
are before they are trimmed, and prints as JSON what the disks take before and afterwards.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import guestfs

MIB = 1 << 20

#: What is on which disk: the file system's device, and how many MiB are written, and removed again.
FILES = {
    "/dev/sda1": (60, 35),  # thin raw, beside swap
    "/dev/sdb1": (70, 45),  # qcow2
    "/dev/sdc": (30, 20),  # raw that takes all of itself from the beginning
    "/dev/sdd": (40, 25),  # an overlay of a file system with files in it
    "/dev/vg/data": (50, 30),  # on two disks
}


def prepare(handle: guestfs.GuestFS) -> None:
    """Make partitions, swap, a volume group and file systems; the overlay has its own from below."""
    for disk, middle in (("/dev/sda", 300 * 2048), ("/dev/sdb", 400 * 2048)):
        handle.part_init(disk, "gpt")
        handle.part_add(disk, "p", 2048, middle - 1)
        handle.part_add(disk, "p", middle, middle + 16 * 2048 - 1)
    handle.mkswap("/dev/sda2")
    handle.mkfs("ext4", "/dev/sda1")
    handle.mkfs("xfs", "/dev/sdb1")
    handle.mkfs("ext4", "/dev/sdc")
    handle.pvcreate("/dev/sde")
    handle.pvcreate("/dev/sdf")
    handle.vgcreate("vg", ["/dev/sde", "/dev/sdf"])
    handle.lvcreate_free("data", "vg", 100)
    handle.mkfs("ext4", "/dev/vg/data")


def fill(handle: guestfs.GuestFS) -> None:
    """Write files, and remove some of them once they are on the disk."""
    prepare(handle)
    for device, (written, removed) in FILES.items():
        handle.mount_options("", device, "/")
        handle.fill(0x5A, (written - removed) * MIB, "/kept")
        handle.fill(0xA5, removed * MIB, "/removed")
        handle.sync()
        handle.rm("/removed")
        handle.sync()
        handle.umount_all()


def trim(handle: guestfs.GuestFS) -> None:
    """Have every file system give back what is free in it."""
    for device in FILES:
        handle.mount_options("", device, "/")
        handle.fstrim("/")
        handle.sync()
        handle.umount_all()


def taken(disks: list[tuple[Path, str]]) -> dict[str, int]:
    """Give what each disk takes, in bytes."""
    os.sync()
    return {path.name: path.stat().st_blocks * 512 for path, _ in disks}


def main(folder: str, *named: str) -> None:
    """Fill the disks, copy them, trim them."""
    disks = [(Path(path), kind) for path, _, kind in (name.rpartition(":") for name in named)]
    handle = guestfs.GuestFS(python_return_dict=True)
    handle.set_memsize(768)
    for path, kind in disks:
        handle.add_drive(str(path), format=kind, discard="enable")
    handle.launch()
    fill(handle)
    # Making a file system has given back what this one took from the beginning.
    with disks[2][0].open("r+b") as file:
        os.posix_fallocate(file.fileno(), 0, disks[2][0].stat().st_size)
    before = taken(disks)
    for path, _ in disks:
        subprocess.run(["cp", "--sparse=auto", path, Path(folder) / path.name], check=True)
    trim(handle)
    handle.shutdown()
    handle.close()
    sys.stdout.write(json.dumps({"before": before, "after": taken(disks)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
