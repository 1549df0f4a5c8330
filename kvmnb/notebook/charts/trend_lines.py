"""The lines of one pool's or file system's chart: what was taken, what it holds, where its growth leads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from kvmnb.notebook.charts import trend_words as said
from kvmnb.notebook.charts.figure import INK, SMALL, SOFT
from kvmnb.trends.days import DAY
from kvmnb.trends.series import Series
from kvmnb.trends.thin import thin
from kvmnb.units import format_size

#: The past, the forecast and its spread: apart in grey, and by line and hatch.
PAST, AHEAD = "#0b4f7d", "#b34700"
BAND: dict[str, Any] = {"facecolor": "#f6cfae", "edgecolor": "#b34700", "hatch": "////", "lw": 0}
_FULL: dict[str, Any] = {"marker": "D", "ms": 7.0, "mfc": "#ffb000", "mec": INK, "mew": 1.2, "ls": ""}

#: A stretch without samples that is so many times as long as usual, and more than a day, is a gap.
_GAP = 4

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Panel:
    """One pool or file system: its row of the trend, and its history where that is known."""

    name: str
    row: Mapping[str, Any]
    history: Series | None

    @property
    def until(self) -> float:
        """When it was last read, in days since 1970."""
        return float(self.row["until"].timestamp() / 86_400)

    @property
    def since(self) -> float:
        """When it was first read, in days since 1970."""
        return float(self.row["since"].timestamp() / 86_400)

    @property
    def top(self) -> float:
        """The most that is drawn of it."""
        known = [self.row["now"], self.row["capacity"]]
        if self.history is not None:
            known += [self.history.taken.max(), np.nanmax([0, *(self.history.taken + self.history.room)])]
        return float(max([1.0, *(float(size) for size in known if not pd.isna(size))]))


def past(axes: Axes, one: Panel, most: int) -> None:
    """Draw what was taken, and what it could hold, broken where there were no samples."""
    if one.history is None:
        axes.plot([one.until], [float(one.row["now"])], "o", ms=5, color=PAST, label="taken", zorder=4)
        return
    times, taken = one.history.times, one.history.taken
    holds = taken + one.history.room
    chosen = thin(times, taken, most)
    at, sizes = _broken(times[chosen] / DAY, taken[chosen], times)
    dots: dict[str, Any] = {"marker": "o", "ms": 4, "markevery": _alone(sizes)}
    axes.plot(at, sizes, color=PAST, lw=1.6, label="taken", zorder=4, solid_capstyle="round", **dots)
    if not np.isnan(holds).all():
        known = ~np.isnan(holds)
        chosen = thin(times[known], holds[known], most)
        axes.step(
            times[known][chosen] / DAY,
            holds[known][chosen],
            where="post",
            color=INK,
            lw=1,
            label="holds",
            zorder=3,
        )


def _alone(sizes: _Floats) -> list[int]:
    """Give the places of what no line leads to or from: it would not be seen."""
    known = np.concatenate([[False], ~np.isnan(sizes), [False]])
    found: list[int] = np.flatnonzero(known[1:-1] & ~known[:-2] & ~known[2:]).tolist()
    return found


def _broken(at: _Floats, sizes: _Floats, times: NDArray[np.int64]) -> tuple[_Floats, _Floats]:
    """Put a break into a line wherever the sampler was down."""
    if len(times) < 3:
        return at, sizes
    usual = max(float(np.median(np.diff(times))) / DAY * _GAP, 1.0)
    moments = times / DAY
    down = np.flatnonzero(np.diff(moments) > usual)
    places = np.searchsorted(at, (moments[down] + moments[down + 1]) / 2)
    return np.insert(at, places, (moments[down] + moments[down + 1]) / 2), np.insert(sizes, places, np.nan)


def ahead(axes: Axes, one: Panel, end: float) -> None:
    """Draw where the growth leads, as far as there is room in the storage and in the chart."""
    row = one.row
    if pd.isna(row["growth"]) or row["status"] in {"gone", "full"}:
        return
    now = float(row["now"])
    most = one.top if pd.isna(row["capacity"]) else float(row["capacity"])
    days = np.linspace(0, end - one.until, 200)
    low, middle, high = (
        np.clip(now + float(row[key]) * days, 0, most) for key in ("growth_least", "growth", "growth_most")
    )
    axes.fill_between(one.until + days, low, high, label="spread", zorder=1.5, **BAND)
    before = middle < most
    before[1:] |= before[:-1]  # up to where it is full
    axes.plot(
        (one.until + days)[before],
        middle[before],
        color=AHEAD,
        lw=1.6,
        ls=(0, (4, 2)),
        label="forecast",
        zorder=3,
    )


def limit(axes: Axes, one: Panel, reach: tuple[float, float]) -> None:
    """Draw what it can hold, and where that is reached."""
    row = one.row
    if pd.isna(row["capacity"]):
        return
    capacity = float(row["capacity"])
    begin = one.since if one.history is None else one.until
    dots: Any = (0, (1, 1.5))
    axes.plot([begin, reach[1]], [capacity] * 2, color=INK, lw=1, ls=dots, label="capacity", zorder=2)
    left = one.since < reach[0] + 0.75 * (reach[1] - reach[0])
    axes.annotate(
        f"can hold {format_size(int(capacity))}",
        (one.since if left else reach[1], capacity),
        xytext=(3 if left else -3, 3),
        textcoords="offset points",
        ha="left" if left else "right",
        size=SMALL,
        color=SOFT,
    )
    if pd.isna(row["days"]) or row["status"] == "gone" or one.until + float(row["days"]) > reach[1]:
        return
    full = one.until + float(row["days"])
    ends = [
        one.until + float(row[key]) if not pd.isna(row[key]) else np.inf
        for key in ("days_least", "days_most")
    ]
    axes.plot(np.clip(ends, *reach), [capacity] * 2, color=INK, lw=3, label="between", zorder=4)
    axes.plot([full], [capacity], **_FULL, label="full", zorder=5, clip_on=False)
    share = (full - reach[0]) / (reach[1] - reach[0])
    axes.annotate(
        said.when(row["until"], row["days"]),
        (full, capacity),
        xytext=(7 if share > 0.9 else 0, 8),
        textcoords="offset points",
        ha="right" if share > 0.9 else "center",
        size=SMALL,
        annotation_clip=False,
    )
