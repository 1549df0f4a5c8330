"""Histories with a known growth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import NDArray

from kvmnb.schema import DF, POOLS, Frame
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
    key = {"name": name}
    return _history(
        POOLS, "allocation", list(zip(days, taken, _each(capacity, days), strict=True)), key | known
    )


def filesystems(guest: str, days: Any, used: Any, capacity: Any = 100 * GIB, **known: Any) -> pd.DataFrame:  # noqa: ANN401
    """Make a history of one file system of a guest, as `pools` does."""
    key = {"guest": guest, "filesystem": "/dev/sda1", "type": "xfs"}
    return _history(DF, "used", list(zip(days, used, _each(capacity, days), strict=True)), key | known)


def _each(capacity: Any, days: Any) -> Any:  # noqa: ANN401 - arrays
    return np.broadcast_to(capacity, len(days))


def _history(frame: Frame, column: str, told: list[Any], known: dict[str, Any]) -> pd.DataFrame:
    rows = []
    for _, size, full in told:
        held = None if size is None or np.isnan(size) else int(size)
        row = dict.fromkeys(frame.names) | {"host": "kvm1", "status": "ok", column: held}
        if held is not None:
            row |= {"capacity": int(full), "available": int(full) - held}
        rows.append(row | known)
    times = pd.Series([START + round(float(day) * DAY) for day, *_ in told], dtype="int64")
    history = frame.build(rows)
    history["sample"] = ("s" + times.astype(str)).astype("string")
    history["sampled_at"] = pd.to_datetime(times, utc=True)
    return history
