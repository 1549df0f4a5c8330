"""The frames of the comparison of disk formats."""

from __future__ import annotations

from kvmnb.schema.declare import HOST, STATUS, Column, Frame, amount, flag, text

#: What is done to a candidate's image, in order; after each its sizes are read.
STAGES = {
    "created": "of the empty image",
    "written": "after the data had been written",
    "discarded": "after the data had been discarded again",
    "overlay": "of an overlay in the same format on it, once the data had been written to the overlay",
    "snapshot": "after an internal snapshot of the written image, and the data written once more",
}

#: What `qemu-img bench` was asked for, each as a ratio to raw.
WORKLOADS = {
    "sequential_read": "reading 64 KiB at a time, one after the other",
    "random_read": "reading 4 KiB at a time from places far apart",
    "sequential_write": "writing 64 KiB at a time over data, one after the other",
    "random_write": "writing 4 KiB at a time over data, at places far apart",
    "first_write": "writing 64 KiB at a time, one after the other, where nothing was written before",
}

#: What a format can do or not, found by doing it.
FEATURES = {
    "snapshots": "whether internal snapshots can be made",
    "overlays": "whether it can be an overlay: an image with a backing store",
    "base": "whether it can lie below a qcow2 overlay",
    "compression": "whether it can be written compressed, and takes less then",
    "encryption": "whether its content can be encrypted",
    "grow": "whether it can be made larger",
    "shrink": "whether it can be made smaller",
    "discards": "whether space that is discarded inside goes back to the host",
}


def _sizes(stage: str, when: str) -> tuple[Column, Column]:
    return (
        amount(f"{stage}_apparent", f"what ``ls -l`` says {when}"),
        amount(f"{stage}_allocated", f"what ``du`` says {when}"),
    )


def _speeds(workload: str, doing: str) -> tuple[Column, ...]:
    times = "times raw"
    return (
        Column(workload, "Float64", f"{doing}: median of the rounds, each against raw in that round", times),
        Column(f"{workload}_low", "Float64", "the slowest of the rounds", times),
        Column(f"{workload}_high", "Float64", "the fastest of the rounds", times),
        Column(f"{workload}_rate", "Int64", "the median itself", "bytes per second"),
    )


FORMATS = Frame(
    "formats",
    "candidate: a format with its options",
    (
        HOST,
        text("candidate", "its short name: the format and what is special about it"),
        text("format", "raw, qcow2 …"),
        text("options", "the options that it was created with, as after ``-o``; empty for none"),
        amount("virtual_size", "size that a guest sees"),
        *(column for stage, when in STAGES.items() for column in _sizes(stage, when)),
        Column("create_seconds", "Float64", "how long creating the empty image took", "seconds"),
        Column("convert_seconds", "Float64", "how long converting a raw image with the data took", "seconds"),
        *(flag(name, meaning) for name, meaning in FEATURES.items()),
        text("cipher", "how its content can be encrypted: luks, or aes, which is broken; NA for not at all"),
        *(column for workload, doing in WORKLOADS.items() for column in _speeds(workload, doing)),
        text("cache", "cache mode of the throughput: none goes to the disk, writeback to memory"),
        Column("reasons", "texts", "what qemu-img said where something did not work"),
        *STATUS,
    ),
    brief=(
        "candidate",
        "created_apparent",
        "created_allocated",
        "written_allocated",
        "discarded_allocated",
        "create_seconds",
        "convert_seconds",
    ),
    attrs=("host", "read_at", "where", "filesystem", "size", "data", "rounds", "qemu"),
)

GROWTH = Frame(
    "growth",
    "candidate and step",
    (
        HOST,
        text("candidate", "its short name: the format and what is special about it"),
        Column("step", "Int64", "its number; 0 for the empty image"),
        amount("written", "how much had been written inside until then, in pieces of 64 KiB far apart"),
        amount("apparent", "what ``ls -l`` says of the image"),
        amount("allocated", "what ``du`` says of the image"),
        *STATUS,
    ),
    attrs=("host", "read_at", "where", "size", "data"),
)

LAYERS = Frame(
    "layers",
    "stretch of the guest's disk at one step",
    (
        Column("step", "Int64", "its number, from 1"),
        text("what", "what was done in that step"),
        amount("start", "where the stretch begins, as the guest counts"),
        amount("length", "how long it is"),
        text("layer", "the image that holds it: base, overlay, or none where nothing was written"),
        amount("base_allocated", "what ``du`` says of the base"),
        amount("overlay_allocated", "what ``du`` says of the overlay; NA before there is one"),
    ),
    attrs=("host", "read_at", "where", "size", "cluster"),
)

SAYINGS = Frame(
    "sayings",
    "thing that is said of disk formats",
    (
        text("saying", "what is said"),
        flag("holds", "whether it held in the comparison; NA where that was not measured"),
        text("measured", "the figures that tell"),
        flag("timed", "whether it rests on times, which differ from run to run"),
    ),
    brief=("saying", "holds", "measured"),
    attrs=(),
)

ADVICE = Frame(
    "advice",
    "need that decides",
    (
        text("need", "choose this when"),
        Column("choose", "texts", "the candidates that serve it best, as far as could be told apart"),
        text("because", "what was measured"),
        flag("timed", "whether it rests on times, which differ from run to run"),
    ),
    brief=("need", "choose", "because"),
    attrs=(),
)
