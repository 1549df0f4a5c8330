"""How the files of disk formats grow while data is written inside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from kvmnb.errors import BadValue
from kvmnb.notebook.charts import words
from kvmnb.notebook.charts.figure import INK, PAPER, PLAIN, SMALL, SOFT, WIDTH, Chart, finish, look, width_of
from kvmnb.schema import GROWTH
from kvmnb.units import format_size

_LEFT, _BELOW, _ABOVE, _RIGHT = 0.95, 0.5, 0.15, 2.75  # inches, around the axes
_LOWEST = 3.6
_LABEL = 2.45  # of a label's lines
_LINE = 1.4 * PLAIN / 72

#: Curves that stay closer than this share of the chart's height are told apart by nobody: one label for them.
TOGETHER = 0.005

# Colours, lines and marks go round at different paces, so that twenty curves differ also in grey print.
_COLOURS = ("#1a1a1a", "#0072b2", "#b34700", "#00664b", "#8a3d6e")
_LINES: tuple[Any, ...] = ("-", (0, (1, 1.6)), (0, (7, 2, 1.5, 2)), (0, (9, 2.5)))
_MARKS = ("o", "s", "^", "D", "v")
_AS_WRITTEN = "as much as was written"


@dataclass(frozen=True)
class _Curve:
    name: str
    written: tuple[float, ...]
    allocated: tuple[float, ...]

    @property
    def end(self) -> tuple[float, float]:
        """The last step that could be measured."""
        known = ((x, y) for x, y in zip(self.written, self.allocated, strict=True) if not np.isnan(x + y))
        return max(known, default=(np.nan, np.nan))

    def near(self, other: _Curve, distance: float) -> bool:
        """Say whether the two run together, step by step."""
        if self.written != other.written:
            return False
        apart = np.abs(np.subtract(self.allocated, other.allocated))
        unknown = np.isnan(self.allocated) != np.isnan(other.allocated)
        return not unknown.any() and bool((np.nan_to_num(apart) <= distance).all())


def chart_growth(growth: pd.DataFrame) -> Chart:
    """Draw what is allocated for each candidate's file against what had been written inside it.

    Curves that run together share one line, one mark and one label. A dashed line shows a file that would
    take exactly as much as was written.

    Parameters
    ----------
    growth : pandas.DataFrame
        The frame ``growth``: the sizes of each candidate step by step.

    Returns
    -------
    Chart
        A matplotlib figure that shows itself in a notebook; ``alt`` says in words what it shows.

    Raises
    ------
    BadValue
        The frame is another one, or no candidate in it could be measured.
    """
    words.expect(growth, GROWTH, ["candidate", "step", "written", "allocated"], "chart_growth")
    curves = _curves(growth)
    measured = [curve for curve in curves if not np.isnan(curve.end[1])]
    if not measured:
        raise BadValue(
            "The growth has no candidate that could be measured",
            "look into its columns status and problem",
        )
    gaps = words.gaps([c.name for c in curves], [c.end[1] for c in curves]).strip()
    groups = _together(measured)
    with look():
        return finish(_draw(groups, _alt(measured, gaps), f"{gaps}\n{words.origin(growth)}"))


def _curves(growth: pd.DataFrame) -> list[_Curve]:
    rows = growth.assign(candidate=words.names(growth)).sort_values("step", kind="stable")
    return [
        _Curve(str(name), tuple(words.numbers(part["written"])), tuple(words.numbers(part["allocated"])))
        for name, part in rows.groupby("candidate", sort=True)
    ]


def _together(curves: list[_Curve]) -> list[list[_Curve]]:
    """Put curves that run together into groups, those that end highest first."""
    distance = TOGETHER * _top(curves)
    groups: list[list[_Curve]] = []
    for curve in sorted(curves, key=lambda curve: (-curve.end[1], curve.name)):
        for group in groups:
            if curve.near(group[0], distance):
                group.append(curve)
                break
        else:
            groups.append([curve])
    return groups


def _top(curves: list[_Curve]) -> float:
    return float(max(max(curve.end[0], np.nanmax(curve.allocated)) for curve in curves)) or 1.0


def _draw(groups: list[list[_Curve]], alt: str, foot: str) -> Chart:
    labels = [fold(sorted(curve.name for curve in group), _LABEL) for group in groups] + [[_AS_WRITTEN]]
    high = max(_LOWEST, sum(len(label) + 0.5 for label in labels) * _LINE)
    title = "What is allocated on the host while data is written inside"
    chart = Chart(title, alt, _BELOW + high + _ABOVE, foot.strip())
    axes = chart.place(_LEFT, _BELOW, WIDTH - _LEFT - _RIGHT, high)
    curves = [curve for group in groups for curve in group]
    right = max(max(np.nan_to_num(curve.written)) for curve in curves) or 1.0
    for number, group in enumerate(groups):
        for curve in group:
            axes.plot(
                curve.written,
                curve.allocated,
                color=_COLOURS[number % len(_COLOURS)],
                ls=_LINES[number % len(_LINES)],
                marker=_MARKS[number % len(_MARKS)],
                clip_on=False,
                ms=5,
                mec=PAPER,
                mew=0.6,
                lw=1.8,
                label=curve.name,
            )
    axes.plot([0, right], [0, right], color=INK, ls=(0, (3, 3)), lw=1, label=_AS_WRITTEN, zorder=3)
    _scale(axes, right, _top(curves))
    ends = [group[0].end for group in groups] + [(right, right)]
    _label(axes, ends, labels, high)
    return chart


def _scale(axes: Axes, right: float, top: float) -> None:
    ticks = words.size_ticks(right)
    axes.set_xlim(0, right * 1.02)
    axes.set_xticks(ticks, [format_size(tick) if tick else "0" for tick in ticks])
    axes.set_xlabel("written inside until then")
    ticks = words.size_ticks(top)
    axes.set_ylim(0, top * 1.04)
    axes.set_yticks(ticks, [format_size(tick) if tick else "0" for tick in ticks])
    axes.set_ylabel("allocated on the host (du)")


def _label(axes: Axes, ends: list[tuple[float, float]], labels: list[list[str]], high: float) -> None:
    """Write each label beside the end of its line, pushed apart where they would overlap."""
    top = axes.get_ylim()[1]
    order = sorted(range(len(ends)), key=lambda i: (ends[i][1], i == len(ends) - 1, -i))
    heights = [(len(labels[i]) + 0.3) * _LINE / high for i in order]
    places = spread([ends[i][1] / top for i in order], heights)
    for i, place in zip(order, places, strict=True):
        reference = i == len(ends) - 1
        axes.annotate(
            "\n".join(labels[i]),
            ends[i],
            xycoords="data",
            xytext=(1.05, place),
            textcoords="axes fraction",
            va="center",
            size=SMALL if reference else PLAIN,
            color=SOFT if reference else _COLOURS[i % len(_COLOURS)],
            linespacing=1.15,
            arrowprops={
                "arrowstyle": "-",
                "lw": 0.6,
                "color": SOFT,
                "relpos": (0, 0.5),
                "patchA": None,
                "shrinkA": 3,
                "shrinkB": 4,
            },
            annotation_clip=False,
        )


def fold(names: list[str], width: float) -> list[str]:
    """Write names one after the other, in lines of some inches; a name stays whole."""
    lines = [names[0]]
    for name in names[1:]:
        longer = f"{lines[-1]}, {name}"
        if width_of(longer) <= width:
            lines[-1] = longer
        else:
            lines[-1] += ","
            lines.append(name)
    return lines


def spread(wanted: list[float], heights: list[float]) -> list[float]:
    """Move the middles of labels apart, as little as needed and in their order, within 0 and 1.

    Examples
    --------
    >>> [round(place, 2) for place in spread([0.5, 0.5, 0.9], [0.2, 0.2, 0.2])]
    [0.4, 0.6, 0.9]
    """
    blocks: list[list[int]] = []

    def bottom(block: list[int]) -> float:
        """Where a block of touching labels begins, so that they lie around where they were wanted."""
        total, off = 0.0, 0.0
        for i in block:
            off += wanted[i] - total - heights[i] / 2
            total += heights[i]
        return max(0.0, min(off / len(block), 1 - total))

    def top(block: list[int]) -> float:
        return bottom(block) + sum(heights[i] for i in block)

    for i in range(len(wanted)):
        blocks.append([i])
        while len(blocks) > 1 and top(blocks[-2]) > bottom(blocks[-1]):
            last = blocks.pop()
            blocks[-1] += last
    places: list[float] = []
    for block in blocks:
        at = bottom(block)
        for i in block:
            places.append(at + heights[i] / 2)
            at += heights[i]
    return places


def _alt(curves: list[_Curve], gaps: str) -> str:
    called = [curve.name for curve in curves]
    ends = [curve.end[1] for curve in curves]
    firsts = [curve.allocated[0] for curve in curves]
    written = format_size(int(max(curve.end[0] for curve in curves)))
    said = f"Allocated size against what was written inside, for {words.count(len(curves))}. "
    if not np.isnan(firsts).all():
        reach = words.extremes(called, firsts, [words.size(first) for first in firsts])
        said += f"At the first step it is {reach}; "
    reach = words.extremes(called, ends, [words.size(end) for end in ends])
    return f"{said}at the last, with up to {written} written, it is {reach}. {gaps}".strip()
