"""What space is taken for, as the charts of usage tell it apart, and how each part looks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from kvmnb.notebook.charts import words
from kvmnb.notebook.charts.beside import SIDE, TALL
from kvmnb.notebook.charts.figure import INK, PAPER, SMALL, WIDTH, Chart, width_of
from kvmnb.schema import USAGE
from kvmnb.units import format_size

#: How each part looks: apart by colour for any eye, and in grey by lightness or hatch. ``ink`` is that of
#: what is written on it.
PARTS: dict[str, dict[str, str]] = {
    "used inside": {"facecolor": "#0b4f7d", "hatch": "", "ink": PAPER},
    "reclaimable": {"facecolor": "#ffb000", "hatch": "", "ink": INK},
    "shared": {"facecolor": "#4a90c4", "hatch": "", "ink": INK},
    "not known": {"facecolor": "#f2f2f2", "hatch": "/////", "ink": INK},
    "unused": {"facecolor": "#a8386b", "hatch": "", "ink": PAPER},
    "other": {"facecolor": "#dedede", "hatch": "", "ink": INK},
    "free": {"facecolor": PAPER, "hatch": "", "ink": INK},
}

#: What each part is, for the foot of a chart.
MEANINGS = {
    "used inside": "what guests' file systems hold",
    "reclaimable": "free inside, so that a trim gives it back",
    "shared": "only below other images",
    "not known": "disks that were not looked into, and what may be of a guest or not",
    "unused": "nothing that could be read uses it",
    "other": "guests' CDs and the like, what disks take beside that, and what is no volume of the pool",
}
_OTHER_IMAGES = "guests' CDs and the like, and what disks take beside that"

#: How high the line is that names the parts, in inches.
LEGEND = 0.26

_COLUMNS = ("host", "pool", "volume", "path", "role", "allocation", "counted_at", "used", "reclaimable")

#: The part of an image whose inside does not matter.
_BY_ROLE = {"backing": "shared", "unused": "unused", "unknown": "not known"}


def expect_usage(usage: pd.DataFrame, chart: str, *more: str) -> None:
    """Refuse what is not the frame of usage."""
    words.expect(usage, USAGE, [*_COLUMNS, *more], chart)


def split(usage: pd.DataFrame) -> list[dict[str, float]]:
    """Give per row what its space is taken for, in bytes.

    Parameters
    ----------
    usage : pandas.DataFrame
        The frame ``usage``.

    Returns
    -------
    list of dict
        Per row sizes by part, whose sum is its allocation; empty where that is not known, or is counted in
        another row.
    """
    roles, counted = (usage[name].tolist() for name in ("role", "counted_at"))
    sizes = (words.numbers(usage[name]) for name in ("allocation", "used", "reclaimable"))
    return [_split(*row) for row in zip(roles, counted, *sizes, strict=True)]


def _split(role: Any, counted_at: Any, allocation: float, used: float, back: float) -> dict[str, float]:  # noqa: ANN401 - cells
    if np.isnan(allocation) or not pd.isna(counted_at):
        return {}
    if pd.isna(role) or (role == "disk" and np.isnan(back)):
        return {"not known": allocation}
    if role == "disk":
        rest = allocation - back
        if np.isnan(used):
            return {"not known": rest, "reclaimable": back}
        # A whole logical volume takes what nothing uses and no trim gives back; an overlay less than is used.
        return {"used inside": min(used, rest), "reclaimable": back, "other": max(0.0, rest - used)}
    return {_BY_ROLE.get(role, "other"): allocation}


def look_of(part: str) -> dict[str, Any]:
    """Give how a part's patch is drawn."""
    face = PARTS[part]
    return {"facecolor": face["facecolor"], "hatch": face["hatch"], "edgecolor": INK, "lw": 0.6}


def stack(axes: Axes, at: float, sizes: Mapping[str, float], inches: float, unit: float = 1.0) -> None:
    """Draw a bar of parts, each with its size where that fits.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where.
    at : float
        In which row.
    sizes : mapping of str to float
        Bytes by part, in the order in which they are drawn.
    inches : float
        How many inches the axes' unit is.
    unit : float
        How many bytes the axes' unit is.
    """
    left = 0.0
    for part, size in sizes.items():
        if size <= 0:
            continue
        wide = size / unit
        axes.barh(at, wide, TALL, left=left, label=part, **look_of(part))
        said = format_size(int(size))
        if width_of(said, SMALL) + 0.1 < wide * inches:
            ground = {"facecolor": PARTS[part]["facecolor"], "edgecolor": "none", "pad": 1.0}
            axes.text(
                left + wide / 2,
                at,
                said,
                ha="center",
                va="center_baseline",
                size=SMALL,
                color=PARTS[part]["ink"],
                bbox=ground if PARTS[part]["hatch"] else None,
            )
        left += wide


def legend(chart: Chart, bottom: float, parts: Iterable[str]) -> None:
    """Name the parts in a line above the rows.

    Parameters
    ----------
    chart : Chart
        Where.
    bottom : float
        How far above its foot, in inches; the line is `LEGEND` high.
    parts : iterable of str
        Which.
    """
    axes = chart.place(SIDE, bottom, WIDTH - 2 * SIDE, LEGEND)
    axes.set_axis_off()
    axes.set_xlim(0, WIDTH - 2 * SIDE)
    axes.set_ylim(0, 1)
    left = 0.06
    for part in parts:
        axes.bar(left + 0.07, 0.5, 0.17, bottom=0.25, label=part, **look_of(part))
        axes.text(left + 0.22, 0.48, part, va="center", size=SMALL)
        left += 0.22 + width_of(part, SMALL) + 0.2


def present(rows: Iterable[Mapping[str, float]]) -> list[str]:
    """Give which parts there are of anything, in their own order."""
    rows = list(rows)
    return [part for part in PARTS if any(row.get(part, 0.0) > 0 for row in rows)]


def totals(rows: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Sum up parts."""
    sums = dict.fromkeys(PARTS, 0.0)
    for row in rows:
        for part, size in row.items():
            sums[part] += size
    return sums


def meanings(parts: Iterable[str], *, images: bool = False) -> str:
    """Say what parts are, for a foot; of images alone, or of all that is in a pool."""
    known = MEANINGS | ({"other": _OTHER_IMAGES} if images else {})
    said = "; ".join(f"{part}: {known[part]}" for part in parts if part in known)
    return f"{said[0].upper()}{said[1:]}." if said else ""
