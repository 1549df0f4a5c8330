"""Frames to browse: a few pools with hostile names, and many volumes."""

from __future__ import annotations

from typing import Any

import pandas as pd

from kvmnb.schema import POOLS, VOLUMES
from tests.notebook.comparison import GIB, MIB

READ_AT = "2026-11-25T08:00:00+00:00"

#: Each would do something where it is taken for HTML, for a line's end, for a terminal's order or for UTF-8.
HOSTILE = ("<img src=x onerror=hacked=1>&amp;", "line\nbreak \x1b[31m", "half\udc80", "'\"><b>")


def pool(
    name: str, capacity: int | None = 100 * GIB, allocation: int | None = 0, **known: object
) -> dict[str, Any]:
    state = "inactive" if capacity is None else "running"
    row = dict.fromkeys(POOLS.names) | {
        "host": "kvm1",
        "name": name,
        "type": "dir",
        "state": state,
        "status": "ok",
    }
    left = None if capacity is None or allocation is None else capacity - allocation
    return row | {"capacity": capacity, "allocation": allocation, "available": left} | known


def pools(*rows: dict[str, Any], read_at: str = READ_AT) -> pd.DataFrame:
    return POOLS.build(rows, host="kvm1", uri="test:///", read_at=read_at)


def many_volumes(count: int = 5000) -> pd.DataFrame:
    """Make volumes whose sizes, as texts, are in another order than as numbers."""
    rows = []
    for number in range(count):
        capacity = (number * 7919 % count + 1) * 37 * MIB
        known = {
            "pool": f"pool{number % 7}",
            "name": f"vm{number:04}.qcow2",
            "format": "qcow2",
            "capacity": capacity,
            "allocation": capacity // (number % 5 + 1),
            "path": f"/data/pool{number % 7}/vm{number:04}.qcow2",
            "chain": (),
            "used_by": (f"vm{number}",),
            "status": "ok",
        }
        rows.append(dict.fromkeys(VOLUMES.names) | known)
    return VOLUMES.build(rows, host="kvm1", uri="test:///", read_at=READ_AT)
