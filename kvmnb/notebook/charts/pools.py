"""How full storage pools are, and how much of them is promised to guests."""

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
from kvmnb.schema import POOLS, VOLUMES
from kvmnb.units import format_size

#: How each part of a bar looks: apart in grey, and by its hatch.
LOOKS: dict[str, dict[str, Any]] = {
    "allocated": {"facecolor": "#0b4f7d", "edgecolor": INK, "hatch": "", "lw": 0.8},
    "free": {"facecolor": PAPER, "edgecolor": INK, "hatch": "", "lw": 0.8},
}
_PROMISED: dict[str, Any] = {"marker": "D", "ms": 7.0, "mfc": "#ffb000", "mec": INK, "mew": 1.2, "ls": ""}
_MARKS = {"promised": _PROMISED} | {head: square(face["facecolor"]) for head, face in LOOKS.items()}

#: What is promised beyond so many times a pool's size is drawn at the edge, as an arrow.
FARTHEST = 2.0


@dataclass(frozen=True)
class _Pool:
    name: str
    state: str
    capacity: float
    allocation: float
    promised: float

    @property
    def known(self) -> bool:
        return self.capacity > 0 and not np.isnan(self.allocation)

    def share(self, size: float) -> float:
        return size / self.capacity if self.known else np.nan


def chart_pools(pools: pd.DataFrame, volumes: pd.DataFrame | None = None) -> Chart:
    """Draw how much of each storage pool is allocated and how much is free, the fullest pool first.

    Each pool has a bar as long as the pool is large, whatever its size: the scale counts in parts of it. A
    diamond stands at what its volumes may grow to together; right of the bar's end, that is more than there
    is. The sizes stand beside it.

    Parameters
    ----------
    pools : pandas.DataFrame
        The frame ``pools``.
    volumes : pandas.DataFrame, optional
        The frame ``volumes``, of the same hosts; without it nothing is said of what is promised.

    Returns
    -------
    Chart
        A matplotlib figure that shows itself in a notebook; ``alt`` says in words what it shows.

    Raises
    ------
    BadValue
        A frame is another one, or there is no pool.
    """
    words.expect(pools, POOLS, ["host", "name", "state", "capacity", "allocation"], "chart_pools")
    if volumes is not None:
        words.expect(volumes, VOLUMES, ["host", "pool", "capacity"], "chart_pools")
    if pools.empty:
        raise BadValue("There is no pool to draw", "define one, or look at another host")
    rows = sorted(
        _read(pools, volumes), key=lambda row: (not row.known, -row.share(row.allocation), row.name)
    )
    with look():
        return finish(_draw(rows, volumes is not None, words.origin(pools, "Read")))


def _read(pools: pd.DataFrame, volumes: pd.DataFrame | None) -> list[_Pool]:
    promised = [np.nan] * len(pools)
    if volumes is not None:
        keys = zip(volumes["host"], volumes["pool"], words.numbers(volumes["capacity"]), strict=True)
        sums: dict[tuple[Any, Any], float] = {}
        for host, pool, capacity in keys:  # one that is not known makes the sum unknown
            sums[host, pool] = sums.get((host, pool), 0.0) + capacity
        promised = [sums.get(key, 0.0) for key in zip(pools["host"], pools["name"], strict=True)]
    names = words.names(pools.assign(candidate=pools["name"]))
    states = [words.drawable(state, 20) for state in pools["state"]]
    sizes = (words.numbers(pools[column]) for column in ("capacity", "allocation"))
    return list(map(_Pool, names, states, *sizes, promised))


def _draw(rows: list[_Pool], promised: bool, origin: str) -> Chart:
    heads = ["allocated", "free", "size", *(["promised"] if promised else [])]
    texts = [_figures(row)[: len(heads)] for row in rows]
    chart = Chart("How full the storage pools are", _alt(rows, promised), high(len(rows)), origin)
    axes = lay_out(chart, [row.name for row in rows], heads, texts, _MARKS)
    share_scale(axes, _reach(rows), "of each pool's size")
    for at, row in enumerate(rows):
        _bar(axes, at, row)
    return chart


def _reach(rows: list[_Pool]) -> float:
    """Give how far the scale goes: to what is promised, within reason, and at least to the bars' ends."""
    shares = [row.share(max(row.promised, row.allocation)) for row in rows if not np.isnan(row.promised)]
    return float(min(FARTHEST, np.nanmax([1.0, *shares])))


def _bar(axes: Axes, at: int, row: _Pool) -> None:
    if not row.known:
        said = f"{row.state}, so not known" if row.state not in {"running", UNKNOWN} else "not known"
        axes.text(0.01, at, said, va="center_baseline", size=SMALL, color=SOFT, backgroundcolor=PAPER)
        return
    taken = min(1.0, row.share(row.allocation))
    axes.barh(at, taken, TALL, label="allocated", **LOOKS["allocated"])
    axes.barh(at, 1 - taken, TALL, left=taken, label="free", **LOOKS["free"])
    if row.promised > 0:
        beyond = {"marker": ">"} if row.share(row.promised) > FARTHEST else {}
        place = min(FARTHEST, row.share(row.promised))
        axes.plot([place], [at], **(_PROMISED | beyond), label="promised", clip_on=False)


def _figures(row: _Pool) -> list[str]:
    left = row.capacity - row.allocation
    sizes = [row.allocation, left, row.capacity, row.promised if row.known else np.nan]
    written = [UNKNOWN if np.isnan(size) else format_size(int(size)) for size in sizes]
    if row.known:
        written[0] += f", {percent(row.share(row.allocation))}"
        if row.promised > row.capacity:
            written[3] += f", {percent(row.share(row.promised))}"
    return written


def _alt(rows: list[_Pool], promised: bool) -> str:
    known = [row for row in rows if row.known]
    said = [f"How full {words.count(len(rows), 'storage pool')} {'is' if len(rows) == 1 else 'are'}"]
    if known:
        shares = [row.share(row.allocation) for row in known]
        named = words.extremes([row.name for row in known], shares, list(map(percent, shares)))
        said.append(f"allocated {named}")
        taken, size = (sum(getattr(row, what) for row in known) for what in ("allocation", "capacity"))
        said.append(f"together {format_size(int(taken))} of {format_size(int(size))}")
    over = [f"{row.name} ({_figures(row)[3]})" for row in known if row.promised > row.capacity]
    if over:
        said.append(f"more is promised than there is in {words.listed(over)}")
    elif promised and known and all(row.promised <= row.capacity for row in known):
        said.append("no pool has promised more than it has")
    unknown = [row.name for row in rows if not row.known]
    left = f" Not known: {words.listed(unknown, 20)}." if unknown else ""
    return "; ".join(said) + "." + left
