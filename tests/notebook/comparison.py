"""Frames of a comparison of disk formats, of figures such as an empty image of 1 GiB has on ext4."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from kvmnb.schema import FORMATS, GROWTH, LAYERS, WORKLOADS, Frame

KIB, MIB, GIB = 1024, 1024**2, 1024**3

#: Per candidate the apparent and the allocated size of the empty image.
SIZES = {
    "raw": (GIB, 4096),
    "raw falloc": (GIB, GIB + 4096),
    "raw full": (GIB, GIB + 4096),
    "qcow2": (196624, 200704),
    "qcow2 metadata": (1074135040, 331776),
    "qcow2 falloc": (1074135040, 1074077696),
    "qcow2 full": (1074135040, 1074135040),
    "qcow2 compressed": (196624, 200704),
    "qcow2 extended_l2": (393224, 397312),
    "qcow": (4144, 8192),
    "vmdk": (196608, 12288),
    "vdi": (4608, 8192),
    "vhdx": (8388608, 1265664),
    "qed": (327680, 266240),
    "vpc": (4608, 8192),
    "parallels": (1048576, 1048576),
    "luks": (1075810304, 262144),
}

_ABOUT = {"host": "node1", "read_at": "2026-11-25T03:00:00+00:00", "where": "/var/tmp"}  # noqa: S108 - words


def row(frame: Frame, **known: object) -> dict[str, Any]:
    """Give a row of a frame, NA where nothing is said."""
    assert set(known) <= set(frame.names)
    return {name: known.get(name) for name in frame.names}


def candidate(name: str, *sizes: int | None, **known: object) -> dict[str, Any]:
    """Give a row of the comparison."""
    apparent, allocated = sizes or (None, None)
    whole = {"host": "node1", "candidate": name, "virtual_size": GIB, "cache": "none", "status": "ok"}
    measured = {"created_apparent": apparent, "created_allocated": allocated}
    return row(FORMATS, **(whole | measured | known))


def formats(*rows: Mapping[str, Any]) -> pd.DataFrame:
    """Give the comparison, of all candidates unless told which; vpc could not be created."""
    return FORMATS.build(
        rows
        or [
            candidate(name, *sizes, **speeds(number))
            if name != "vpc"
            else candidate(name, virtual_size=None, status="failed", problem="no room")
            for number, (name, sizes) in enumerate(SIZES.items())
        ],
        **_ABOUT,
        filesystem="ext4",
        qemu="7.2.22",
    )


def speeds(number: int) -> dict[str, float]:
    """Give throughputs: raw is raw, and a higher number is slower and less sure."""
    return {
        f"{workload}{end}": (1 - 0.05 * number) * (1 + sign * 0.01 * number)
        for workload in WORKLOADS
        for end, sign in (("", 0), ("_low", -1), ("_high", 1))
    }


def growth(sizes: Mapping[str, list[int | None]], step: int = 64 * MIB) -> pd.DataFrame:
    """Give per candidate what was allocated at each step."""
    return GROWTH.build(
        [
            row(GROWTH, host="node1", candidate=name, step=number, written=number * step, allocated=allocated)
            for name, column in sizes.items()
            for number, allocated in enumerate(column)
        ],
        **_ABOUT,
    )


def layers(*steps: tuple[str, str, int | None, int | None], cell: int = 64 * KIB) -> pd.DataFrame:
    """Give steps: what was done, a letter per cell for who holds it, what base and overlay take."""
    held = {"b": "base", "o": "overlay", ".": "none", "?": None}
    rows = [
        row(
            LAYERS,
            step=number,
            what=what,
            start=at * cell,
            length=cell,
            layer=held[letter],
            base_allocated=base,
            overlay_allocated=overlay,
        )
        for number, (what, cells, base, overlay) in enumerate(steps, 1)
        for at, letter in enumerate(cells)
    ]
    return LAYERS.build(rows, **_ABOUT, cluster=cell)
