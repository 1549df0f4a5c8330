"""All images of all pools as areas: what takes how much, at a glance."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import pandas as pd
import squarify  # type: ignore[import-untyped]  # it has none
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from kvmnb.errors import BadValue
from kvmnb.notebook.charts import words
from kvmnb.notebook.charts.beside import SIDE
from kvmnb.notebook.charts.figure import INK, PLAIN, SMALL, SOFT, WIDTH, Chart, finish, look, width_of
from kvmnb.notebook.charts.parts import (
    LEGEND,
    PARTS,
    expect_usage,
    legend,
    look_of,
    meanings,
    present,
    split,
    totals,
)
from kvmnb.units import format_size

_HIGH, _GAP = 5.2, 0.05  # inches

#: Of a line of letters, in inches.
_LINE = 0.17

#: What stands above a pool's images, in inches.
_HEAD = 0.21

#: A pool or an image that would be smaller than this part of the whole is drawn with others like it.
_LEAST_POOL, _LEAST = 1 / 250, 1 / 500

#: A name of which fewer characters are left tells nothing.
_TELLING = 8

#: What an image in no running pool is put under.
_NOWHERE = "in no running pool"


@dataclass(frozen=True)
class _Box:
    """An image, or several small ones; or a pool."""

    name: str
    size: float
    sizes: dict[str, float]
    inside: list[_Box] = field(default_factory=list)


@dataclass(frozen=True)
class _Place:
    left: float
    bottom: float
    wide: float
    high: float

    def within(self, side: float, head: float = 0.0) -> _Place:
        """Give what is left of it inside its margins."""
        wide, high = max(0.0, self.wide - 2 * side), max(0.0, self.high - 2 * side - head)
        return _Place(self.left + side, self.bottom + side, wide, high)


def chart_volume_map(usage: pd.DataFrame) -> Chart:
    """Draw all images as areas, pool by pool: the larger the area, the more it takes on its host.

    The colours say what for: what the guests' file systems hold and, at the foot of a disk, what they could
    give back; images that others lie on; those that nobody is known to use. What no volume explains is not
    drawn. Small ones are put together. A pool's own area counts the line with its name, so areas of images
    compare within a pool.

    Parameters
    ----------
    usage : pandas.DataFrame
        The frame ``usage``.

    Returns
    -------
    Chart
        A matplotlib figure that shows itself in a notebook; ``alt`` says in words what it shows.

    Raises
    ------
    BadValue
        The frame is another one, or has no image that takes anything.
    """
    expect_usage(usage, "chart_volume_map")
    pools = _read(usage)
    if not pools:
        raise BadValue("There is no image that takes anything", "look into the columns status and problem")
    with look():
        return finish(_draw(pools, words.origin(usage, "Read")))


def _read(usage: pd.DataFrame) -> list[_Box]:
    """Give the pools with their images, the largest first."""
    images = usage[usage["path"].notna() | usage["volume"].notna()]
    called = images["volume"].where(images["volume"].notna(), images["path"])
    pools = words.names(images.assign(candidate=images["pool"].fillna(_NOWHERE)))
    found: dict[str, list[_Box]] = defaultdict(list)
    for pool, name, sizes in zip(pools, called, split(images), strict=True):
        size = sum(sizes.values())
        if size > 0:
            found[pool].append(_Box(name, size, sizes))
    return _sorted(_together(pool, boxes) for pool, boxes in found.items())


def _together(name: str, boxes: Iterable[_Box]) -> _Box:
    inside = _sorted(boxes)
    return _Box(name, sum(box.size for box in inside), totals(box.sizes for box in inside), inside)


def _sorted(boxes: Iterable[_Box]) -> list[_Box]:
    return sorted(boxes, key=lambda box: (-box.size, str(box.name)))


def _gathered(boxes: list[_Box], least: float, thing: str) -> list[_Box]:
    """Put those below a size into one, at the end."""
    small = [box for box in boxes if box.size < least]
    if len(small) < 2:
        return boxes
    more = _together(words.count(len(small), f"smaller {thing}"), small)
    return [*boxes[: len(boxes) - len(small)], more]


def _draw(pools: list[_Box], origin: str) -> Chart:
    parts = present(pool.sizes for pool in pools)
    foot = "\n".join(filter(None, [meanings(parts, images=True), origin]))
    title = "What the images take, pool by pool"
    chart = Chart(title, _alt(pools), _GAP + _HIGH + LEGEND, foot)
    across = WIDTH - 2 * SIDE
    axes = chart.place(SIDE, _GAP, across, _HIGH)
    axes.set_axis_off()
    axes.set_xlim(0, across)
    axes.set_ylim(0, _HIGH)
    whole = sum(pool.size for pool in pools)
    shown = _gathered(pools, whole * _LEAST_POOL, "pool")
    for pool, place in _laid(shown, _Place(0, 0, across, _HIGH)):
        _draw_pool(axes, pool, place, whole * _LEAST)
    legend(chart, _GAP + _HIGH, parts)
    return chart


def _laid(boxes: list[_Box], place: _Place) -> list[tuple[_Box, _Place]]:
    """Give each box its place: as square as may be, of an area in proportion to its size."""
    if place.wide <= 0 or place.high <= 0:
        return []
    ordered = _sorted(boxes)
    sizes = squarify.normalize_sizes([box.size for box in ordered], place.wide, place.high)
    rectangles = squarify.squarify(sizes, place.left, place.bottom, place.wide, place.high)
    mirror = 2 * place.bottom + place.high  # so that the largest stands at the top
    return [
        (box, _Place(at["x"], mirror - at["y"] - at["dy"], at["dx"], at["dy"]))
        for box, at in zip(ordered, rectangles, strict=True)
    ]


def _draw_pool(axes: Axes, pool: _Box, place: _Place, least: float) -> None:
    side = min(0.03, place.wide / 10, place.high / 10)
    said = words.label(pool.name, place.wide - 2 * side - 0.1) if place.wide > 0.6 else ""
    size = format_size(int(pool.size))
    head = _HEAD if said and place.high > 3 * _HEAD else 0.0
    if head:
        top = place.bottom + place.high - side - head / 2
        right = place.left + place.wide - side
        if width_of(said) + width_of(size, SMALL) + 0.3 < place.wide:
            axes.text(right - 0.04, top, size, ha="right", va="center", size=SMALL, color=SOFT)
        axes.text(place.left + side + 0.02, top, said, va="center", size=PLAIN, weight="normal", color=INK)
    frame = Rectangle((place.left, place.bottom), place.wide, place.high, fill=False, lw=1.4, ec=INK)
    frame.set_label(str(pool.name))
    axes.add_patch(frame)
    for image, where in _laid(_gathered(pool.inside, least, "image"), place.within(side, head)):
        _draw_image(axes, image, where)


def _draw_image(axes: Axes, image: _Box, place: _Place) -> None:
    """Draw what an image is taken for, from the top down, and its name in the largest part."""
    top = place.bottom + place.high
    room = _Place(0, 0, 0, 0)
    largest = max(image.sizes, key=lambda part: image.sizes[part])
    for part in PARTS:
        size = image.sizes.get(part, 0.0)
        if size <= 0:
            continue
        high = place.high * size / image.size
        top -= high
        axes.add_patch(Rectangle((place.left, top), place.wide, high, label=part, **look_of(part)))
        if part == largest:
            room = _Place(place.left, top, place.wide, high)
    outline = Rectangle((place.left, place.bottom), place.wide, place.high, fill=False, lw=0.8, ec=INK)
    axes.add_patch(outline)
    _write(axes, image, room, largest)


def _write(axes: Axes, image: _Box, room: _Place, part: str) -> None:
    """Write the name, and the size below it, where there is room for them."""
    name, size = words.label(image.name), format_size(int(image.size))
    wide = room.wide - 0.1
    if width_of(name, SMALL) > wide:
        name = words.label(image.name, wide) if wide > 0.2 else ""
        if len(name) < _TELLING:
            return
    lines = [name, size][: int((room.high - 0.04) / _LINE)]
    if width_of(size, SMALL) > wide:
        lines = lines[:1]
    ground = {"facecolor": PARTS[part]["facecolor"], "edgecolor": "none", "pad": 0.5}
    for number, line in enumerate(lines):
        axes.text(
            room.left + 0.05,
            room.bottom + room.high - 0.03 - number * _LINE,
            line,
            va="top",
            size=SMALL,
            color=PARTS[part]["ink"],
            bbox=ground if PARTS[part]["hatch"] else None,
        )


def _alt(pools: list[_Box]) -> str:
    images = [(image, pool) for pool in pools for image in pool.inside]
    whole = format_size(int(sum(pool.size for pool in pools)))
    verb = "takes" if len(images) == 1 else "take"
    said = [f"What {words.count(len(images), 'image')} in {words.count(len(pools), 'pool')} {verb}: {whole}"]
    if len(pools) > 1:
        said.append("by pool " + words.listed([f"{p.name} {format_size(int(p.size))}" for p in pools], 5))
    sums = totals(pool.sizes for pool in pools)
    said.append(", ".join(f"{part} {format_size(int(size))}" for part, size in sums.items() if size > 0))
    images.sort(key=lambda each: (-each[0].size, str(each[0].name)))
    largest = [
        f"{words.label(image.name)} in {pool.name} {format_size(int(image.size))}" for image, pool in images
    ]
    said.append(f"the largest {'is' if len(images) == 1 else 'are'} {words.listed(largest[:5], 5)}")
    return "; ".join(said) + "."
