"""The frames of how storage is used, and of when it fills."""

from __future__ import annotations

from kvmnb.schema.declare import HOST, STATUS, Column, Frame, amount, text

USAGE = Frame(
    "usage",
    "image that a pool or a guest's disk has, per pool one for what no volume explains, and one for each "
    "pool, guest or disk that could not be read; sums are of the rows without ``counted_at``",
    (
        HOST,
        text("pool", "the pool of the volume; NA for an image in no running pool"),
        text(
            "storage",
            "what the pool's space is part of: pools with the same word share one file system, and their "
            "capacity and free space are to be counted once",
        ),
        text("volume", "the volume's name; NA where it is none"),
        text("path", "where the image lies on the host"),
        text(
            "role",
            "``disk``: a guest's disk; ``backing``: only below other images; ``other``: a guest's CD, "
            "kernel, firmware or the like, or only a snapshot's; ``unused``: nothing that could be read uses "
            "it; "
            "``elsewhere``: what images that are not in the pool take of its file system; ``unexplained``: "
            "what is taken in the pool and is no volume, by the pool's own figure; ``unknown``: it cannot be "
            "known who uses it, or what is in the pool",
        ),
        text("format", "format of the image"),
        amount("capacity", "size that a guest sees"),
        amount(
            "promised",
            "how much of its own space guests may come to take, without the format's tables; 0 for what is "
            "only read",
        ),
        amount("allocation", "what it takes on the host now"),
        text(
            "counted_at",
            "path under which the same file is counted in another row: a hard link, in another pool, or what "
            "a link in the pool leads to on other storage; NA where this row counts it",
        ),
        Column("chain", "texts", "paths of its whole backing chain, nearest first"),
        Column("guests", "texts", "every guest that uses it, directly or through a chain"),
        Column("shared_by", "texts", "paths of the images that lie on it, directly or through a chain"),
        text("guest", "the guest whose disk it is; NA where it is none, or the disk of several"),
        text("guest_state", "libvirt's word for that guest's state"),
        text("target", "the disk's name in that guest: vda, sdb …"),
        Column("filesystems", "texts", "the file systems on that disk"),
        amount(
            "used",
            "how much the file systems on that disk hold; NA where one of them could not be read or lies on "
            "other disks too",
        ),
        amount("free", "how much of them is free; NA likewise"),
        amount(
            "reclaimable",
            "what it takes on the host though it is free inside, so that a trim or sparsifying gives it "
            "back: allocation - used, within the bounds; rather too much by its file systems' journals and "
            "tables, which of a nearly empty disk may be all of it; of an overlay rather too little, since "
            "what is used may lie below it; none of a whole logical volume or partition",
        ),
        amount("reclaimable_least", "the least that it can be, wherever the used blocks lie"),
        amount("reclaimable_most", "the most that it can be"),
        text(
            "status",
            "``ok``; ``not read inside``; ``spread``: file systems on it lie on other disks too; ``chain "
            "unknown``; ``use unknown``; ``pool not running``; ``unreadable``; or the word of `Host.df` for "
            "what could not be read inside",
        ),
        text("problem", "why, or what else to know of the figures; NA where there is nothing to say"),
    ),
    brief=("pool", "volume", "role", "guests", "promised", "allocation", "used", "reclaimable", "status"),
)

ORPHANS = Frame(
    "orphans",
    "volume that no guest is known to use: evidence, no verdict",
    (
        HOST,
        text("pool", "the pool it is in"),
        text("volume", "the volume's name"),
        text("path", "where it lies on the host"),
        text("format", "format of the image"),
        amount("capacity", "size that a guest would see"),
        amount(
            "allocation",
            "what it takes on the host, and deleting it gives back unless a doubt says otherwise",
        ),
        Column("modified", "time", "when its content last changed"),
        Column("accessed", "time", "when it was last read, where the file system keeps that"),
        Column("reasons", "texts", "each reason to think that nothing uses it"),
        Column("doubts", "texts", "each thing that speaks against it, or could not be looked at"),
        *STATUS,
    ),
    brief=("pool", "volume", "allocation", "modified", "reasons", "doubts"),
)

OVERCOMMIT = Frame(
    "overcommit",
    "running pool, and one for each that could not be read; what fills first stands first",
    (
        HOST,
        text("pool", "the pool's name"),
        text("storage", "what its space is part of; pools with the same word fill together"),
        amount("capacity", "size of the storage"),
        amount("allocation", "how much of it is taken, by anyone"),
        amount("available", "how much of it is free"),
        amount("promised", "sum of what the guests may come to take of its volumes"),
        Column("ratio", "Float64", "promised / capacity; more than 1 is overcommitted", "times"),
        amount("growth", "how much its thin volumes could still take: promised, and not allocated yet"),
        amount("shortfall", "how much of that could not be had: growth - available; 0 where all fits"),
        Column("volumes", "Int64", "number of its volumes that can still grow"),
        Column("fills_alone", "texts", "volumes of which one alone could take all that is free"),
        Column(
            "headroom",
            "Float64",
            "available / growth: below 1 it can fill; NA where nothing can grow",
            "times",
        ),
        *STATUS,
    ),
    brief=("pool", "capacity", "available", "promised", "ratio", "growth", "shortfall", "fills_alone"),
)

TREND = Frame(
    "trend",
    "pool or file system of a guest with a history",
    (
        HOST,
        text("kind", "``pool``, or ``filesystem`` of a guest"),
        text("name", "the pool, or the guest and the file system in it"),
        amount("now", "how much of it was taken at the last sample"),
        amount(
            "capacity",
            "how much it can hold: what was taken and what was available at the last sample, without what a "
            "file system keeps for its administrator; NA where that is not known",
        ),
        Column(
            "growth",
            "Float64",
            "how much more is taken each day; that of late, where the pace has changed",
            "bytes per day",
        ),
        Column("growth_least", "Float64", "the lower end of its interval", "bytes per day"),
        Column("growth_most", "Float64", "the upper end of its interval", "bytes per day"),
        Column(
            "days",
            "Float64",
            "days from the last sample until nothing is available; 0 where it is full, NA where it does not "
            "grow",
            "days",
        ),
        Column("days_least", "Float64", "the same at the upper end of the growth", "days"),
        Column("days_most", "Float64", "the same at the lower end; NA where it may never be full", "days"),
        Column(
            "full_at",
            "time",
            "when it is full by that, of which the day tells something and the hour nothing; NA where that "
            "is more than a century away",
            "day",
        ),
        Column(
            "steps",
            "Int64",
            "number of sudden changes, of what is taken or of the size, which were not taken for growth",
        ),
        Column("samples", "Int64", "number of samples that it was worked out from"),
        Column("since", "time", "the first of them"),
        Column("until", "time", "the last of them"),
        text(
            "status",
            "``ok``: it grows; ``full``; ``not growing``: not at all, or not so that it could be full within "
            "ten years; ``uncertain``: it may or may not grow; ``not enough data``; ``gone``: the last "
            "sample of its host has it no more; ``unreadable``: no sample could be read",
        ),
        text("problem", "why, and what to know of its history; NA where there is nothing to say"),
    ),
    brief=(
        "kind",
        "name",
        "now",
        "capacity",
        "growth",
        "days",
        "days_least",
        "days_most",
        "full_at",
        "status",
    ),
    attrs=("made_up",),
)

SAMPLES = Frame(
    "samples",
    "sample in the store",
    (
        HOST,
        text("sample", "the sample's id, which each of its rows has"),
        Column("sampled_at", "time", "when the host was read"),
        text("uri", "the libvirt URI"),
        text("version", "the kit's version that took it"),
        Column("seconds", "Float64", "how long it took", "s"),
        Column("rows", "Int64", "number of rows in all its frames"),
        Column("gaps", "Int64", "number of rows that say that something could not be read"),
    ),
)

KEPT = Frame(
    "kept",
    "host with samples in the store",
    (
        HOST,
        Column("samples", "Int64", "number of its samples"),
        Column("since", "time", "the first of them"),
        Column("until", "time", "the last of them"),
        Column("gaps", "Int64", "number of rows in them that say that something could not be read"),
        Column("files", "Int64", "number of files that hold them"),
        amount("size", "how much those files hold"),
        text("uri", "the libvirt URI of the last of them"),
    ),
    attrs=("store", "problems"),
)

TIDIED = Frame(
    "tidied",
    "day of a frame and host in the store that was put together or deleted, or could not be",
    (
        text("frame", "the frame"),
        text("day", "the day, in UTC"),
        HOST,
        Column("files", "Int64", "number of its files before"),
        Column("left", "Int64", "number of its files afterwards"),
        Column("rows", "Int64", "number of rows in the file that was made; NA where none was"),
        text("status", "``ok``, or ``left alone``"),
        text("problem", "why it was left alone; NA where it was not"),
    ),
    attrs=("store",),
)
