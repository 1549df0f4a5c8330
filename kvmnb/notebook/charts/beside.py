"""Figures in columns beside a chart's bars, and a scale that counts in parts of each row's own size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from kvmnb.notebook.charts.figure import INK, PLAIN, SMALL, SOFT, WIDTH, Chart, width_of
from kvmnb.notebook.tables import UNKNOWN

#: Of a row, of what stands above and below the rows, and of what is left free at the sides, in inches.
_ROW, _HEAD, _SCALE, SIDE = 0.36, 0.34, 0.5, 0.12

#: How high a bar is, of a row.
TALL = 0.58

#: How many columns there may be for the shares of a scale; fewer where there is no room for what they say.
_TICKS = 8


def square(colour: str) -> dict[str, Any]:
    """Give the mark of what is drawn as a bar of a colour."""
    return {"marker": "s", "ms": 7.0, "mfc": colour, "mec": INK, "ls": ""}


def high(rows: int) -> float:
    """Give how high so many rows are with their scale and their heads, in inches."""
    return _SCALE + rows * _ROW + _HEAD


def across(axes: Axes) -> float:
    """Give how wide axes are, in inches."""
    return WIDTH * float(axes.get_position().width)


def lay_out(
    chart: Chart,
    names: Sequence[str],
    heads: Sequence[str],
    texts: Sequence[Sequence[str]],
    marks: Mapping[str, Mapping[str, Any]] | None = None,
) -> Axes:
    """Write rows: their names at the left, figures at the right, and between them room for bars.

    Parameters
    ----------
    chart : Chart
        Where; at its foot.
    names : sequence of str
        The rows' names, the first one above.
    heads, texts, marks
        As for `_tabulate`.

    Returns
    -------
    matplotlib.axes.Axes
        The room for the bars, with a row at each whole number.
    """
    left = 2 * SIDE + max(map(width_of, names))
    wide = _widths(heads, texts)
    tall = len(names) * _ROW
    axes = chart.place(left, _SCALE, WIDTH - left - sum(wide) - 2 * SIDE, tall)
    _name_rows(axes, names)
    _tabulate(chart.place(WIDTH - sum(wide) - SIDE, _SCALE, sum(wide), tall), heads, texts, wide, marks)
    return axes


def _widths(heads: Sequence[str], texts: Sequence[Sequence[str]]) -> list[float]:
    """Give how wide each column must be, in inches."""
    return [
        max([width_of(head, SMALL) + 0.16, *(width_of(line[column]) for line in texts)]) + 0.2
        for column, head in enumerate(heads)
    ]


def _tabulate(
    table: Axes,
    heads: Sequence[str],
    texts: Sequence[Sequence[str]],
    wide: Sequence[float],
    marks: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Write figures into columns; a head whose name has a mark shows it.

    Parameters
    ----------
    table : matplotlib.axes.Axes
        As wide as the columns together, and as high as the rows.
    heads : sequence of str
        The columns' names.
    texts : sequence of sequence of str
        Per row what stands in each column.
    wide : sequence of float
        How wide each column is, in inches.
    marks : mapping, optional
        By head how the mark beside it is drawn.
    """
    table.set_axis_off()
    table.set_xlim(0, sum(wide))
    table.set_ylim(len(texts) - 0.5, -0.5)
    above = -0.5 - 0.16 / _ROW
    for column, head in enumerate(heads):
        right = sum(wide[: column + 1])
        table.text(right, above, head, ha="right", va="center", size=SMALL, color=SOFT)
        if marks and head in marks:
            beside = right - width_of(head, SMALL) - 0.1
            table.plot([beside], [above], **marks[head], clip_on=False, label=head)
        for at, line in enumerate(texts):
            colour = SOFT if line[column] == UNKNOWN else INK
            table.text(right, at, line[column], ha="right", va="center_baseline", size=SMALL, color=colour)


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Write a name at the left of each row, the first one above."""
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), list(names))
    axes.tick_params(axis="y", length=0, pad=7, labelsize=PLAIN, labelcolor=INK)  # a mark may stand at 0
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)


def share_scale(axes: Axes, reach: float, of: str) -> None:
    """Set up a scale in parts of what each row is measured by.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where.
    reach : float
        How far it must go; 1 is the whole.
    of : str
        What is the whole.
    """
    axes.set_xlim(0, reach * 1.04)
    inches = across(axes) / (reach * 1.04)
    least = max(reach / _TICKS, (width_of(percent(reach), SMALL) + 0.12) / inches)
    step = next((step for step in (0.25, 0.5, 1.0, 2.0, 5.0, 10.0) if step >= least), reach)
    ticks = [step * number for number in range(int(reach / step + 1e-9) + 1)]
    axes.set_xticks(ticks, [percent(tick) for tick in ticks])
    axes.set_xlabel(of)


def percent(share: float) -> str:
    """Write a share; nearly full is not full, and nearly nothing is not nothing.

    Examples
    --------
    >>> percent(0.4), percent(0.999), percent(0.001), percent(1), percent(1.7)
    ('40 %', '99 %', '1 %', '100 %', '170 %')
    """
    rounded = round(share * 100)
    if 0 < share < 1:
        rounded = min(99, max(1, rounded))
    return f"{rounded} %"
