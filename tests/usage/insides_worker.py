"""Fills the disks of the test's guest, or trims them, with the bindings of libguestfs.

A program of its own: ``insides_worker.py fill|trim PATH:FORMAT …``, with the disks in the order of `FILES`.
"""

import sys

import guestfs

MIB = 1 << 20

#: What is on which disk: the file system's device by its label, how many MiB are written, and removed again.
FILES = {
    "/dev/disk/guestfs/a1": (45, 30),  # thin raw, beside swap
    "/dev/disk/guestfs/b1": (45, 30),  # qcow2
    "/dev/disk/guestfs/c": (15, 10),  # raw that takes all of itself from the beginning
    "/dev/disk/guestfs/d": (35, 20),  # an overlay of a file system with files in it
    "/dev/vg/data": (20, 15),  # on two disks
}


def prepare(handle: guestfs.GuestFS) -> None:
    """Make partitions, swap, a volume group and file systems; the overlay has its own from below."""
    for disk, middle in (("/dev/disk/guestfs/a", 300 * 2048), ("/dev/disk/guestfs/b", 400 * 2048)):
        handle.part_init(disk, "gpt")
        handle.part_add(disk, "p", 2048, middle - 1)
        handle.part_add(disk, "p", middle, middle + 16 * 2048 - 1)
    handle.mkswap("/dev/disk/guestfs/a2")
    handle.mkfs("ext4", "/dev/disk/guestfs/a1")
    handle.mkfs("xfs", "/dev/disk/guestfs/b1")
    # Blocks as large as those of the file below, so that each that is free can be given back.
    handle.mkfs("ext4", "/dev/disk/guestfs/c", blocksize=4096)
    handle.pvcreate("/dev/disk/guestfs/e")
    handle.pvcreate("/dev/disk/guestfs/f")
    handle.vgcreate("vg", ["/dev/disk/guestfs/e", "/dev/disk/guestfs/f"])
    handle.lvcreate_free("data", "vg", 100)
    handle.mkfs("ext4", "/dev/vg/data")


def mount(handle: guestfs.GuestFS, device: str) -> None:
    """Mount a file system; ext4 is not to write its inode tables meanwhile, more or less as time allows."""
    handle.mount_options("noinit_itable" if handle.vfs_type(device) == "ext4" else "", device, "/")


def fill(handle: guestfs.GuestFS) -> None:
    """Write files, and remove some of them once they are on the disk."""
    prepare(handle)
    for device, (written, removed) in FILES.items():
        mount(handle, device)
        handle.fill(0x5A, (written - removed) * MIB, "/kept")
        handle.fill(0xA5, removed * MIB, "/removed")
        handle.sync()
        handle.rm("/removed")
        handle.sync()
        handle.umount_all()


def trim(handle: guestfs.GuestFS) -> None:
    """Have every file system give back what is free in it."""
    for device in FILES:
        mount(handle, device)
        handle.fstrim("/")
        handle.sync()
        handle.umount_all()


def main(task: str, *named: str) -> None:
    """Do the task in one appliance."""
    handle = guestfs.GuestFS(python_return_dict=True)
    handle.set_memsize(768)
    for label, (path, _, kind) in zip("abcdef", (name.rpartition(":") for name in named), strict=True):
        # By letters alone they may be taken for one another: a busy kernel may find another one first.
        handle.add_drive(path, format=kind, discard="enable", label=label)
    handle.launch()
    {"fill": fill, "trim": trim}[task](handle)
    handle.shutdown()
    handle.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
