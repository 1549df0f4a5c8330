"""The charts say in words what they show, and take any frame: empty, of another kind, with hostile names."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from kvmnb.errors import BadValue
from kvmnb.notebook.charts import Chart, chart_growth, chart_layers, chart_sizes, chart_speed
from kvmnb.notebook.charts.words import drawable, extremes, label, listed, size_ticks
from kvmnb.schema import FORMATS, GROWTH, LAYERS
from tests.notebook import comparison as made
from tests.notebook.comparison import GIB, KIB, MIB
from tests.notebook.drawn import hanging_over, names_on, texts_on, written_on, ys

_Draw = Callable[[pd.DataFrame], Chart]


def test_the_words_name_the_extremes(drawn: dict[str, Chart]) -> None:
    assert "17 candidates" in drawn["sizes"].alt
    assert "allocated size from 4 KiB (raw) to 1 GiB (" in drawn["sizes"].alt
    assert "apparent size from 4.05 KiB (qcow) to 1 GiB (" in drawn["sizes"].alt
    assert drawn["sizes"].alt.endswith("Not measured: vpc.")
    assert "from 4 KiB (raw) to 1 GiB (raw full)" in drawn["growth"].alt
    assert "with up to 128 MiB written" in drawn["growth"].alt
    assert "3, write 4 KiB through the overlay: base 320 KiB, overlay 192 KiB" in drawn["layers"].alt
    assert "The overlay takes from 196 KiB (step 2) to 452 KiB (step 3)." in drawn["layers"].alt
    assert "Random read: from 0.2 (luks) to 1 (raw)." in drawn["speed"].alt


def test_words_for_extremes_and_lists() -> None:
    assert extremes(["a", "b", "c"], [1.0, np.nan, 1.0], ["x", "?", "x"]) == "x (a and c)"
    assert extremes(["a", "b"], [1.0, 2.0], ["1", "2"]) == "from 1 (a) to 2 (b)"
    assert listed(["a"]) == "a"
    assert listed(list("abcd")) == "a, b, c and d"
    assert listed(list("abcdef")) == "a, b, c and 3 more"


@pytest.mark.parametrize("top", [1, 5, 1000, 300 * MIB, GIB, 2**63])
def test_ticks_are_few_and_round(top: int) -> None:
    ticks = size_ticks(top)
    assert ticks[0] == 0
    assert 2 <= len(ticks) <= 8
    assert ticks[-1] <= top < ticks[-1] + ticks[1]
    assert ticks[1].bit_count() == 1


def test_every_chart_says_where_it_was_measured(drawn: dict[str, Chart]) -> None:
    for name, chart in drawn.items():
        assert any("Measured on node1, in /var/tmp" in text.replace("\n", " ") for text in texts_on(chart)), (
            name
        )
    assert any("with QEMU 7.2.22, at 2026-11-25 03:00 UTC." in text for text in texts_on(drawn["sizes"]))


_EMPTY = {chart_sizes: FORMATS, chart_speed: FORMATS, chart_growth: GROWTH, chart_layers: LAYERS}
_each = pytest.mark.parametrize("draw", _EMPTY, ids=lambda draw: str(draw.__name__))


@_each
def test_a_frame_without_figures_says_so(draw: _Draw) -> None:
    declared = _EMPTY[draw]
    unknown = [made.row(declared, **{declared.names[1]: "a"} if declared is not LAYERS else {})]
    for rows in ([], unknown):
        with pytest.raises(BadValue, match=r"no candidate|no stretch"):
            draw(declared.build(rows))


@_each
def test_a_frame_of_another_kind_is_refused_by_name(draw: _Draw) -> None:
    declared = _EMPTY[draw]
    other = LAYERS if declared is not LAYERS else GROWTH
    with pytest.raises(
        BadValue, match=f"draws the frame '{declared.name}', and the frame '{other.name}' has no"
    ):
        draw(other.empty())
    with pytest.raises(BadValue, match=f"Give it the frame '{declared.name}'"):
        draw(pd.DataFrame({"candidate": ["a"]}))


def test_an_unknown_stage_is_refused() -> None:
    with pytest.raises(BadValue, match="Choose one of created"):
        chart_sizes(made.formats(), "painted")


_HOSTILE = [
    r"$\frac{1}{0}$",
    "$",
    "a$b$c_{d",
    "two\nlines\ttab\x1b[31m",
    "<script>alert(1)</script>",
    "磁盘镜像",
    "\u202egnp.exe",
    "\udcff",
    "%s{0}{name}",
    "\\",
    "",
    "_hidden",
    "a" * 500,
    "W" * 500,
]


def test_hostile_names_are_written_as_they_are() -> None:
    rows = [made.candidate(name, GIB, KIB, **made.speeds(1)) for name in _HOSTILE]
    grown: dict[str, list[int | None]] = {name: [0, (i + 1) * MIB] for i, name in enumerate(_HOSTILE)}
    charts = [
        (label, chart_sizes(made.formats(*rows))),
        (label, chart_speed(made.formats(*rows))),
        (label, chart_growth(made.growth(grown))),
        (drawable, chart_layers(made.layers(*((name, "bo", KIB, None) for name in _HOSTILE)))),
    ]
    for escaped, chart in charts:
        shown = "".join("".join(texts_on(chart)).split())
        for name in _HOSTILE:
            assert "".join(escaped(name).split()) in shown, name
        assert not any(text.get_parse_math() for text in written_on(chart))
        assert chart.alt.isprintable()
        assert hanging_over(chart) == []


def test_escapes() -> None:
    assert label("a\nb") == r"a\nb"
    assert label("磁") == r"\u78c1"
    assert label("\u202e") == r"\u202e"
    assert label("") == "(no name)"
    assert label(pd.NA) == "–"  # noqa: RUF001
    assert label("begin" + "-" * 90 + "end").startswith("begin-")
    assert label("begin" + "-" * 90 + "end").endswith("-end")


def test_hosts_are_named_where_there_are_several() -> None:
    here = made.formats(made.candidate("raw", GIB, 4096))
    there = made.formats(made.candidate("raw", GIB, 8192, host="node2"))
    both = pd.concat([here, there], ignore_index=True)
    assert names_on(chart_sizes(both).axes[0]) == ["raw, node1", "raw, node2"]


@pytest.mark.parametrize("size", [0, 1, 1023, 2**40, 2**63 - 1])
def test_a_size_of_any_order(size: int) -> None:
    row = made.candidate("raw", size, size, virtual_size=size)
    axes = chart_sizes(made.formats(row)).axes[0]
    left, right = axes.get_xlim()
    assert left < size < right
    assert len(axes.get_xticks()) >= 2
    [curve, _] = chart_growth(made.growth({"raw": [size]})).axes[0].lines
    assert ys(curve) == [float(size)]


def test_one_and_twenty_candidates() -> None:
    for number in (1, 20):
        rows = [made.candidate(f"n{i}", GIB, (i + 1) * KIB, **made.speeds(i % 9)) for i in range(number)]
        for chart in (chart_sizes(made.formats(*rows)), chart_speed(made.formats(*rows))):
            assert len(names_on(chart.axes[0])) == number
            assert f"{number} candidate" in chart.alt
