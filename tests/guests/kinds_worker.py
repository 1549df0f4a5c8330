"""Makes disks with file systems of every kind, in one appliance; run by the interpreter with the bindings."""

from __future__ import annotations

import sys
from pathlib import Path

import guestfs

MIB = 1 << 20

#: Sizes of the disks, in MiB.
SIZES = {"mbr": 800, "gpt": 512, "whole": 48, "pv1": 400, "pv2": 400}

#: Their labels, of letters alone: a busy kernel may find another disk first, and call it sda.
LABELS = dict(zip(SIZES, ("mbr", "gpt", "whole", "pva", "pvb"), strict=True))


def _partitions(handle: guestfs.GuestFS, disk: str, table: str, *lengths: int) -> None:
    handle.part_init(disk, table)
    start = 2048
    for length in lengths:
        end = start + length * 2048 - 1
        handle.part_add(disk, "p", start, end)
        start = end + 1


def _fill(handle: guestfs.GuestFS, device: str, name: str, size: int) -> None:
    """Put a file into a file system, so that it is not empty."""
    handle.mount(device, "/")
    handle.fill(0x5A, size, f"/{name}")
    handle.umount_all()


def main(folder: Path) -> None:
    """Make the disks in a folder."""
    handle = guestfs.GuestFS(python_return_dict=True)
    handle.set_memsize(768)
    for name, size in SIZES.items():
        path = folder / f"{name}.raw"
        with path.open("wb") as file:
            file.truncate(size * MIB)
        handle.add_drive(str(path), format="raw", label=LABELS[name])
    handle.launch()
    mbr, gpt, whole, pv1, pv2 = (f"/dev/disk/guestfs/{label}" for label in LABELS.values())
    _partitions(handle, mbr, "mbr", 64, 350, 32, 64)
    handle.mkfs("ext4", f"{mbr}1", label="data, and more")
    handle.mkfs("xfs", f"{mbr}2")
    handle.mkswap(f"{mbr}3")
    _partitions(handle, gpt, "gpt", 64, 64, 256)
    handle.mkfs("vfat", f"{gpt}1")
    handle.mkfs("ntfs", f"{gpt}2")
    handle.mkfs("btrfs", f"{gpt}3")
    handle.mkfs("ext4", whole)
    handle.pvcreate(pv1)
    handle.pvcreate(pv2)
    handle.vgcreate("centos", [pv1, pv2])
    handle.lvcreate("root", "centos", 600)
    handle.lvcreate("my-home", "centos", 64)
    handle.mkfs("xfs", "/dev/centos/root")
    handle.mkfs("ext4", "/dev/centos/my-home")
    for device in (f"{mbr}1", f"{mbr}2", f"{gpt}1", f"{gpt}2", f"{gpt}3", whole, "/dev/centos/root"):
        _fill(handle, device, "file", 5 * MIB)
    handle.mount("/dev/centos/root", "/")
    handle.mkdir("/etc")
    handle.write(
        "/etc/fstab",
        "/dev/mapper/centos-root / xfs defaults 0 0\n/dev/mapper/centos-my--home /home ext4 ro 0 2\n",
    )
    handle.write("/etc/os-release", 'NAME="CentOS"\nPRETTY_NAME="CentOS Linux 7 (Core)"\n')
    handle.umount_all()
    handle.shutdown()
    handle.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
