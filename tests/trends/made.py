"""Histories with a known growth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import NDArray

from kvmnb.schema import DF, POOLS
from kvmnb.trends.days import DAY

Floats = NDArray[np.float64]

GIB = 1 << 30
START = int(pd.Timestamp("2026-03-01", tz="UTC").as_unit("ns").value)


def _wandering(chance: Generator, days: int) -> Floats:
    return np.cumsum(chance.standard_normal(days))


def _lasting(share: float) -> Callable[[Generator, int], Floats]:
    """Make errors of which a share is still there a day later."""

    def make(chance: Generator, days: int) -> Floats:
        new = chance.standard_normal(days + 50)
        for day in range(1, len(new)):
            new[day] += share * new[day - 1]
        return np.asarray(new[50:])

    return make


def _outliers(chance: Generator, days: int) -> Floats:
    wild = 30 * (chance.random(days) < 0.05) * chance.choice([-1, 1], days)
    return np.asarray(chance.standard_normal(days) + wild)


def _weekends(chance: Generator, days: int) -> Floats:
    weekday = (np.arange(days) + chance.integers(7)) % 7
    return np.asarray(3.0 * (weekday > 4) + 0.3 * chance.standard_normal(days))


def _weekly(chance: Generator, days: int) -> Floats:
    wave = 3 * np.sin(2 * np.pi * (np.arange(days) / 7 + chance.random()))
    return np.asarray(wave + chance.standard_normal(days))


def _cleaned(chance: Generator, days: int) -> Floats:
    weekday = (np.arange(days) + chance.integers(7)) % 7
    return np.asarray(weekday + 0.3 * chance.standard_normal(days))


def _steps(errors: Callable[[Generator, int], Floats]) -> Callable[[Generator, int], Floats]:
    """Add a volume of 60 at one time, and delete one of 40 at another."""

    def make(chance: Generator, days: int) -> Floats:
        up, down = chance.integers(1, days, 2)
        day = np.arange(days)
        return np.asarray(errors(chance, days) + 60.0 * (day > up) - 40.0 * (day > down))

    return make


def _white(chance: Generator, days: int) -> Floats:
    return chance.standard_normal(days)


#: Each a kind of error, day by day, around a straight line.
ERRORS: dict[str, Callable[[Generator, int], Floats]] = {
    "white": _white,
    "half lasting": _lasting(0.5),
    "lasting": _lasting(0.9),
    "wandering": _wandering,
    "wandering, and white": lambda chance, days: 0.3 * _wandering(chance, days) + _white(chance, days),
    "weekly": _weekly,
    "weekends": _weekends,
    "cleaned weekly": _cleaned,
    "outliers": _outliers,
    "wandering, outliers": lambda chance, days: _outliers(chance, days) + _wandering(chance, days),
    "heavy tails": lambda chance, days: chance.standard_t(3, days),
    "steps": _steps(_white),
    "wandering, steps": _steps(_wandering),
}


def pools(name: str, days: Any, taken: Any, capacity: Any = 1000 * GIB, **known: Any) -> pd.DataFrame:  # noqa: ANN401
    """Make a history of a pool: how much of it was taken so many days after the start; None is not known."""
    return _history(POOLS, days, taken, capacity, {"name": name}, "allocation", known)


def filesystems(guest: str, days: Any, used: Any, capacity: Any = 100 * GIB, **known: Any) -> pd.DataFrame:  # noqa: ANN401
    """Make a history of one file system of a guest, as `pools` does."""
    key = {"guest": guest, "filesystem": "/dev/sda1", "type": "xfs"}
    return _history(DF, days, used, capacity, key, "used", known)


def _history(
    frame: Any,  # noqa: ANN401 - of POOLS' type
    days: Any,  # noqa: ANN401 - numbers
    taken: Any,  # noqa: ANN401
    capacity: Any,  # noqa: ANN401
    key: dict[str, Any],
    column: str,
    known: dict[str, Any],
) -> pd.DataFrame:
    rows, times = [], []
    sizes = np.broadcast_to(capacity, len(days))
    for day, size, full in zip(days, taken, sizes, strict=True):
        held = None if size is None or np.isnan(size) else int(size)
        left = None if held is None else int(full) - held
        row: dict[str, Any] = dict.fromkeys(frame.names) | {"host": "kvm1", "status": "ok"} | key
        row |= {"capacity": None if held is None else int(full), column: held, "available": left}
        rows.append(row | {k: v for k, v in known.items() if k in frame.names})
        times.append(START + round(float(day) * DAY))
    history: pd.DataFrame = frame.build(rows)
    history["sample"] = pd.array([f"s{time}" for time in times], dtype="string")
    history["sampled_at"] = pd.to_datetime(pd.Series(times, dtype="int64"), utc=True)
    return history.assign(**{k: v for k, v in known.items() if k not in frame.names})
