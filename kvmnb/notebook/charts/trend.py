"""How storage filled, and where its growth leads: a small chart for each pool and file system."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, DateFormatter
from matplotlib.transforms import Affine2D

from kvmnb.errors import BadValue
from kvmnb.notebook.charts import trend_words as said
from kvmnb.notebook.charts import words
from kvmnb.notebook.charts.figure import (
    DPI,
    INK,
    PLAIN,
    SMALL,
    SOFT,
    WIDTH,
    Chart,
    finish,
    lines_of,
    look,
)
from kvmnb.notebook.charts.largest import at_least_one
from kvmnb.notebook.charts.trend_lines import Panel, ahead, limit, past
from kvmnb.schema import TREND
from kvmnb.trends.series import Series, histories
from kvmnb.units import format_size

_LEFT, _RIGHT, _HIGH, _HEAD, _BELOW, _SIDE = 0.85, 2.75, 1.35, 0.34, 0.3, 0.12  # inches
_LINE = 1.4 * SMALL / 72

#: How much of the axes' height lies above what the storage can hold, for words.
_ABOVE = 0.22

_HOW = (
    "The line is what was taken. The dashed line is where its growth leads, the band where that may lead "
    "with 90 % certainty; a diamond stands where it is full, with a bar for the spread. Sudden changes to "
    "come are not foreseen. Days are those of UTC."
)


def chart_trend(
    trend: pd.DataFrame,
    pools: pd.DataFrame | None = None,
    df: pd.DataFrame | None = None,
    *,
    most: int = 8,
) -> Chart:
    """Draw how pools and file systems filled and where their growth leads, each in a chart of its own.

    What fills first stands first. A dashed line goes on from the last sample at the growth, a band between
    the least and the most that it may be; a diamond stands where it is full. The words beside it say the
    figures.

    Parameters
    ----------
    trend : pandas.DataFrame
        The frame ``trend``, or those of its rows that are to be drawn.
    pools, df : pandas.DataFrame, optional
        The histories that it was made of; without them only the last sample and the forecast are drawn. Long
        ones are thinned to what can be seen.
    most : int
        How many are drawn; the others are counted.

    Returns
    -------
    Chart
        A matplotlib figure that shows itself in a notebook; ``alt`` says in words what it shows.

    Raises
    ------
    BadValue
        A frame is another one, nothing in the trend could be read, or ``most`` is no number above 0.
    """
    words.expect(trend, TREND, TREND.names, "chart_trend")
    at_least_one(most)
    rows = [dict(zip(trend.columns, row, strict=True)) for row in trend.itertuples(index=False)]
    known = [row for row in rows if not pd.isna(row["until"])]
    if not known:
        raise BadValue(
            "There is no pool or file system with a history to draw", "look into the trend's column problem"
        )
    hosts = trend["host"].nunique(dropna=False) > 1
    found = (
        {}
        if pools is None and df is None
        else {_key(one): one for one in histories(pools, df) if len(one.times)}
    )
    drawn = [
        Panel(
            said.name_of(row, hosts, WIDTH - _LEFT - _RIGHT),
            row,
            found.get(tuple(_plain(row[key]) for key in ("host", "kind", "name"))),
        )
        for row in known[:most]
    ]
    left = [said.name_of(row, hosts, 2.3) for row in rows if pd.isna(row["until"])]
    notes = [] if hosts else [f"Host: {words.drawable(trend['host'].iloc[0], 60)}."]
    notes += ["The history is made up."] if trend.attrs.get("made_up") else []
    notes += [f"Not drawn: {words.count(len(known) - most, 'other')}."] if len(known) > most else []
    notes += [f"Not known: {words.listed(left, 20)}."] if left else []
    with look():
        return finish(_draw(drawn, " ".join(notes)))


def _key(one: Series) -> tuple[str | None, ...]:
    return one.host, one.kind, one.name


def _plain(cell: Any) -> str | None:  # noqa: ANN401 - a frame's cell
    return None if pd.isna(cell) else str(cell)


def _draw(panels: list[Panel], notes: str) -> Chart:
    title = "How storage fills, and when it is full"
    alt = " ".join([f"{title}.", *(said.sentence(one.name, one.row) for one in panels), notes]).strip()
    each = _HEAD + _HIGH
    chart = Chart(title, alt, _BELOW + len(panels) * each, f"{_HOW}\n{notes}".strip())
    reach = _reach(panels)
    wide = WIDTH - _LEFT - _RIGHT
    for number, one in enumerate(panels):
        bottom = _BELOW + (len(panels) - 1 - number) * each
        axes = chart.place(_LEFT, bottom, wide, _HIGH)
        axes.set_label(one.name)
        _scale(axes, one, reach, last=number == len(panels) - 1)
        ahead(axes, one, reach[1])
        past(axes, one, round(2 * wide * DPI))
        limit(axes, one, reach)
        _beside(axes, one)
    return chart


def _reach(panels: list[Panel]) -> tuple[float, float]:
    """Give the first and the last day that all panels show: what is to come gets up to two thirds."""
    first, last = min(one.since for one in panels), max(one.until for one in panels)
    span = max(last - first, 7.0)
    wanted = [one.row[key] for one in panels for key in ("days", "days_most", "days_least")]
    near = [1.1 * float(days) for days in wanted if not pd.isna(days) and days < 2 * span]
    return first, last + min(max([span / 4, *near]), 2 * span)


def _scale(axes: Axes, one: Panel, reach: tuple[float, float], *, last: bool) -> None:
    axes.set_xlim(*reach)
    axes.set_ylim(0, one.top * (1 + _ABOVE))
    ticks = words.size_ticks(one.top)
    ticks = ticks[:: 2 if len(ticks) > 5 else 1]
    axes.set_yticks(ticks, [format_size(tick) if tick else "0" for tick in ticks])
    years = (reach[1] - reach[0]) / 365
    few = AutoDateLocator(minticks=3, maxticks=7, tz="UTC")  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(few)
    form = "%Y" if years > 6 else "%Y-%m" if years > 1.5 else "%Y-%m-%d"
    axes.xaxis.set_major_formatter(DateFormatter(form, tz="UTC"))  # type: ignore[no-untyped-call]
    axes.tick_params(axis="x", labelbottom=last)
    axes.text(0, _HIGH + 0.06, one.name, transform=_inches(axes), size=PLAIN, weight="bold", va="bottom")


def _inches(axes: Axes) -> Any:  # noqa: ANN401 - a transform of matplotlib
    """Count from the axes' lower left corner in inches."""
    wide = WIDTH - _LEFT - _RIGHT
    return Affine2D().scale(1 / wide, 1 / _HIGH) + axes.transAxes


def _beside(axes: Axes, one: Panel) -> None:
    """Write the figures beside the chart."""
    room = _RIGHT - 2 * _SIDE
    parts = [
        (said.full(one.row), INK, "bold"),
        (said.spread(one.row), INK, "normal"),
        (said.taken(one.row), INK, "normal"),
        (said.pace(one.row), INK, "normal"),
        (said.changes(one.row), SOFT, "normal"),
        (said.problem(one.row), SOFT, "normal"),
    ]
    across = WIDTH - _LEFT - _RIGHT + _SIDE
    top = _HIGH
    for text, colour, weight in parts:
        lines = lines_of(text, room, SMALL, weight) if text else []
        for line in lines[: max(0, int(top / _LINE))]:
            where: dict[str, Any] = {"transform": _inches(axes), "va": "top"}
            axes.text(across, top, line, size=SMALL, color=colour, weight=weight, **where)
            top -= _LINE
        top -= _LINE / 4 if lines else 0
