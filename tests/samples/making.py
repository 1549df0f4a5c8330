"""Frames with made-up rows, and stores of them, without a daemon."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from kvmnb import schema
from kvmnb.samples.store import Store
from kvmnb.samples.taking import write_sample
from kvmnb.schema import Frame

GIB = 1 << 30
NOON = datetime(2024, 11, 25, 12, tzinfo=UTC)


def nanoseconds(when: datetime) -> int:
    """Give a time as the frames are built of it."""
    return (when - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000


def rows_of(frame: Frame, *rows: dict[str, Any], host: str = "h") -> pd.DataFrame:
    """Make a frame whose rows have what is given, and NA for the rest."""
    blank = dict.fromkeys(frame.names)
    return frame.build([{**blank, "host": host, "status": "ok", **row} for row in rows])


def put(store: Path, when: datetime, count: int = 2, host: str = "h", **more: Any) -> str:  # noqa: ANN401
    """Write a sample of a pool and some volumes; give its id."""
    volumes = [
        {
            "pool": "p",
            "name": f"v{n}",
            "allocation": n * GIB,
            "chain": (f"/b{n}",) * n,
            "used_by": None,
            "modified": nanoseconds(when) + 1,
            **more,
        }
        for n in range(count)
    ]
    taken = [
        (schema.POOLS, rows_of(schema.POOLS, {"name": "p", "capacity": 100 * GIB}, host=host)),
        (schema.VOLUMES, rows_of(schema.VOLUMES, *volumes, host=host)),
        (schema.GUESTS, schema.GUESTS.empty()),
    ]
    row = write_sample(
        Store(store), taken, host=host, uri="test:///x", sampled_at=nanoseconds(when), seconds=0.5
    )
    return str(row["sample"][0])


def data_files(store: Path) -> list[Path]:
    """List a store's files, but for those that are being written."""
    return sorted(store.glob("[!.]*/**/*.parquet"))
