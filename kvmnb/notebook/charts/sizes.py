"""What the files of disk formats take: their apparent size against what is allocated for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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
    look,
    width_of,
)
from kvmnb.schema import FORMATS, STAGES
from kvmnb.units import format_size

_ROW, _HEAD, _AXIS, _SIDE = 0.27, 0.42, 0.5, 0.12  # inches
_KIB = 1024
_APPARENT: dict[str, Any] = {"marker": "o", "ms": 9.0, "mfc": PAPER, "mec": "#b34700", "mew": 1.6, "ls": ""}
_ALLOCATED: dict[str, Any] = {"marker": "o", "ms": 5.5, "mfc": "#003b66", "mec": "#003b66", "ls": ""}


@dataclass(frozen=True)
class _Row:
    name: str
    apparent: float
    allocated: float
    virtual: float

    def order(self) -> tuple[bool, float, float, str]:
        known = np.nan_to_num((self.allocated, self.apparent), nan=np.inf)
        return (bool(np.isnan(self.allocated)), known[0], known[1], self.name)


def chart_sizes(comparison: pd.DataFrame, stage: str = "created") -> Chart:
    """Draw the apparent size of each candidate's file against what is allocated for it on the host.

    Each candidate has a line of its own, the one with the least allocated first: a ring where ``ls -l`` sees
    its size, a dot where ``du`` does, and both in figures at the right. The scale is logarithmic, for the
    sizes of empty images lie a thousand times apart; 0 stands at its left end.

    Parameters
    ----------
    comparison : pandas.DataFrame
        The frame ``formats``: the comparison of disk formats.
    stage : str
        When the sizes were read: ``created``, ``written``, ``discarded``, ``overlay`` or ``snapshot``.

    Returns
    -------
    Chart
        A matplotlib figure that shows itself in a notebook; ``alt`` says in words what it shows.

    Raises
    ------
    BadValue
        There is no such stage, the frame is another one, or it has no size of that stage.
    """
    if stage not in STAGES:
        raise BadValue(f"There is no stage {stage!r}", f"choose one of {', '.join(STAGES)}")
    columns = [f"{stage}_apparent", f"{stage}_allocated"]
    words.expect(comparison, FORMATS, ["candidate", "virtual_size", *columns], "chart_sizes")
    read = (words.numbers(comparison[name]) for name in (*columns, "virtual_size"))
    rows = sorted(map(_Row, words.names(comparison), *read), key=_Row.order)
    if all(np.isnan(row.apparent) and np.isnan(row.allocated) for row in rows):
        raise BadValue(
            f"The comparison has no candidate that could be measured at the stage {stage!r}",
            "look into its columns status, problem and reasons, or choose another stage",
        )
    with look():
        return finish(_draw(rows, f"Apparent and allocated size {STAGES[stage]}", words.origin(comparison)))


def _draw(rows: list[_Row], title: str, origin: str) -> Chart:
    height = len(rows) * _ROW
    chart = Chart(title, _alt(rows, title), _AXIS + height + _HEAD, origin)
    left = 2 * _SIDE + max(width_of(row.name) for row in rows)
    texts = [[words.size(row.apparent), words.size(row.allocated)] for row in rows]
    wide = max(width_of(text) for pair in texts for text in (*pair, "allocated (du)")) + 0.2
    axes = chart.place(left, _AXIS, WIDTH - left - 2 * wide - 3 * _SIDE, height)
    table = chart.place(WIDTH - 2 * wide - _SIDE, _AXIS, 2 * wide, height)
    _scale(axes, rows)
    for at, row in enumerate(rows):
        axes.plot([row.apparent, row.allocated], [at, at], color=SOFT, lw=1.6, label="_between")
    axes.plot([row.apparent for row in rows], range(len(rows)), **_APPARENT, label="apparent")
    axes.plot([row.allocated for row in rows], range(len(rows)), **_ALLOCATED, label="allocated")
    _virtual(axes, rows)
    _tabulate(table, texts, wide)
    return chart


def _scale(axes: Axes, rows: list[_Row]) -> None:
    """Set up the scale of sizes, with a line at 1 KiB, 1 MiB, 1 GiB …, and the candidates' names."""
    sizes = [size for row in rows for size in (row.apparent, row.allocated, row.virtual)]
    least, reach = np.nanmin(sizes), 3 * max(np.nanmax(sizes), _KIB)
    ticks, step = _ticks(least, reach)
    low = ticks[0] / step**0.25
    if least < _KIB:
        ticks.insert(0, 0)
        low = -_KIB / 3
    axes.set_xscale("symlog", base=1024, linthresh=_KIB, linscale=0.25)
    axes.set_xlim(low, reach)
    axes.set_xticks([float(tick) for tick in ticks], [format_size(tick) if tick else "0" for tick in ticks])
    axes.set_xlabel(f"size on the host; each line stands for {step} times the one before")
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks(range(len(rows)), [row.name for row in rows])
    axes.tick_params(axis="y", length=0, labelsize=PLAIN, labelcolor=INK)
    axes.grid(axis="y", lw=0.5)
    axes.spines["left"].set_visible(False)


def _ticks(least: float, reach: float) -> tuple[list[int], int]:
    """Give where to draw lines, at least three, and how many times one is the one before."""
    for step in (1024, 32, 4, 2):
        ticks = [_KIB]
        while ticks[-1] * step <= reach:
            ticks.append(ticks[-1] * step)
        ticks = [
            tick for tick in ticks if tick * step > least
        ]  # one at or below the least size, and all above
        if len(ticks) > 2:
            break
    return ticks, step


def _virtual(axes: Axes, rows: list[_Row]) -> None:
    """Draw the size that a guest sees: most candidates' own, for some formats round it to what they can."""
    known = [row.virtual for row in rows if not np.isnan(row.virtual)]
    if not known:
        return
    usual = max(sorted(set(known)), key=known.count)
    said = f"virtual size {format_size(int(usual))}"
    if known.count(usual) < len(rows):
        said += f" ({known.count(usual)} of {len(rows)})"
    axes.axvline(usual, color=INK, lw=1, ls=(0, (4, 3)), zorder=1.5, label=said)
    place = axes.transAxes.inverted().transform(axes.transData.transform((usual, 0)))[0]
    axes.annotate(
        said,
        (usual, 1),
        xycoords=("data", "axes fraction"),
        xytext=(0, 4),
        textcoords="offset points",
        ha="right" if place > 0.5 else "left",
        size=SMALL,
        color=SOFT,
    )


def _tabulate(table: Axes, texts: list[list[str]], wide: float) -> None:
    """Write the figures into two columns, whose heads show what the marks stand for."""
    table.set_axis_off()
    table.set_xlim(0, 2 * wide)
    table.set_ylim(len(texts) - 0.5, -0.5)
    for column, (head, mark) in enumerate((("apparent (ls -l)", _APPARENT), ("allocated (du)", _ALLOCATED))):
        right = (column + 1) * wide
        above = -0.5 - 0.16 / _ROW
        table.text(right, above, head, ha="right", va="center", size=SMALL, color=SOFT)
        beside = right - width_of(head, SMALL) - 0.12
        table.plot([beside], [above], **mark, clip_on=False, label=head)
        for at, row in enumerate(texts):
            soft = row[column] == words.UNMEASURED
            table.text(
                right,
                at,
                row[column],
                ha="right",
                va="center_baseline",
                size=SMALL,
                color=SOFT if soft else INK,
            )


def _alt(rows: list[_Row], title: str) -> str:
    called = [row.name for row in rows]
    said = [f"{title}, for {words.count(len(rows))}"]
    for what in ("allocated", "apparent"):
        values = [getattr(row, what) for row in rows]
        if not np.isnan(values).all():
            reach = words.extremes(called, values, [words.size(value) for value in values])
            said.append(f"{what} size {reach}")
    known = [row.virtual for row in rows if not np.isnan(row.virtual)]
    if known:
        said.append(f"the guest sees {format_size(int(max(sorted(set(known)), key=known.count)))}")
    return "; ".join(said) + "." + words.gaps(called, [row.allocated for row in rows])
