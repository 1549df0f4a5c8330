"""The chart of storage pools draws the frames' own figures, and says them."""

from __future__ import annotations

from typing import Any, cast

import pandas as pd
import pytest
from matplotlib.patches import Rectangle

from kvmnb.errors import BadValue
from kvmnb.notebook.charts import Chart, chart_pools
from kvmnb.notebook.charts.pools import FARTHEST, LOOKS
from kvmnb.schema import VOLUMES
from tests.forms.browsed import pool, pools
from tests.notebook.comparison import GIB
from tests.notebook.drawn import contrast, hanging_over, line_on, names_on, texts_on, xs

_POOLS = pools(
    pool("vmdisk", 100 * GIB, 40 * GIB),
    pool("full", 2000 * GIB, 1999 * GIB),
    pool("off", None, None),
    pool("empty", 10 * GIB, 0),
)


def _volumes(*capacities: tuple[str, int | None], host: str = "kvm1") -> pd.DataFrame:
    known = [{"host": host, "pool": name, "capacity": capacity} for name, capacity in capacities]
    return VOLUMES.build([dict.fromkeys(VOLUMES.names) | row for row in known])


_PROMISED = _volumes(("vmdisk", 150 * GIB), ("vmdisk", 20 * GIB), ("full", 9000 * GIB), ("off", None))


def _bars(chart: Chart, part: str) -> dict[str, tuple[float, float]]:
    """Give where each pool's part of a bar begins and ends, by the pool's name."""
    axes = chart.axes[0]
    found = [box for bars in axes.containers if bars.get_label() == part for box in cast("Any", bars)]
    names, ends = names_on(axes), {}
    for box in cast("list[Rectangle]", found):
        middle = round(box.get_y() + box.get_height() / 2)
        ends[names[middle]] = (box.get_x(), box.get_x() + box.get_width())
    return ends


def test_bars_are_allocated_then_free_the_fullest_first() -> None:
    chart = chart_pools(_POOLS)
    assert names_on(chart.axes[0]) == ["full", "vmdisk", "empty", "off"]
    assert _bars(chart, "allocated")["vmdisk"] == pytest.approx((0, 0.4))
    assert _bars(chart, "free") == {
        "full": pytest.approx((0.9995, 1)),
        "vmdisk": pytest.approx((0.4, 1)),
        "empty": pytest.approx((0, 1)),
    }


def test_figures_stand_beside_their_bars() -> None:
    chart = chart_pools(_POOLS, _PROMISED)
    table = chart.axes[1]
    row = names_on(chart.axes[0]).index("vmdisk")
    written = [text.get_text() for text in table.texts if text.get_position()[1] == row]
    assert written == ["40 GiB, 40 %", "60 GiB", "100 GiB", "170 GiB, 170 %"]
    assert "1.95 TiB, 99 %" in texts_on(chart)  # nearly full is not full
    assert "inactive, so not known" in texts_on(chart)
    assert hanging_over(chart) == []


def test_what_is_promised_stands_where_it_belongs_or_at_the_edge() -> None:
    axes = chart_pools(_POOLS, _PROMISED).axes[0]
    drawn = {line.get_ydata()[0]: line for line in axes.lines if line.get_label() == "promised"}  # type: ignore[index]
    names = names_on(axes)
    vmdisk, full = drawn[names.index("vmdisk")], drawn[names.index("full")]
    assert xs(vmdisk) == pytest.approx([1.7])
    assert xs(full) == [FARTHEST]
    assert full.get_marker() != vmdisk.get_marker()
    assert len(drawn) == 2  # nothing is promised in the empty one, and nobody knows of the other
    assert axes.get_xlim()[1] > FARTHEST


def test_without_volumes_nothing_is_said_of_what_is_promised() -> None:
    chart = chart_pools(_POOLS)
    assert "promised" not in " ".join([*texts_on(chart), chart.alt])
    assert chart.axes[0].get_xlim()[1] == pytest.approx(1.04)


def test_a_volume_of_another_host_promises_nothing_here() -> None:
    alt = chart_pools(_POOLS, _volumes(("vmdisk", 900 * GIB), host="kvm2")).alt
    assert "no pool has promised more than it has" in alt


def test_a_capacity_that_is_not_known_makes_the_sum_unknown() -> None:
    chart = chart_pools(_POOLS, _volumes(("vmdisk", 10 * GIB), ("vmdisk", None)))
    assert "promised more" not in chart.alt
    row = names_on(chart.axes[0]).index("vmdisk")
    assert [t.get_text() for t in chart.axes[1].texts if t.get_position()[1] == row][-1] == "–"  # noqa: RUF001


def test_the_words_say_what_matters() -> None:
    assert chart_pools(_POOLS, _PROMISED).alt == (
        "How full 4 storage pools are; allocated from 0 % (empty) to 99 % (full); "
        "together 1.99 TiB of 2.06 TiB; "
        "more is promised than there is in full (8.79 TiB, 450 %) and vmdisk (170 GiB, 170 %). "
        "Not known: off."
    )


def test_parts_differ_in_grey() -> None:
    assert contrast(LOOKS["allocated"]["facecolor"], LOOKS["free"]["facecolor"]) > 7
    promised = line_on(chart_pools(_POOLS, _PROMISED).axes[1], "promised")
    for part in LOOKS.values():
        assert contrast(promised.get_markerfacecolor(), part["facecolor"]) > 1.5
    assert promised.get_marker() == "D"


def test_the_picture_carries_its_words() -> None:
    html = chart_pools(pools(pool("<b>'x'"))).html()
    assert "alt='How full 1 storage pool is; allocated 0 % (&lt;b&gt;&#x27;x&#x27;)" in html
    assert html.count("<") == 1
    assert "src='data:image/png;base64,iVBOR" in html


def test_a_frame_without_pools_or_of_another_kind_is_refused() -> None:
    with pytest.raises(BadValue, match="There is no pool to draw"):
        chart_pools(pools())
    with pytest.raises(BadValue, match="draws the frame 'pools'"):
        chart_pools(VOLUMES.empty())
    with pytest.raises(BadValue, match="draws the frame 'volumes'"):
        chart_pools(_POOLS, _POOLS)
