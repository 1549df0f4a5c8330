"""The frames of what disk images say of themselves."""

from __future__ import annotations

from kvmnb.schema.declare import HOST, STATUS, Column, Frame, amount, flag, text

_PATH = text("path", "where the image lies")
_READ = ("host", "read_at")

IMAGES = Frame(
    "images",
    "image that was asked for, also for one that cannot be read",
    (
        HOST,
        _PATH,
        text("format", "its format, as it was said"),
        amount("virtual_size", "size that a guest sees"),
        amount("apparent_size", "end of the file, what ``ls -l`` says; NA for a device"),
        amount("allocated_size", "blocks that it takes, what ``du`` says; NA for a device"),
        amount("cluster_size", "unit in which it is allocated, where the format has one"),
        text("backing_path", "the image that it is an overlay of"),
        text("backing_format", "that image's format, as this one says it"),
        text("data_file", "the file that holds its data, where it does not do so itself"),
        Column("snapshots", "texts", "names of its internal snapshots"),
        flag("encrypted", "whether its content is encrypted"),
        flag("dirty", "whether it was not closed properly"),
        flag("corrupt", "whether it is marked as corrupt"),
        Column(
            "warnings",
            "texts",
            "what is odd about it: names that lead elsewhere, another format's first bytes",
        ),
        *STATUS,
    ),
    brief=("path", "format", "virtual_size", "apparent_size", "allocated_size", "backing_path", "status"),
    attrs=_READ,
)

MEASURES = Frame(
    "measures",
    "format that was asked for, also for one that cannot tell",
    (
        text("format", "raw, qcow2 …"),
        amount("size", "size that a guest sees"),
        amount("required", "what a new image needs at first"),
        amount("fully_allocated", "what it needs at most, once all of it is written"),
        *STATUS,
    ),
    attrs=("host", "read_at", "options"),
)

SOUNDNESS = Frame(
    "soundness",
    "image that was asked for, also for one that cannot be checked",
    (
        HOST,
        _PATH,
        text("format", "its format, as it was said"),
        Column("corruptions", "Int64", "clusters that are wrong: reading them gives rubbish"),
        Column("leaks", "Int64", "clusters that are taken but used by nothing: they waste space only"),
        text("status", "sound, leaks, corrupt, or cannot be checked"),
        text("problem", "why it cannot be checked; NA where it can"),
    ),
    attrs=_READ,
)

SNAPSHOTS = Frame(
    "snapshots",
    "internal snapshot, oldest first",
    (
        HOST,
        _PATH,
        text("name", "its name"),
        text("id", "its number within the image"),
        Column("taken", "time", "when it was taken"),
        amount("state_size", "what the guest's memory takes that was saved with it; zero for none"),
    ),
    attrs=_READ,
)

EXTENTS = Frame(
    "extents",
    "stretch of the guest's disk",
    (
        HOST,
        _PATH,
        amount("start", "where it begins, as the guest counts"),
        amount("length", "how long it is"),
        Column(
            "depth", "Int64", "how far below the image it is held: 0 for the image itself, 1 for its base"
        ),
        text("layer", "path of the image that it is held by; NA where none holds it"),
        flag("present", "whether any image of the chain holds it; NA where this qemu-img does not tell"),
        flag("data", "whether it holds data"),
        flag("zero", "whether it reads as zeros"),
        amount("offset", "where it lies in the file; NA where it lies in no single place"),
    ),
    attrs=_READ,
)
