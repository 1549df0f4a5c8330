"""What the space of storage pools is taken for."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from kvmnb.errors import BadValue
from kvmnb.notebook.charts import words
from kvmnb.notebook.charts.beside import across, high, lay_out, percent, share_scale
from kvmnb.notebook.charts.figure import PAPER, SMALL, SOFT, Chart, finish, look
from kvmnb.notebook.charts.parts import (
    LEGEND,
    PARTS,
    expect_usage,
    legend,
    meanings,
    present,
    split,
    stack,
    totals,
)
from kvmnb.notebook.tables import UNKNOWN
from kvmnb.schema import POOLS
from kvmnb.units import format_size

_HEADS = ("reclaimable", "free", "size")


@dataclass(frozen=True)
class _Pool:
    name: str
    why: str
    capacity: float
    sizes: dict[str, float] = field(default_factory=dict)

    @property
    def known(self) -> bool:
        return self.capacity > 0 and bool(self.sizes)

    @property
    def taken(self) -> float:
        """The part of it that is taken."""
        return 1 - self.sizes["free"] / self.capacity if self.known else np.nan

    @property
    def reach(self) -> float:
        """How far its bar goes; more than 1 where its volumes take more than it has by its own figures."""
        return sum(self.sizes.values()) / self.capacity if self.known else 0.0


def chart_pool_use(usage: pd.DataFrame, pools: pd.DataFrame) -> Chart:
    """Draw what the space of each storage pool is taken for, the fullest pool first.

    Each pool has a bar as long as the pool is large, whatever its size: what the file systems in guests'
    disks hold, what they could give back, what only other images lie on, what nobody is known to use, all
    else that is taken, and what is free. The parts sum up to the pool's capacity, by its own figures.

    Parameters
    ----------
    usage : pandas.DataFrame
        The frame ``usage``.
    pools : pandas.DataFrame
        The frame ``pools``, of the same hosts.

    Returns
    -------
    Chart
        A matplotlib figure that shows itself in a notebook; ``alt`` says in words what it shows.

    Raises
    ------
    BadValue
        A frame is another one, or there is no pool.
    """
    expect_usage(usage, "chart_pool_use")
    words.expect(
        pools, POOLS, ["host", "name", "state", "capacity", "allocation", "status"], "chart_pool_use"
    )
    if pools.empty:
        raise BadValue("There is no pool to draw", "define one, or look at another host")
    rows = sorted(
        _read(usage, pools), key=lambda row: (not row.known, -row.taken if row.known else 0, row.name)
    )
    with look():
        return finish(_draw(rows, words.origin(usage, "Read")))


def _read(usage: pd.DataFrame, pools: pd.DataFrame) -> list[_Pool]:
    parts: dict[tuple[Any, Any], list[dict[str, float]]] = defaultdict(list)
    for host, pool, sizes in zip(usage["host"], usage["pool"], split(usage), strict=True):
        parts[_key(host, pool)].append(sizes)
    names = words.names(pools.assign(candidate=pools["name"]))
    keys = map(_key, pools["host"], pools["name"])
    figures = (words.numbers(pools[column]) for column in ("capacity", "allocation"))
    whys = map(_why, pools["state"], pools["status"])
    return [
        _pool(name, why, figure, parts.get(key))
        for name, key, why, *figure in zip(names, keys, whys, *figures, strict=True)
    ]


def _key(host: Any, pool: Any) -> tuple[Any, Any]:  # noqa: ANN401 - cells, of which NA is equal to nothing
    return (None if pd.isna(host) else host, None if pd.isna(pool) else pool)


def _why(state: Any, status: Any) -> str:  # noqa: ANN401 - likewise
    """Say why a pool's size would not be known."""
    if pd.isna(state):
        return words.drawable(status, 20) if not pd.isna(status) and status != "ok" else "not known"
    return "not known" if state == "running" else f"{words.drawable(state, 20)}, so not known"


def _pool(name: str, why: str, figures: list[float], parts: list[dict[str, float]] | None) -> _Pool:
    capacity, allocation = figures
    if np.isnan(capacity) or np.isnan(allocation) or not capacity:
        return _Pool(name, why, np.nan)
    if parts is None:
        return _Pool(name, "nothing is said of it", capacity)
    sums = totals(parts)
    # What no volume explains is less than nothing where the pool's own figure is older than its volumes'. And
    # what the frame does not speak of, such as volumes that could not be read, is taken by something else.
    sums["other"] = max(0.0, sums["other"])
    sums["other"] += max(0.0, allocation - sum(sums.values()))
    sums["free"] = max(0.0, capacity - sum(sums.values()))
    return _Pool(name, "", capacity, sums)


def _draw(rows: list[_Pool], origin: str) -> Chart:
    texts = [_figures(row) for row in rows]
    parts = present(row.sizes for row in rows)
    foot = "\n".join(filter(None, [meanings(parts), origin]))
    title = "What the space of the storage pools is taken for"
    chart = Chart(title, _alt(rows), high(len(rows)) + LEGEND, foot)
    axes = lay_out(chart, [row.name for row in rows], _HEADS, texts)
    share_scale(axes, max(1.0, *(row.reach for row in rows)) if rows else 1.0, "of each pool's size")
    for at, row in enumerate(rows):
        if row.known:
            stack(axes, at, row.sizes, across(axes) / axes.get_xlim()[1], row.capacity)
        else:
            axes.text(0.01, at, row.why, va="center_baseline", size=SMALL, color=SOFT, backgroundcolor=PAPER)
    legend(chart, high(len(rows)), parts)
    return chart


def _figures(row: _Pool) -> list[str]:
    size = UNKNOWN if np.isnan(row.capacity) else format_size(int(row.capacity))
    if not row.known:
        return [UNKNOWN, UNKNOWN, size]
    free = f"{format_size(int(row.sizes['free']))}, {percent(row.sizes['free'] / row.capacity)}"
    return [format_size(int(row.sizes["reclaimable"])), free, size]


def _alt(rows: list[_Pool]) -> str:
    known = [row for row in rows if row.known]
    said = [f"What the space of {words.count(len(rows), 'storage pool')} is taken for"]
    if known:
        sums = totals(row.sizes for row in known)
        of = format_size(int(sum(row.capacity for row in known)))
        said.append(
            f"together, of {of}: "
            + ", ".join(f"{part} {format_size(int(sums[part]))}" for part in PARTS if sums[part] > 0)
        )
        shares = [row.taken for row in known]
        full = words.extremes([row.name for row in known], shares, list(map(percent, shares)))
        said.append(f"taken {full}")
        most = max(known, key=lambda row: row.sizes["reclaimable"])
        if most.sizes["reclaimable"] > 0 and len(known) > 1:
            said.append(f"most to reclaim in {most.name}: {format_size(int(most.sizes['reclaimable']))}")
        over = [row.name for row in known if row.reach > 1]
        if over:
            said.append(f"by older figures of its own, less than its volumes take has {words.listed(over)}")
    unknown = [row.name for row in rows if not row.known]
    left = f" Not known: {words.listed(unknown, 20)}." if unknown else ""
    return "; ".join(said) + "." + left
