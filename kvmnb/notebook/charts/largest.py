"""The images that take the most on their host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from kvmnb.errors import BadValue
from kvmnb.notebook.charts import words
from kvmnb.notebook.charts.beside import across, high, lay_out
from kvmnb.notebook.charts.figure import Chart, finish, look, width_of
from kvmnb.notebook.charts.parts import LEGEND, expect_usage, legend, meanings, present, split, stack
from kvmnb.notebook.tables import UNKNOWN
from kvmnb.units import format_size

#: How wide the name of an image, and those of its guests, may be, in inches.
_NAME, _GUESTS = 2.0, 1.3

_HEADS = ("pool", "used by", "takes")


@dataclass(frozen=True)
class _Image:
    name: str
    pool: str
    guests: str
    size: float
    sizes: dict[str, float]


def chart_largest(usage: pd.DataFrame, most: int = 15) -> Chart:
    """Draw the images that take the most on their host, the largest first, and what for.

    Parameters
    ----------
    usage : pandas.DataFrame
        The frame ``usage``.
    most : int
        How many images, at most.

    Returns
    -------
    Chart
        A matplotlib figure that shows itself in a notebook; ``alt`` says in words what it shows.

    Raises
    ------
    BadValue
        The frame is another one, has no image that takes anything, or ``most`` is no number above 0.
    """
    expect_usage(usage, "chart_largest", "guests")
    at_least_one(most)
    rows, unknown = _read(usage)
    if not rows:
        raise BadValue(
            "There is no image whose size on the host is known", "look into the columns status and problem"
        )
    with look():
        return finish(_draw(rows, most, unknown, words.origin(usage, "Read")))


def at_least_one(most: object) -> None:
    """Refuse what is no number of things to draw."""
    if not isinstance(most, int) or isinstance(most, bool) or most < 1:
        raise BadValue(f"most cannot be {most!r}", "give a whole number from 1")


def _read(usage: pd.DataFrame) -> tuple[list[_Image], int]:
    """Give the images, the largest first, and how many others there are whose size is not known."""
    images = usage[usage["path"].notna() | usage["volume"].notna()]
    named = images["volume"].where(images["volume"].notna(), images["path"])
    names = words.names(images.assign(candidate=named))
    pools = [words.label(pool, _GUESTS) for pool in images["pool"]]
    guests = [_guests(users) for users in images["guests"]]
    rows = [
        _Image(name, pool, users, sum(sizes.values()), sizes)
        for name, pool, users, sizes in zip(names, pools, guests, split(images), strict=True)
        if sizes
    ]
    unknown = images["allocation"].isna() & images["counted_at"].isna()
    return sorted(rows, key=lambda row: (-row.size, row.name)), int(unknown.sum())


def _guests(users: Any) -> str:  # noqa: ANN401 - a frame's cell may be anything
    if not isinstance(users, tuple):
        return UNKNOWN
    if not users:
        return "none"
    more = f" and {len(users) - 1} more" if len(users) > 1 else ""
    return words.label(users[0], _GUESTS - width_of(more)) + more


def _draw(rows: list[_Image], most: int, unknown: int, origin: str) -> Chart:
    shown, left_out = rows[:most], rows[most:]
    texts = [[row.pool, row.guests, format_size(int(row.size))] for row in shown]
    parts = present(row.sizes for row in shown)
    others = f"{words.count(len(left_out), 'smaller image')} {'takes' if len(left_out) == 1 else 'take'} "
    others += f"{format_size(int(sum(row.size for row in left_out)))} together." if left_out else ""
    foot = "\n".join(filter(None, [others if left_out else "", meanings(parts, images=True), origin]))
    title = "The images that take the most"
    chart = Chart(title, _alt(rows, most, unknown), high(len(shown)) + LEGEND, foot)
    axes = lay_out(chart, [words.label(row.name, _NAME) for row in shown], _HEADS, texts)
    _scale(axes, shown[0].size)
    for at, row in enumerate(shown):
        stack(axes, at, row.sizes, across(axes) / axes.get_xlim()[1])
    legend(chart, high(len(shown)), parts)
    return chart


def _scale(axes: Axes, top: float) -> None:
    top = max(top, 1.0)
    ticks = words.size_ticks(top)
    texts = [format_size(tick) for tick in ticks]
    while len(ticks) > 2 and max(map(width_of, texts)) * len(ticks) > across(axes):
        ticks, texts = ticks[::2], texts[::2]
    axes.set_xlim(0, top * 1.02)
    axes.set_xticks(ticks, texts)
    axes.set_xlabel("taken on the host")


def _alt(rows: list[_Image], most: int, unknown: int) -> str:
    shown = rows[:most]
    whole, part = (sum(row.size for row in some) for some in (rows, shown))
    named = [f"{row.name} {format_size(int(row.size))}" for row in shown]
    many = f"The {len(shown)} of {words.count(len(rows), 'image')} that take the most"
    every = "The only image" if len(rows) == 1 else f"What {len(rows)} images take"
    said = f"{many if len(rows) > len(shown) else every}: {words.listed(named, 5)}"
    share = f"; together {format_size(int(part))} of {format_size(int(whole))}." if len(rows) > 1 else "."
    left = f" Not known is the size of {words.count(unknown, 'other')}." if unknown else ""
    return said + share + left
