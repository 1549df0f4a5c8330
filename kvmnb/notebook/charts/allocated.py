"""What guests' disks take on the host, against what is used inside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from kvmnb.errors import BadValue
from kvmnb.notebook.charts import words
from kvmnb.notebook.charts.beside import TALL, high, lay_out, share_scale, square
from kvmnb.notebook.charts.figure import INK, PAPER, Chart, finish, look
from kvmnb.notebook.charts.largest import at_least_one
from kvmnb.notebook.charts.parts import expect_usage
from kvmnb.notebook.tables import UNKNOWN
from kvmnb.units import format_size

#: Beyond so many times a disk's size nothing is drawn but an arrow.
FARTHEST = 2.0

_HEADS = ("allocated", "used inside", "reclaimable", "size")

_ALLOCATED: dict[str, Any] = {"facecolor": "#7db3d8", "edgecolor": INK, "lw": 0.8}
_SIZE: dict[str, Any] = {"facecolor": PAPER, "edgecolor": INK, "lw": 0.8}
_USED: dict[str, Any] = {"marker": "D", "ms": 7.0, "mfc": "#0b4f7d", "mec": INK, "mew": 1.2, "ls": ""}
_MARKS = {
    "allocated": square(_ALLOCATED["facecolor"]),
    "size": square(PAPER),
    "used inside": _USED,
}

_READ = ("allocation", "used", "reclaimable", "capacity")


@dataclass(frozen=True)
class _Disk:
    name: str
    status: str
    allocation: float
    used: float
    reclaimable: float
    capacity: float

    def share(self, size: float) -> float:
        return size / self.capacity if self.capacity > 0 else np.nan

    def order(self) -> tuple[bool, float, float, str]:
        gap = np.nan_to_num(self.reclaimable, nan=-1.0)
        return (gap < 0, -gap, -np.nan_to_num(self.allocation), self.name)


def chart_allocated(usage: pd.DataFrame, most: int = 40) -> Chart:
    """Draw what each guest's disk takes on the host, against what the file systems inside hold.

    Each disk has a bar as long as the guest sees it, whatever its size: filled as far as it is allocated on
    the host, with a diamond at what is used inside. What lies between them could be given back. The disk
    with the most of it stands first. A diamond right of what is allocated is that of an overlay, whose base
    holds the rest.

    Parameters
    ----------
    usage : pandas.DataFrame
        The frame ``usage``, read with the insides of the guests.
    most : int
        How many disks, at most.

    Returns
    -------
    Chart
        A matplotlib figure that shows itself in a notebook; ``alt`` says in words what it shows.

    Raises
    ------
    BadValue
        The frame is another one, has no guest's disk whose size is known, or ``most`` is no number above 0.
    """
    expect_usage(usage, "chart_allocated", "guest", "target", "used", "capacity", "status")
    at_least_one(most)
    disks = usage[usage["role"].eq("disk").fillna(False)]
    rows = sorted(_read(disks), key=_Disk.order)
    known = [row for row in rows if row.capacity > 0 and not np.isnan(row.allocation)]
    if not known:
        raise BadValue(
            "There is no guest's disk whose size is known", "look into the columns status and problem"
        )
    with look():
        return finish(_draw(known, len(rows) - len(known), most, words.origin(usage, "Read")))


def _read(disks: pd.DataFrame) -> list[_Disk]:
    columns = ("guest", "target", "volume", "path")
    names = [_name(*cells) for cells in disks[list(columns)].itertuples(index=False, name=None)]
    # As objects, for pandas cannot keep every name that a guest may have as text of its own kind.
    called = words.names(disks.assign(candidate=pd.Series(names, disks.index, dtype="object")))
    states = [words.drawable(status, 24) for status in disks["status"]]
    figures = (words.numbers(disks[column]) for column in _READ)
    return list(map(_Disk, called, states, *figures))


def _name(guest: Any, target: Any, volume: Any, path: Any) -> str:  # noqa: ANN401 - cells of a frame
    if pd.isna(guest):  # it is the disk of several
        return str(next((each for each in (volume, path) if not pd.isna(each)), ""))
    return str(guest) if pd.isna(target) else f"{guest} {target}"


def _draw(rows: list[_Disk], unknown: int, most: int, origin: str) -> Chart:
    shown, left_out = rows[:most], rows[most:]
    texts = [_figures(row) for row in shown]
    others = (
        f"{words.count(len(left_out), 'other disk')} with less to give back, or not known how much, "
        f"{'is' if len(left_out) == 1 else 'are'} left out."
        if left_out
        else ""
    )
    chart = Chart(
        "What guests' disks take on the host, and what is used inside",
        _alt(rows, unknown),
        high(len(shown)),
        "\n".join(filter(None, [others, origin])),
    )
    axes = lay_out(chart, [row.name for row in shown], _HEADS, texts, _MARKS)
    share_scale(axes, _reach(shown), "of the size that the guest sees")
    for at, row in enumerate(shown):
        _bar(axes, at, row)
    return chart


def _reach(rows: list[_Disk]) -> float:
    shares = [row.share(size) for row in rows for size in (row.allocation, row.used)]
    return float(min(FARTHEST, np.nanmax([1.0, *shares])))


def _bar(axes: Axes, at: int, row: _Disk) -> None:
    taken = row.share(row.allocation)
    axes.barh(at, 1, TALL, label="size", **_SIZE)
    axes.barh(at, min(taken, FARTHEST), TALL, label="allocated", **_ALLOCATED)
    if taken > FARTHEST:
        axes.plot([FARTHEST], [at], marker=">", mfc=INK, mec=INK, ms=6, ls="", clip_on=False, label="beyond")
    if np.isnan(row.used):
        return
    place = row.share(row.used)
    beyond = {"marker": ">"} if place > FARTHEST else {}
    axes.plot([min(place, FARTHEST)], [at], **(_USED | beyond), label="used inside", clip_on=False)


def _figures(row: _Disk) -> list[str]:
    sizes = (row.allocation, row.used, row.reclaimable, row.capacity)
    written = [UNKNOWN if np.isnan(size) else format_size(int(size)) for size in sizes]
    if np.isnan(row.used) and row.status != "ok":
        written[1] = row.status
    return written


def _alt(rows: list[_Disk], unknown: int) -> str:
    inside = [row for row in rows if not np.isnan(row.used)]
    said = [
        f"What {words.count(len(rows), 'guest disk')} {'takes' if len(rows) == 1 else 'take'} on the host"
    ]
    taken = format_size(int(sum(row.allocation for row in rows)))
    said.append(f"allocated {taken if len(rows) == 1 else f'{taken} together'}")
    if inside:
        used = format_size(int(sum(row.used for row in inside)))
        said.append(f"used inside {used}")
        back = [row for row in inside if row.reclaimable > 0]
        named = [f"{row.name} {format_size(int(row.reclaimable))}" for row in back]
        whole = format_size(int(sum(row.reclaimable for row in back)))
        said.append(f"reclaimable {whole}: {words.listed(named)}" if back else "nothing is reclaimable")
    gap = [row.name for row in rows if np.isnan(row.used)]
    left = f" Not known inside: {words.listed(gap, 20)}." if gap else ""
    left += f" Not known at all: {words.count(unknown, 'disk')}." if unknown else ""
    return "; ".join(said) + "." + left
