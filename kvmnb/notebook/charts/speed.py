"""How fast disk formats are, each against raw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from kvmnb.errors import BadValue
from kvmnb.notebook.charts import words
from kvmnb.notebook.charts.figure import (
    INK,
    PAPER,
    PLAIN,
    SMALL,
    SOFT,
    WIDTH,
    Chart,
    finish,
    lines_of,
    look,
    width_of,
)
from kvmnb.schema import FORMATS, WORKLOADS

_ROW, _HEAD, _AXIS, _SIDE, _GAP = 0.27, 0.98, 0.5, 0.12, 0.16  # inches
_DOT = "#003b66"
_HOW = (
    "A dot is the median of the rounds, its bar reaches from the slowest to the fastest. Filled: every round "
    "lay on the same side of raw; open: not every one did, so it cannot be told from raw. "
    "What is fastest on average stands first."
)


@dataclass(frozen=True)
class _Speed:
    middle: float
    low: float
    high: float

    @property
    def told(self) -> bool:
        """Whether every round was slower than raw, or every one faster."""
        return self.high < 1 or self.low > 1


_Rows = list[tuple[str, dict[str, _Speed]]]


def chart_speed(comparison: pd.DataFrame) -> Chart:
    """Draw each candidate's throughput as times raw: a panel per workload, the same order in all of them.

    A dot is the median of the rounds, its bar reaches from the slowest round to the fastest; a line stands
    where a candidate is as fast as raw. Dots are filled where all rounds agree that a candidate is faster, or
    slower, and open where it cannot be told. The scale is logarithmic: half as fast lies as far from the line
    as twice as fast.

    Parameters
    ----------
    comparison : pandas.DataFrame
        The frame ``formats``: the comparison of disk formats.

    Returns
    -------
    Chart
        A matplotlib figure that shows itself in a notebook; ``alt`` says in words what it shows.

    Raises
    ------
    BadValue
        The frame is another one, or the throughput of no candidate in it could be measured.
    """
    needed = [f"{workload}{end}" for workload in WORKLOADS for end in ("", "_low", "_high")]
    words.expect(comparison, FORMATS, ["candidate", "cache", *needed], "chart_speed")
    rows = _rows(comparison)
    if not any(_known(speeds) for _, speeds in rows):
        raise BadValue(
            "The comparison has no candidate whose throughput could be measured",
            "look into its columns status, problem and reasons",
        )
    caches = sorted({words.drawable(cache) for cache in comparison["cache"].dropna()})
    unit = f"times raw (cache={', '.join(caches)})" if caches else "times raw"
    with look():
        return finish(_draw(rows, unit, words.origin(comparison)))


def _rows(comparison: pd.DataFrame) -> _Rows:
    """Give the candidates, the one that is fastest over all workloads first, those without figures last."""
    columns = {name: words.numbers(comparison[name]) for name in comparison if _is_speed(str(name))}
    rows = [
        (
            name,
            {load: _speed(*(columns[load + end][at] for end in ("", "_low", "_high"))) for load in WORKLOADS},
        )
        for at, name in enumerate(words.names(comparison))
    ]

    def order(row: tuple[str, dict[str, _Speed]]) -> tuple[bool, float, str]:
        known = _known(row[1])
        return not known, -float(np.mean(np.log(known))) if known else 0.0, row[0]

    return sorted(rows, key=order)


def _is_speed(column: str) -> bool:
    return column.removesuffix("_low").removesuffix("_high") in WORKLOADS


def _speed(middle: float, low: float, high: float) -> _Speed:
    """Take a ratio that cannot be, since no round ends at once or never, for one that was not measured."""
    if not 0 < middle < np.inf:
        return _Speed(np.nan, np.nan, np.nan)
    return _Speed(middle, low if 0 < low <= middle else middle, high if middle <= high < np.inf else middle)


def _known(speeds: dict[str, _Speed]) -> list[float]:
    return [speed.middle for speed in speeds.values() if not np.isnan(speed.middle)]


def _draw(rows: _Rows, unit: str, origin: str) -> Chart:
    height = len(rows) * _ROW
    title = "Throughput of each candidate against raw"
    chart = Chart(title, _alt(rows, unit), _AXIS + height + _HEAD, f"{_HOW}\n{origin}")
    left = 2 * _SIDE + max(width_of(name) for name, _ in rows)
    wide = (WIDTH - left - 1.5 * _SIDE - (len(WORKLOADS) - 1) * _GAP) / len(WORKLOADS)
    reach = _reach(rows)
    for number, (workload, doing) in enumerate(WORKLOADS.items()):
        axes = chart.place(left + number * (wide + _GAP), _AXIS, wide, height)
        axes.set_label(workload)
        _scale(axes, reach, wide)
        names = [name for name, _ in rows] if number == 0 else [""] * len(rows)
        axes.set_yticks(range(len(rows)), names)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        _head(axes, workload.replace("_", " "), doing, wide)
        _panel(axes, [speeds[workload] for _, speeds in rows])
        if number == len(WORKLOADS) // 2:
            axes.set_xlabel(f"throughput, {unit}")
    return chart


def _reach(rows: _Rows) -> tuple[float, float]:
    """Give the ends of the scale that all panels share: whole powers of two, with raw well inside."""
    speeds = [speed for _, by_load in rows for speed in by_load.values() if not np.isnan(speed.middle)]
    low, high = min(speed.low for speed in speeds), max(speed.high for speed in speeds)
    return 2 ** min(-1.0, np.floor(np.log2(low))), 2 ** max(1.0, np.ceil(np.log2(high)))


def _scale(axes: Axes, reach: tuple[float, float], wide: float) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xlim(reach[0] / 1.15, reach[1] * 1.15)
    low, high = (round(float(np.log2(end))) for end in reach)
    apart = max(1, -(-(high - low) // max(2, int(wide / 0.32))))
    powers = [power for power in range(low, high + 1) if power % apart == 0]
    texts = [f"{2**power}" if power >= 0 else f"1/{2**-power}" for power in powers]
    axes.set_xticks([2.0**power for power in powers], texts)
    axes.set_xticks([], minor=True)
    axes.tick_params(axis="y", length=0, labelsize=PLAIN, labelcolor=INK)
    axes.grid(axis="y", lw=0.5)
    axes.spines["left"].set_visible(False)
    axes.axvline(1, color=INK, lw=1, ls=(0, (4, 3)), zorder=1.5, label="raw")
    axes.annotate(
        "raw",
        (1, 1),
        xycoords=("data", "axes fraction"),
        xytext=(0, 2),
        textcoords="offset points",
        ha="center",
        size=SMALL,
        color=SOFT,
    )


def _head(axes: Axes, name: str, doing: str, wide: float) -> None:
    lines = lines_of(doing, wide, SMALL - 1)
    for text, above, size, weight in (
        (name, 54, PLAIN, "bold"),
        ("\n".join(lines), 51, SMALL - 1, "normal"),
    ):
        axes.annotate(
            text,
            (0, 1),
            xycoords="axes fraction",
            xytext=(0, above),
            textcoords="offset points",
            va="baseline" if weight == "bold" else "top",
            size=size,
            weight=weight,
            color=INK if weight == "bold" else SOFT,
            linespacing=1.1,
        )


def _panel(axes: Axes, speeds: list[_Speed]) -> None:
    for at, speed in enumerate(speeds):
        if np.isnan(speed.middle):
            axes.text(
                0.5,
                at,
                words.UNMEASURED,
                transform=axes.get_yaxis_transform(),
                ha="center",
                va="center",
                size=SMALL - 1,
                color=SOFT,
                bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 2},
            )
            continue
        axes.plot([speed.low, speed.high], [at, at], color=_DOT, lw=1.4, marker="|", ms=7, label="rounds")
        face = _DOT if speed.told else PAPER
        axes.plot([speed.middle], [at], "o", ms=6, mfc=face, mec=_DOT, mew=1.4, ls="", label="median")


def _alt(rows: _Rows, unit: str) -> str:
    said = [f"Throughput of {words.count(len(rows))}, {unit}."]
    called = [name for name, _ in rows]
    for workload in WORKLOADS:
        values = [speeds[workload].middle for _, speeds in rows]
        name = workload.replace("_", " ").capitalize()
        if np.isnan(values).all():
            said.append(f"{name}: {words.UNMEASURED}.")
        else:
            said.append(f"{name}: {words.extremes(called, values, [f'{value:.2g}' for value in values])}.")
    gaps = words.gaps(called, [1.0 if _known(speeds) else np.nan for _, speeds in rows])
    return " ".join(said) + gaps
