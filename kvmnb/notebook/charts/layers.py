"""Copy-on-write step by step: which image holds which stretch of the guest's disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

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
from kvmnb.notebook.tables import UNKNOWN
from kvmnb.schema import LAYERS
from kvmnb.units import format_size

_SIDE, _BELOW, _HEAD = 0.2, 0.5, 0.62  # inches
_STRIP, _TITLE, _APART = 0.34, 0.2, 0.14  # of one step, from below: the strip, a line of its title, room
_WIDE = 1.05  # of a column of figures
_CELLS = 128  # more would be a grey area

#: How each layer is drawn: told apart by its grey as well as by its hatch.
LOOKS: dict[str, dict[str, Any]] = {
    "base": {"facecolor": "#c4c4c4", "hatch": "////", "edgecolor": "#8c8c8c"},
    "overlay": {"facecolor": "#333333", "hatch": "....", "edgecolor": "#8c8c8c"},
    "none": {"facecolor": PAPER, "hatch": "", "edgecolor": SOFT},
    "unknown": {"facecolor": "#ececec", "hatch": "xx", "edgecolor": "#a6a6a6"},
}
_NAMES = {"base": "base", "overlay": "overlay", "none": "nothing written", "unknown": "not known"}


@dataclass(frozen=True)
class _Step:
    number: int
    what: str
    stretches: tuple[tuple[float, float, str], ...]
    base: float
    overlay: float

    def held(self, layer: str) -> int:
        """How much of the guest's disk a layer holds, in bytes."""
        return int(sum(length for _, length, holder in self.stretches if holder == layer))


def chart_layers(layers: pd.DataFrame) -> Chart:
    """Draw copy-on-write step by step: the guest's disk from left to right, and which image holds what of it.

    One strip per step, below the words for what was done in it; at its right stands what the base's and the
    overlay's files then take on the host.

    Parameters
    ----------
    layers : pandas.DataFrame
        The frame ``layers``: the stretches of the guest's disk at each step.

    Returns
    -------
    Chart
        A matplotlib figure that shows itself in a notebook; ``alt`` says in words what it shows.

    Raises
    ------
    BadValue
        The frame is another one, or holds no stretch.
    """
    words.expect(layers, LAYERS, LAYERS.names, "chart_layers")
    known = layers.dropna(subset=["step", "start", "length"])
    if known.empty:
        raise BadValue("The layers hold no stretch of a disk", "read them again from images that exist")
    steps = [_step(number, known[known["step"] == number]) for number in sorted(map(int, set(known["step"])))]
    disk = max(start + length for step in steps for start, length, _ in step.stretches) or 1.0
    with look():
        return finish(_draw(steps, disk, _cluster(layers, disk), words.origin(layers)))


def _step(number: int, part: pd.DataFrame) -> _Step:
    def first(column: str) -> float:
        known = [value for value in words.numbers(part[column]) if not np.isnan(value)]
        return known[0] if known else np.nan

    holders = ["unknown" if pd.isna(h) or str(h) not in _NAMES else str(h) for h in part["layer"]]
    starts, lengths = words.numbers(part["start"]), words.numbers(part["length"])
    stretches = _joined(sorted(zip(starts, lengths, holders, strict=True)))
    what = words.drawable(part["what"].iloc[0])
    return _Step(number, what, stretches, first("base_allocated"), first("overlay_allocated"))


def _joined(stretches: list[tuple[float, float, str]]) -> tuple[tuple[float, float, str], ...]:
    """Make one stretch of neighbours that the same image holds."""
    joined = stretches[:1]
    for start, length, holder in stretches[1:]:
        before, reach, other = joined[-1]
        if holder == other and before + reach == start:
            joined[-1] = (before, reach + length, holder)
        else:
            joined.append((start, length, holder))
    return tuple(joined)


def _cluster(layers: pd.DataFrame, disk: float) -> int:
    """Give the size of the cells to draw; 0 where they are not known, or too many to see."""
    cluster = layers.attrs.get("cluster")
    return cluster if isinstance(cluster, int) and 0 < disk <= cluster * _CELLS else 0


def _draw(steps: list[_Step], disk: float, cluster: int, origin: str) -> Chart:
    titles = [lines_of(f"{step.number}  {step.what}", WIDTH - 2 * _SIDE, PLAIN, "bold") for step in steps]
    high = sum(_STRIP + _TITLE * len(title) + _APART for title in titles)
    foot = [f"Each cell is a cluster of {format_size(cluster)}." if cluster else "", origin]
    title = f"Copy-on-write, step by step: which image holds what of a guest's {format_size(int(disk))}"
    chart = Chart(title, _alt(steps, disk), _BELOW + high + _HEAD, " ".join(filter(None, foot)))
    wide = WIDTH - 2 * _SIDE - 2 * _WIDE
    axes = chart.place(_SIDE, _BELOW, wide, high)
    axes.set_ylim(high, 0)  # inches from above
    _scale(axes, disk)
    top = 0.0
    for step, title_lines in zip(steps, titles, strict=True):
        axes.text(0, top, "\n".join(title_lines), va="top", size=PLAIN, weight="bold", linespacing=1.3)
        top += _TITLE * len(title_lines)
        _strip(axes, step, top, disk / wide)
        _cells(axes, disk, cluster, top)
        _figures(axes, step, top)
        top += _STRIP + _APART
    _key(chart.place(_SIDE, _BELOW + high, wide + 2 * _WIDE, _HEAD), steps, wide)
    return chart


def _scale(axes: Axes, disk: float) -> None:
    ticks = words.size_ticks(disk)
    axes.set_xlim(0, disk)
    axes.set_xticks(ticks, [format_size(tick) if tick else "0" for tick in ticks])
    axes.set_xlabel("place on the guest's disk")
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)


def _strip(axes: Axes, step: _Step, top: float, inch: float) -> None:
    """Draw one step's stretches, and name those that are wide enough for their name."""
    for start, length, holder in step.stretches:
        axes.add_patch(Rectangle((start, top), length, _STRIP, lw=0, **LOOKS[holder], label=holder))
        name = _NAMES[holder]
        if width_of(name, SMALL) + 0.2 < length / inch:
            plate = {"facecolor": PAPER, "edgecolor": "none", "pad": 1.5}
            middle = (start + length / 2, top + _STRIP / 2)
            axes.text(
                *middle, name, ha="center", va="center", size=SMALL, bbox=plate, zorder=4, gid="stretch"
            )


def _cells(axes: Axes, disk: float, cluster: int, top: float) -> None:
    """Draw the border of the disk and, where there are few enough, of its clusters."""
    axes.add_patch(
        Rectangle((0, top), disk, _STRIP, fill=False, edgecolor=INK, lw=0.9, zorder=3, clip_on=False)
    )
    if cluster:
        cells = np.arange(cluster, disk, cluster)
        axes.vlines(cells, top, top + _STRIP, color=PAPER, lw=1.4, zorder=2)
        axes.vlines(cells, top, top + _STRIP, color=SOFT, lw=0.5, zorder=2.1)


def _figures(axes: Axes, step: _Step, top: float) -> None:
    for column, value in enumerate((step.base, step.overlay)):
        axes.annotate(
            UNKNOWN if np.isnan(value) else format_size(int(value)),
            (1, top + _STRIP / 2),
            xycoords=("axes fraction", "data"),
            xytext=((column + 1) * _WIDE * 72, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            annotation_clip=False,
        )


def _key(axes: Axes, steps: list[_Step], wide: float) -> None:
    """Say above the strips what their greys stand for, and what the figures at their right are."""
    axes.set_axis_off()
    axes.set_xlim(0, wide + 2 * _WIDE)
    axes.set_ylim(0, _HEAD)
    held = {holder for step in steps for _, _, holder in step.stretches}
    at = 0.0
    for holder in (name for name in _NAMES if name in held):
        axes.add_patch(Rectangle((at, 0.26), 0.3, 0.2, lw=0, **LOOKS[holder], label=holder))
        axes.add_patch(Rectangle((at, 0.26), 0.3, 0.2, fill=False, edgecolor=INK, lw=0.9))
        axes.text(at + 0.38, 0.36, _NAMES[holder], va="center")
        at += 0.38 + width_of(_NAMES[holder]) + 0.35
    axes.text(wide + 2 * _WIDE, 0.36, "allocated (du) for", ha="right", va="center", size=SMALL, color=SOFT)
    for column, name in enumerate(("base", "overlay")):
        axes.text(wide + (column + 1) * _WIDE, 0.16, name, ha="right", va="center", size=SMALL, color=SOFT)


def _alt(steps: list[_Step], disk: float) -> str:
    said = [f"A guest's disk of {format_size(int(disk))} in {words.count(len(steps), 'step')}."]
    for step in steps:
        held = [f"{_NAMES[name]} {format_size(step.held(name))}" for name in _NAMES if step.held(name)]
        taken = f"the base takes {words.size(step.base)} on the host"
        if not np.isnan(step.overlay):
            taken += f", the overlay {format_size(int(step.overlay))}"
        said.append(f"{step.number}, {step.what}: {', '.join(held)}; {taken}.")
    overlays = [step.overlay for step in steps]
    if not np.isnan(overlays).all():
        written = [words.size(overlay) for overlay in overlays]
        reach = words.extremes([f"step {step.number}" for step in steps], overlays, written)
        said.append(f"The overlay takes {reach}.")
    return " ".join(said)
