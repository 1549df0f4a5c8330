"""Makes the images of the mounting tests, with the interpreter that has the bindings of libguestfs.

A program of its own: ``images_worker.py FOLDER TAR ODD`` makes in FOLDER ``guest.qcow2``, a small guest whose
root is what TAR holds, ``dirty.raw``, a file system whose journal is still to be replayed, ``blank.raw``,
a file system that is no system, ``odd.raw``, a system of what ODD holds and an endless file, and ``fat.raw``,
which does not tell *A* from *a*.
"""

import shutil
import sys

import guestfs

_MIB = 1 << 20


def make(folder: str, tar: str, odd: str) -> None:
    """Make the images in one appliance."""
    handle = guestfs.GuestFS(python_return_dict=True)
    handle.disk_create(f"{folder}/guest.qcow2", "qcow2", 96 * _MIB)
    handle.add_drive(f"{folder}/guest.qcow2", format="qcow2")
    for name in ("open.raw", "blank.raw", "odd.raw", "fat.raw"):
        handle.disk_create(f"{folder}/{name}", "raw", 32 * _MIB)
        handle.add_drive(f"{folder}/{name}", format="raw")
    handle.launch()
    guest(handle, tar)
    for device in ("/dev/sdb", "/dev/sdc"):
        handle.mkfs("ext4", device)
        handle.mount(device, "/")
        handle.write("/note", "written before the power went\n")
        if device == "/dev/sdb":
            handle.sync()
            shutil.copyfile(f"{folder}/open.raw", f"{folder}/dirty.raw")  # still mounted
        handle.umount_all()
    handle.mkfs("ext4", "/dev/sdd", blocksize=4096)
    handle.mount("/dev/sdd", "/")
    handle.tar_in(odd, "/")
    handle.touch("/endless")
    handle.truncate_size("/endless", 15 << 40)
    handle.umount_all()
    handle.mkfs("vfat", "/dev/sde")
    handle.mount("/dev/sde", "/")
    handle.write("/README", "old content")
    handle.umount_all()
    handle.shutdown()
    handle.close()


def guest(handle: guestfs.GuestFS, tar: str) -> None:
    """Make a boot partition, and a root on LVM with what the archive holds."""
    handle.part_init("/dev/sda", "mbr")
    handle.part_add("/dev/sda", "primary", 2048, 65535)
    handle.part_add("/dev/sda", "primary", 65536, -64)
    handle.pvcreate("/dev/sda2")
    handle.vgcreate("centos", ["/dev/sda2"])
    handle.lvcreate_free("root", "centos", 100)
    handle.mkfs("ext4", "/dev/sda1", label="boot")
    handle.mkfs("ext4", "/dev/centos/root")
    handle.mount("/dev/centos/root", "/")
    handle.tar_in(tar, "/")
    handle.umount_all()


if __name__ == "__main__":
    make(*sys.argv[1:])
