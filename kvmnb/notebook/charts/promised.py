"""What storage pools have promised, against what they have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from kvmnb.errors import BadValue
from kvmnb.notebook.charts import words
from kvmnb.notebook.charts.beside import TALL, high, lay_out, percent, share_scale, square
from kvmnb.notebook.charts.figure import INK, PAPER, SMALL, SOFT, Chart, finish, look
from kvmnb.notebook.tables import UNKNOWN
from kvmnb.schema import OVERCOMMIT
from kvmnb.units import format_size

#: Beyond so many times a pool's size nothing is drawn but an arrow.
FARTHEST = 4.0

_HEADS = ("allocated", "may still grow", "free", "short of", "size")

_LOOKS: dict[str, dict[str, Any]] = {
    "allocated": {"facecolor": "#0b4f7d", "edgecolor": INK, "lw": 0.8},
    "free": {"facecolor": PAPER, "edgecolor": INK, "lw": 0.8},
    "may still grow": {"facecolor": "#ffb000", "edgecolor": INK, "lw": 0.8, "hatch": "////"},
    "beside it": {"facecolor": "#ffe7b3", "edgecolor": INK, "lw": 0.8, "hatch": "...."},
}
_MARKS = {head: square(face["facecolor"]) for head, face in _LOOKS.items()}

_READ = ("capacity", "allocation", "available", "growth", "shortfall", "ratio", "headroom")


@dataclass(frozen=True)
class _Pool:
    name: str
    why: str
    alone: tuple[str, ...]
    capacity: float
    allocation: float
    available: float
    growth: float
    shortfall: float
    ratio: float
    headroom: float

    @property
    def known(self) -> bool:
        return self.capacity > 0 and not any(np.isnan([self.allocation, self.available, self.growth]))

    @property
    def beside(self) -> float:
        """What else on the same storage may still take, by what is short or what room there is."""
        together = self.growth
        if self.shortfall > 0:
            together = self.available + self.shortfall
        elif self.headroom > 0:
            together = self.available / self.headroom
        return max(0.0, together - self.growth)


def chart_overcommit(overcommit: pd.DataFrame) -> Chart:
    """Draw what the thin volumes of each storage pool may still take, against what it has left.

    Each pool has a bar as long as the pool is large, whatever its size: what is allocated, and behind it what
    its volumes may still grow by. What is right of 100 % could not be had. What fills first stands first, as
    in the frame. Pools on the same storage fill together: what the others may take is drawn as well.

    Parameters
    ----------
    overcommit : pandas.DataFrame
        The frame ``overcommit``.

    Returns
    -------
    Chart
        A matplotlib figure that shows itself in a notebook; ``alt`` says in words what it shows.

    Raises
    ------
    BadValue
        The frame is another one, or there is no pool.
    """
    columns = ("host", "pool", "fills_alone", "status", *_READ)
    words.expect(overcommit, OVERCOMMIT, columns, "chart_overcommit")
    if overcommit.empty:
        raise BadValue("There is no pool to draw", "define one, or look at another host")
    with look():
        return finish(_draw(_read(overcommit), words.origin(overcommit, "Read")))


def _read(overcommit: pd.DataFrame) -> list[_Pool]:
    names = words.names(overcommit.assign(candidate=overcommit["pool"]))
    whys = [words.drawable(status, 24) for status in overcommit["status"]]
    alone = [
        tuple(words.label(name) for name in cell) if isinstance(cell, tuple) else ()
        for cell in overcommit["fills_alone"]
    ]
    figures = (words.numbers(overcommit[column]) for column in _READ)
    return list(map(_Pool, names, whys, alone, *figures))


def _draw(rows: list[_Pool], origin: str) -> Chart:
    texts = [_figures(row) for row in rows]
    foot = "\n".join(filter(None, [_alone(rows), _beside(rows), origin]))
    title = "What the storage pools have promised, against what they have"
    chart = Chart(title, _alt(rows), high(len(rows)), foot)
    axes = lay_out(chart, [row.name for row in rows], _HEADS, texts, _MARKS)
    reach = max([1.0, *(_end(row) for row in rows if row.known)])
    share_scale(axes, min(FARTHEST, reach), "of each pool's size")
    for at, row in enumerate(rows):
        _bar(axes, at, row)
    axes.axvline(1, color=INK, lw=1.6, zorder=3, label="full")
    return chart


def _end(row: _Pool) -> float:
    return (row.capacity - row.available + row.growth + row.beside) / row.capacity


def _bar(axes: Axes, at: int, row: _Pool) -> None:
    if not row.known:
        said = row.why if row.why not in {"ok", UNKNOWN} else "not known"
        axes.text(0.01, at, said, va="center_baseline", size=SMALL, color=SOFT, backgroundcolor=PAPER)
        return
    taken = 1 - row.available / row.capacity
    axes.barh(at, 1, TALL, label="free", **_LOOKS["free"])
    axes.barh(at, taken, TALL, label="allocated", **_LOOKS["allocated"])
    left = taken
    for part, size in (("may still grow", row.growth), ("beside it", row.beside)):
        wide = min(FARTHEST - left, size / row.capacity)
        if wide > 0:
            axes.barh(at, wide, TALL, left=left, label=part, **_LOOKS[part])
            left += wide
    if _end(row) > FARTHEST:
        axes.plot([FARTHEST], [at], marker=">", mfc=INK, mec=INK, ms=7, ls="", clip_on=False, label="beyond")


def _figures(row: _Pool) -> list[str]:
    sizes = (row.allocation, row.growth, row.available, row.shortfall, row.capacity)
    written = [UNKNOWN if np.isnan(size) else format_size(int(size)) for size in sizes]
    if row.shortfall == 0:
        written[3] = "nothing"
    return written


def _alone(rows: list[_Pool]) -> str:
    """Say which volumes could fill a pool without any other's help."""
    said = [f"{words.listed(row.alone)} in {row.name}" for row in rows if row.alone]
    return f"One volume alone could take all that is free: {'; '.join(said[:3])}." if said else ""


def _beside(rows: list[_Pool]) -> str:
    if not any(row.known and row.beside >= 1 for row in rows):
        return ""
    return "Dotted: what other images on the same storage may still take."


def _over(row: _Pool) -> str:
    promised = "" if np.isnan(row.ratio) else f", promised {percent(row.ratio)}"
    return f"{row.name} (short of {format_size(int(row.shortfall))}{promised})"


def _alt(rows: list[_Pool]) -> str:
    known = [row for row in rows if row.known]
    said = [f"What {words.count(len(rows), 'storage pool')} {'has' if len(rows) == 1 else 'have'} promised"]
    if known:
        over = [_over(row) for row in known if row.shortfall > 0]
        said.append(f"more than could be had in {words.listed(over)}" if over else "all of it could be had")
        growing = [row for row in known if row.headroom >= 0]
        if growing:
            first = min(growing, key=lambda row: row.headroom)
            left = format_size(int(first.available))
            said.append(f"{first.name} fills first, of which {left} are free")
    alone = _alone(rows)
    if alone:
        said.append(alone[0].lower() + alone[1:-1])
    unknown = [row.name for row in rows if not row.known]
    left = f" Not known: {words.listed(unknown, 20)}." if unknown else ""
    return "; ".join(said) + "." + left
