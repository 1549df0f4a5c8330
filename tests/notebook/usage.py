"""Frames of usage and of what is promised, made up, with figures whose sums are known."""

from __future__ import annotations

from typing import Any

import pandas as pd

from kvmnb.schema import OVERCOMMIT, USAGE
from tests.forms.browsed import READ_AT, pool, pools
from tests.notebook.comparison import GIB, row

#: Pools whose parts are those of `FILLED`.
POOLS = pools(
    pool("vmdisk", 1000 * GIB, 700 * GIB),
    pool("fast", 200 * GIB, 196 * GIB),
    pool("empty", 50 * GIB, 0),
    pool("off", None, None),
)


def image(pool: str | None, volume: str, allocation: int | None, **known: object) -> dict[str, Any]:
    """Give the row of an image: a disk of a guest of its own, unless told otherwise."""
    role = known.setdefault("role", "disk")
    path = None if pool is None else f"/{pool}/{volume}"
    whose = {"guest": f"vm-{volume}", "target": "vda", "guests": (f"vm-{volume}",)} if role == "disk" else {}
    return row(
        USAGE,
        **{
            "host": "kvm1",
            "pool": pool,
            "volume": volume,
            "path": path or f"/{volume}",
            "allocation": allocation,
            "status": "ok",
            **whose,
            **known,
        },
    )


def disk(
    pool: str | None, volume: str, allocation: int, used: int, capacity: int, **known: object
) -> dict[str, Any]:
    """Give the row of a guest's disk whose inside is known."""
    back = max(0, allocation - used)
    inside = {"used": used, "free": capacity - used, "reclaimable": back}
    return image(pool, volume, allocation, capacity=capacity, **{**inside, **known})


def rest(pool: str, allocation: int, role: str = "unexplained") -> dict[str, Any]:
    """Give the row for what no volume of a pool explains."""
    return row(USAGE, host="kvm1", pool=pool, role=role, allocation=allocation, status="ok")


def usage(*rows: dict[str, Any]) -> pd.DataFrame:
    return USAGE.build(rows, host="kvm1", uri="test:///", read_at=READ_AT)


FILLED = usage(
    disk("vmdisk", "web.qcow2", 120 * GIB, 45 * GIB, 200 * GIB),
    disk("vmdisk", "db.qcow2", 240 * GIB, 215 * GIB, 300 * GIB),
    disk("vmdisk", "mail.qcow2", 20 * GIB, 36 * GIB, 60 * GIB),  # what is used lies below it
    image(
        "vmdisk", "old.qcow2", 60 * GIB, capacity=60 * GIB, status="encrypted", problem="its key is not here"
    ),
    image("vmdisk", "base.qcow2", 30 * GIB, role="backing"),
    image("vmdisk", "left.qcow2", 90 * GIB, role="unused"),
    image("vmdisk", "install.iso", 10 * GIB, role="other"),
    image("vmdisk", "link.qcow2", 90 * GIB, role="unused", counted_at="/vmdisk/left.qcow2"),
    rest("vmdisk", 130 * GIB),
    disk("fast", "log", 180 * GIB, 170 * GIB, 180 * GIB),
    rest("fast", 16 * GIB),
    rest("empty", 0),
    row(USAGE, host="kvm1", pool="off", role="unknown", status="pool not running", problem="it is off"),
    image(None, "alone.raw", 40 * GIB, capacity=40 * GIB, status="not read inside"),
    row(USAGE, host="kvm1", role="unknown", guest="lost", status="unreadable", problem="its XML is broken"),
)


def promise(pool: str, capacity: int, allocation: int, growth: int, **known: object) -> dict[str, Any]:
    """Give a pool's row of what it has promised: what its volumes take already, and may take still."""
    available = capacity - allocation
    return row(
        OVERCOMMIT,
        **{
            "host": "kvm1",
            "pool": pool,
            "capacity": capacity,
            "allocation": allocation,
            "available": available,
            "promised": allocation + growth,
            "ratio": (allocation + growth) / capacity,
            "growth": growth,
            "shortfall": max(0, growth - available),
            "volumes": 2 if growth else 0,
            "fills_alone": (),
            "headroom": available / growth if growth else None,
            "status": "ok",
            **known,
        },
    )


def overcommitted(*rows: dict[str, Any]) -> pd.DataFrame:
    return OVERCOMMIT.build(rows, host="kvm1", uri="test:///", read_at=READ_AT)


PROMISED = overcommitted(
    promise("fast", 200 * GIB, 196 * GIB, 60 * GIB, fills_alone=("log",)),
    promise("vmdisk", 1000 * GIB, 700 * GIB, 800 * GIB, storage="8:1", fills_alone=("web.qcow2", "db.qcow2")),
    promise("iso", 1000 * GIB, 700 * GIB, 0, storage="8:1", shortfall=500 * GIB, headroom=0.375),
    promise("roomy", 500 * GIB, 100 * GIB, 100 * GIB),
    promise("still", 100 * GIB, 60 * GIB, 0),
    row(OVERCOMMIT, host="kvm1", pool="off", status="pool not running", problem="it is off"),
)
