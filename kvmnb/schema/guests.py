"""The frames of what is inside the guests' disks."""

from __future__ import annotations

from kvmnb.schema.declare import HOST, Column, Frame, amount, flag, text

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
    text("reason", "why it could not be read, or not through the agent of a running guest; else NA"),
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
        text("uuid", "its UUID, by which it is the same one under another device; NA from an agent"),
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

MOUNTS = Frame(
    "mounts",
    "mount of a guest's file systems that this user's processes have made",
    (
        text("guest", "the guest's name"),
        text("device", "the file system; NA where the guest's whole layout is mounted"),
        text("path", "the folder where the guest's files are"),
        flag("readonly", "whether it can only be read"),
        Column("owner", "Int64", "process id of whoever mounted it"),
        Column("worker", "Int64", "process id of guestmount"),
        Column("since", "time", "when it was mounted"),
        text(
            "status",
            "``starting``; ``mounted``; ``stale``: its owner has ended; ``unfinished``: the image is still "
            "being written; "
            "``dead``: guestmount has ended; of `unmount`: ``finished``, ``unmounted`` or ``lost``",
        ),
        text("reason", "what that means and what to do; NA where all is well"),
    ),
    attrs=(),
)

_INSIDE = (text("guest", "the guest's name; NA for a folder that is mounted"),)

_ENTRY = (
    text("type", "file, folder, link, pipe, socket, block device or character device"),
    amount("size", "its size"),
    text("mode", "permissions, in octal"),
)

_TOLD = (
    text("status", "``ok``, or the word for what could not be read"),
    text("reason", "why it could not be read; NA where it could"),
)

LS = Frame(
    "ls",
    "entry of a guest's folder",
    (
        *_INSIDE,
        text("folder", "the folder that was asked for"),
        text(
            "name", "its name, exactly; bytes that are not UTF-8 are surrogates, as `os.fsdecode` gives them"
        ),
        *_ENTRY,
        Column("owner", "Int64", "number of the user that owns it, in the guest"),
        Column("group", "Int64", "number of its group, in the guest"),
        Column("modified", "time", "when its content last changed"),
        Column("accessed", "time", "when it was last read"),
        Column("changed", "time", "when what is told of it last changed"),
        text("target", "where a link leads, as it is written; NA for what is no link"),
        text("source", "how it was read: appliance, or mount for a folder that is mounted"),
        *_TOLD,
    ),
    brief=("name", "type", "size", "mode", "owner", "group", "modified", "target"),
    attrs=("guest", "device", "read_at"),
)

COPIED = Frame(
    "copied",
    "file, folder or other entry that was to be copied",
    (
        *_INSIDE,
        text("path", "where it was copied from"),
        text("copy", "where the copy is; NA where there is none"),
        *_ENTRY,
        text("source", "how it was copied: appliance"),
        text("status", "``ok``, ``not copied`` or ``unreadable``"),
        text("reason", "why it was not copied; NA where it was"),
    ),
    brief=("path", "copy", "type", "size"),
    attrs=("guest", "device", "read_at"),
)

LOGS = Frame(
    "logs",
    "line of a log, and one for each log that has none, with the reason",
    (
        *_INSIDE,
        text("log", "the log's path in the guest"),
        Column("number", "Int64", "the line's number, the last one being -1"),
        text("line", "the line, exactly; NA where there is none"),
        text("source", "how it was read: appliance"),
        text(
            "status", "``ok``, or the word for what could not be read: ``empty``, ``missing``, ``binary`` …"
        ),
        text("reason", "why there is no line; NA where there is one"),
    ),
    brief=("log", "line"),
    attrs=("guest", "device", "read_at"),
)
