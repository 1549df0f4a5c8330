"""The frames of what is inside the guests' disks."""

from __future__ import annotations

from kvmnb.schema.declare import HOST, Column, Frame, amount, text

_WHERE = (
    HOST,
    text("guest", "the guest's name"),
    text("guest_state", "libvirt's word for the guest's state"),
    text("filesystem", "the device that it is on, as libguestfs counts: /dev/sda1, /dev/centos/root …"),
    text("type", "its type: xfs, ext4, btrfs, vfat, ntfs, swap …"),
    Column("mountpoints", "texts", "where the guest itself mounts it, by its fstab or its agent"),
)

_HOW = (
    text("source", "how it was read: appliance, agent, or cache for what an appliance read before"),
    Column("read_at", "time", "when it was read"),
    text("status", "``ok``, or the word for what could not be read"),
    text("reason", "why it could not be read; NA where all could"),
)

_ROW = "guest and file system, and one for each guest or disk in which none could be found, with the reason"

FILESYSTEMS = Frame(
    "filesystems",
    _ROW,
    (
        *_WHERE,
        amount("size", "size of the device or volume that it is on"),
        text("label", "its label; NA where it has none"),
        text("uuid", "its UUID"),
        Column(
            "parents", "texts", "what a logical volume lies on, nearest first: its group, then its partitions"
        ),
        Column("disks", "texts", "targets of the guest's disks that it lies on: vda, sdb …"),
        text("system", "name of the operating system in it; NA where there is none"),
        *_HOW,
    ),
    brief=(
        "guest",
        "guest_state",
        "filesystem",
        "type",
        "mountpoints",
        "size",
        "label",
        "disks",
        "source",
        "status",
    ),
)

DF = Frame(
    "df",
    _ROW,
    (
        *_WHERE,
        amount("capacity", "size of the file system, without its own tables"),
        amount("used", "how much of it is taken"),
        amount("available", "how much of it ordinary users may still take"),
        Column(
            "use", "Float64", "part of it that is taken, from 0 to 1, as virt-df counts: 1 - free / capacity"
        ),
        Column("inodes", "Int64", "how many files it can hold; 0 where it knows no such limit"),
        Column("inodes_used", "Int64", "how many it holds"),
        *_HOW,
    ),
    brief=(
        "guest",
        "guest_state",
        "filesystem",
        "type",
        "mountpoints",
        "capacity",
        "used",
        "available",
        "use",
        "status",
    ),
)
