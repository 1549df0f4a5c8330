"""What the kit's frames hold: per frame its columns, and per column its dtype, unit and meaning.

One declaration makes the empty frame, the filled frame, the docstrings and the tests.
"""

from __future__ import annotations

from kvmnb.schema.declare import Column, Dtype, Frame, returns
from kvmnb.schema.formats import ADVICE, FEATURES, FORMATS, GROWTH, LAYERS, SAYINGS, STAGES, WORKLOADS
from kvmnb.schema.guests import COPIED, DF, FILESYSTEMS, LOGS, LS, MOUNTS
from kvmnb.schema.images import EXTENTS, IMAGES, MEASURES, SNAPSHOTS, SOUNDNESS
from kvmnb.schema.storage import APPLIED, AUDIT, CHECKS, DISKS, GUESTS, PLAN, POOLS, VOLUMES
from kvmnb.schema.usage import KEPT, ORPHANS, OVERCOMMIT, SAMPLES, TIDIED, TREND, USAGE

#: Every frame, by the name that it keeps in its ``attrs``.
FRAMES = {
    frame.name: frame
    for frame in (
        POOLS,
        VOLUMES,
        GUESTS,
        DISKS,
        PLAN,
        APPLIED,
        AUDIT,
        CHECKS,
        IMAGES,
        MEASURES,
        SOUNDNESS,
        SNAPSHOTS,
        EXTENTS,
        FORMATS,
        GROWTH,
        LAYERS,
        SAYINGS,
        ADVICE,
        FILESYSTEMS,
        DF,
        MOUNTS,
        LS,
        COPIED,
        LOGS,
        USAGE,
        ORPHANS,
        OVERCOMMIT,
        TREND,
        SAMPLES,
        KEPT,
        TIDIED,
    )
}

__all__ = [
    "ADVICE",
    "APPLIED",
    "AUDIT",
    "CHECKS",
    "COPIED",
    "DF",
    "DISKS",
    "EXTENTS",
    "FEATURES",
    "FILESYSTEMS",
    "FORMATS",
    "FRAMES",
    "GROWTH",
    "GUESTS",
    "IMAGES",
    "KEPT",
    "LAYERS",
    "LOGS",
    "LS",
    "MEASURES",
    "MOUNTS",
    "ORPHANS",
    "OVERCOMMIT",
    "PLAN",
    "POOLS",
    "SAMPLES",
    "SAYINGS",
    "SNAPSHOTS",
    "SOUNDNESS",
    "STAGES",
    "TIDIED",
    "TREND",
    "USAGE",
    "VOLUMES",
    "WORKLOADS",
    "Column",
    "Dtype",
    "Frame",
    "returns",
]
