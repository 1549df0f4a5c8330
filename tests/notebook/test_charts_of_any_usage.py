"""The charts of usage take any frame: empty, of another kind, of one row or many, with hostile names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

import kvmnb
from kvmnb.errors import BadValue
from kvmnb.notebook.charts import (
    Chart,
    chart_allocated,
    chart_largest,
    chart_overcommit,
    chart_pool_use,
    chart_volume_map,
)
from kvmnb.schema import LAYERS, OVERCOMMIT, USAGE
from tests.forms.browsed import pool, pools
from tests.notebook.comparison import GIB, row
from tests.notebook.drawn import hanging_over, names_on, written_on
from tests.notebook.test_charts_of_any_frame import _HOSTILE
from tests.notebook.usage import FILLED, POOLS, PROMISED, disk, overcommitted, promise, rest, usage

_Draw = Callable[[pd.DataFrame], Chart]


def _use(frame: pd.DataFrame) -> Chart:
    return chart_pool_use(frame, POOLS)


_DRAW: dict[str, tuple[_Draw, pd.DataFrame]] = {
    "pool_use": (_use, FILLED),
    "largest": (chart_largest, FILLED),
    "allocated": (chart_allocated, FILLED),
    "volume_map": (chart_volume_map, FILLED),
    "overcommit": (chart_overcommit, PROMISED),
}
_each = pytest.mark.parametrize(("draw", "frame"), _DRAW.values(), ids=list(_DRAW))


def test_they_are_public() -> None:
    for draw in (chart_allocated, chart_largest, chart_overcommit, chart_pool_use, chart_volume_map):
        assert getattr(kvmnb, draw.__name__) is draw


@_each
def test_a_frame_of_another_kind_is_refused_by_name(draw: _Draw, frame: pd.DataFrame) -> None:
    kind = frame.attrs["frame"]
    with pytest.raises(BadValue, match=f"draws the frame '{kind}', and the frame 'layers' has no column"):
        draw(LAYERS.empty())


@_each
def test_what_is_written_fits_and_says_where_it_was_read(draw: _Draw, frame: pd.DataFrame) -> None:
    chart = draw(frame)
    assert chart.alt.isprintable()
    assert hanging_over(chart) == []
    assert any("Read on kvm1, at 2026-11-25 08:00 UTC." in text.get_text() for text in written_on(chart))


@pytest.mark.parametrize("draw", [chart_largest, chart_allocated, chart_volume_map])
@pytest.mark.parametrize("rows", [[], [rest("p", GIB)], [row(USAGE, host="h", status="timed out")]])
def test_a_frame_without_images_says_so(draw: _Draw, rows: list[dict[str, Any]]) -> None:
    with pytest.raises(BadValue, match=r"There is no .* Look into the columns status and problem"):
        draw(usage(*rows))


def test_a_frame_without_pools_says_so() -> None:
    with pytest.raises(BadValue, match="There is no pool to draw"):
        chart_pool_use(FILLED, pools())
    with pytest.raises(BadValue, match="There is no pool to draw"):
        chart_overcommit(OVERCOMMIT.empty())


def test_rows_of_hosts_that_could_not_be_read_are_named() -> None:
    unread = [row(frame, host="kvm2", status="unreachable") for frame in (USAGE, OVERCOMMIT)]
    dead = (
        pool("x")
        | dict.fromkeys(("name", "state", "capacity", "allocation"))
        | {"host": "kvm2", "status": "unreachable"}
    )
    kept = [one for one in FILLED.to_dict("records") if one["pool"] == "vmdisk"]
    both = usage(*({str(k): None if v is pd.NA else v for k, v in one.items()} for one in kept), unread[0])
    for chart in (
        chart_pool_use(both, pools(pool("vmdisk", 1000 * GIB, 700 * GIB), dead)),
        chart_overcommit(overcommitted(promise("vmdisk", GIB, GIB, 0), unread[1])),
    ):
        assert names_on(chart.axes[0]) == ["vmdisk, kvm1", "–, kvm2"]  # noqa: RUF001
        assert "unreachable" in [text.get_text() for text in written_on(chart)]
    for draw in (chart_largest, chart_allocated, chart_volume_map):
        assert draw(both).alt


@pytest.mark.parametrize("most", [0, -1, 1.5, "3", None, True])
@pytest.mark.parametrize("draw", [chart_largest, chart_allocated])
def test_how_many_is_a_whole_number(draw: Any, most: Any) -> None:  # noqa: ANN401 - anything may be given
    with pytest.raises(BadValue, match=r"most cannot be .* Give a whole number from 1"):
        draw(FILLED, most)


def test_hostile_names_are_written_as_they_are() -> None:
    names = [name for name in _HOSTILE if name]
    rows = [disk(name, name, (n + 1) * GIB, GIB, 20 * GIB, guest=name) for n, name in enumerate(names)]
    frame = usage(*rows)
    own = pools(*(pool(name, 20 * GIB, (n + 1) * GIB) for n, name in enumerate(names)))
    promised = overcommitted(*(promise(name, 20 * GIB, GIB, 40 * GIB, fills_alone=(name,)) for name in names))
    for chart in (
        chart_pool_use(frame, own),
        chart_largest(frame),
        chart_allocated(frame),
        chart_volume_map(frame),
        chart_overcommit(promised),
    ):
        assert not any(text.get_parse_math() for text in written_on(chart))
        assert all(text.get_text().replace("\n", "").isprintable() for text in written_on(chart))
        assert chart.alt.isprintable()
        assert hanging_over(chart) == []


@pytest.mark.parametrize("size", [1, 2**62])
def test_a_size_of_any_order(size: int) -> None:
    frame = usage(disk("p", "v", size, size // 2, size), rest("p", 0))
    promised = overcommitted(promise("p", size, size // 2, size))
    for chart in (
        chart_pool_use(frame, pools(pool("p", size, size))),
        chart_largest(frame),
        chart_allocated(frame),
        chart_volume_map(frame),
        chart_overcommit(promised),
    ):
        assert hanging_over(chart) == []


@pytest.mark.parametrize("number", [1, 40])
def test_one_and_forty_pools(number: int) -> None:
    frame = usage(*(disk(f"p{n}", f"v{n}", (n + 1) * GIB, GIB, 99 * GIB) for n in range(number)))
    own = pools(*(pool(f"p{n}", 99 * GIB, (n + 1) * GIB) for n in range(number)))
    promised = overcommitted(*(promise(f"p{n}", GIB, 0, n * GIB // 8) for n in range(number)))
    for chart in (chart_pool_use(frame, own), chart_overcommit(promised)):
        assert len(names_on(chart.axes[0])) == number
    assert f"{number} pool" in chart_volume_map(frame).alt
