"""The chart of the trend draws the histories and the forecasts that the frames have, and says them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection

import kvmnb
from kvmnb.errors import BadValue
from kvmnb.notebook.charts import Chart, chart_trend
from kvmnb.notebook.charts.trend_lines import AHEAD, BAND, PAST
from kvmnb.notebook.charts.words import label
from kvmnb.schema import POOLS, TREND
from kvmnb.trends.days import DAY
from kvmnb.trends.frame import trend
from tests.notebook.drawn import contrast, hanging_over, line_on, texts_on, xs, ys
from tests.trends.made import GIB, START, filesystems, pools

_DAYS = np.arange(0, 60, 0.25)
_LINE = 600 * GIB + 4 * GIB * _DAYS
_FIRST = START / DAY
_UNTIL = _FIRST + 59.75


def _noisy(size: float = 8 * GIB, seed: int = 0) -> Any:  # noqa: ANN401 - an array
    return _LINE + size * np.random.default_rng(seed).standard_normal(len(_DAYS))


_NOISY = pools("vm", _DAYS, _noisy())
_KINDS = pd.concat(
    [
        _NOISY,
        pools("flat", _DAYS, np.full(240, 200 * GIB)),
        pools("wide", _DAYS, 300 * GIB + np.cumsum(_noisy(5 * GIB) - _LINE)),
        pools("full", _DAYS, np.full(240, 1000 * GIB)),
        pools("gone", _DAYS[:100], _LINE[:100]),
        pools("young", _DAYS[-9:], _LINE[-9:]),
        pools("off", _DAYS, [None] * 240, problem="inactive"),
    ]
)


@pytest.fixture(scope="module", name="every")
def _every() -> Chart:
    return chart_trend(trend(_KINDS), _KINDS)


def _band(axes: Axes) -> Any:  # noqa: ANN401 - an array of corners
    [found] = [part for part in axes.collections if isinstance(part, PolyCollection)]
    return np.asarray(found.get_paths()[0].vertices)


def _labels(axes: Axes) -> set[str]:
    return {str(line.get_label()) for line in axes.lines}


def _panels(chart: Chart) -> dict[str, Axes]:
    return {str(axes.get_label()): axes for axes in chart.axes}


def test_the_past_is_drawn_as_it_was() -> None:
    history = pools("vm", _DAYS, _LINE)
    axes = chart_trend(trend(history), history).axes[0]
    taken = line_on(axes, "taken")
    assert xs(taken) == pytest.approx(list(_FIRST + _DAYS))
    assert ys(taken) == [float(size) for size in history["allocation"]]
    assert set(ys(line_on(axes, "holds"))) == {1000.0 * GIB}


def test_the_forecast_goes_on_from_the_last_sample_at_the_growth_until_it_is_full() -> None:
    told = trend(_NOISY)
    row = told.iloc[0]
    axes = chart_trend(told, _NOISY).axes[0]
    ahead = line_on(axes, "forecast")
    assert xs(ahead)[0] == pytest.approx(_UNTIL)
    assert ys(ahead)[0] == float(row["now"])
    slopes = np.diff(ys(ahead)[:-1]) / np.diff(xs(ahead)[:-1])
    assert slopes == pytest.approx(np.full(len(slopes), row["growth"]), rel=1e-6)
    assert ys(ahead)[-1] == row["capacity"]
    full = line_on(axes, "full")
    assert xs(full) == pytest.approx([_UNTIL + row["days"]])
    assert ys(full) == [float(row["capacity"])]
    assert xs(line_on(axes, "between")) == pytest.approx(
        [_UNTIL + row[f"days_{end}"] for end in ("least", "most")]
    )
    assert f"{row['full_at']:%Y-%m-%d}" in [text.get_text() for text in axes.texts]


def test_the_band_lies_between_the_least_and_the_most_growth() -> None:
    told = trend(_NOISY)
    row = told.iloc[0]
    corners = _band(chart_trend(told, _NOISY).axes[0])
    for rate in ("growth_least", "growth_most"):
        line = row["now"] + row[rate] * (corners[:, 0] - _UNTIL)
        at = np.abs(corners[:, 1] - np.clip(line, 0, row["capacity"])) < 1e-6 * row["capacity"]
        assert at.sum() > 100
    assert corners[:, 1].max() <= row["capacity"]
    assert corners[:, 0].min() == pytest.approx(_UNTIL)


def test_a_forecast_stays_within_the_chart_and_above_nothing() -> None:
    history = pools("vm", _DAYS, (_LINE[::-1] - 600 * GIB) * 0.5 + _noisy() - _LINE + 100 * GIB)
    axes = chart_trend(trend(history), history).axes[0]
    assert min(ys(line_on(axes, "forecast"))) >= 0
    assert _band(axes)[:, 1].min() >= 0
    assert "full" not in _labels(axes)


@pytest.mark.parametrize(
    ("name", "drawn", "said"),
    [
        ("vm", {"taken", "holds", "capacity", "forecast", "between", "full"}, "full 2026-"),
        ("flat", {"taken", "holds", "capacity", "forecast"}, "not growing"),
        ("wide", {"taken", "holds", "capacity", "forecast"}, "may grow, or not"),
        ("full", {"taken", "holds", "capacity", "between", "full"}, "full"),
        ("gone", {"taken", "holds", "capacity"}, "gone"),
        ("young", {"taken", "holds", "capacity"}, "not enough data"),
    ],
)
def test_each_status_is_drawn_and_said_in_its_way(
    every: Chart, name: str, drawn: set[str], said: str
) -> None:
    axes = _panels(every)[name]
    assert _labels(axes) == drawn
    assert any(text.get_text().startswith(said) for text in axes.texts if text.get_fontweight() == "bold")


def test_texts_stay_within_the_page_and_say_the_rest(every: Chart) -> None:
    assert hanging_over(every) == []
    assert " at the soonest" in every.alt


def test_what_was_never_read_and_what_is_too_much_is_named_below(every: Chart) -> None:
    chart = chart_trend(trend(_KINDS), _KINDS, most=2)
    assert list(_panels(chart)) == ["full", "vm"]
    assert chart.alt.endswith("Host: kvm1. Not drawn: 4 others. Not known: off.")
    assert "Not known: off." in " ".join(texts_on(chart)).replace("\n", " ")
    assert list(_panels(every)) == ["full", "vm", "wide", "flat", "gone", "young"]


def test_all_panels_share_their_days_and_the_last_says_them(every: Chart) -> None:
    assert len({axes.get_xlim() for axes in every.axes}) == 1
    shown = [
        [tick.get_text() for tick in axes.get_xticklabels() if tick.get_visible()] for axes in every.axes
    ]
    assert not any(shown[:-1])
    assert shown[-1][0] == "2026-03-01"


def test_a_time_without_samples_is_a_gap() -> None:
    there = (_DAYS < 20) | (_DAYS > 30)
    history = pools("vm", _DAYS[there], _LINE[there])
    taken = line_on(chart_trend(trend(history), history).axes[0], "taken")
    [gap] = np.flatnonzero(np.isnan(ys(taken)))
    assert xs(taken)[gap - 1] == pytest.approx(_FIRST + 19.75)
    assert xs(taken)[gap + 1] == pytest.approx(_FIRST + 30.25)


def test_a_disk_that_was_enlarged_is_a_stair() -> None:
    history = pools("vm", _DAYS, _LINE, np.where(_DAYS < 30, 900 * GIB, 1500 * GIB))
    chart = chart_trend(trend(history), history)
    assert set(ys(line_on(chart.axes[0], "holds"))) == {900.0 * GIB, 1500.0 * GIB}
    assert set(ys(line_on(chart.axes[0], "capacity"))) == {1500.0 * GIB}
    assert "its size changed from 900 GiB to 1.46" in texts_on(chart)


def test_a_year_of_five_minutes_is_thinned_and_keeps_its_spikes() -> None:
    days = np.arange(0, 365, 1 / 288)
    sizes = 100 * GIB + GIB * days
    sizes[[777, 77_777]] = [900 * GIB, 0]
    # Not through `pools`, which makes a row at a time.
    history = pd.DataFrame({"host": "kvm1", "name": "vm", "capacity": 1000 * GIB, "allocation": sizes})
    history["available"] = 1000 * GIB - sizes
    history["sampled_at"] = pd.to_datetime(START + np.round(days * DAY).astype(np.int64), utc=True)
    taken = line_on(chart_trend(trend(history), history).axes[0], "taken")
    assert len(xs(taken)) <= 1100
    assert {900.0 * GIB, 0.0} <= set(ys(taken))


def test_without_a_history_there_is_the_last_sample_and_the_forecast() -> None:
    told = trend(_NOISY)
    axes = chart_trend(told).axes[0]
    assert xs(line_on(axes, "taken")) == pytest.approx([_UNTIL])
    assert ys(line_on(axes, "taken")) == [float(told["now"].iloc[0])]
    assert {"forecast", "full", "capacity"} <= _labels(axes)


def test_a_host_is_named_where_there_are_several_and_has_its_own_history() -> None:
    both = pd.concat([pools("vm", _DAYS, _LINE), pools("vm", _DAYS, _LINE / 2, host="kvm2")])
    panels = _panels(chart_trend(trend(both), both))
    assert set(panels) == {"vm, kvm1", "vm, kvm2"}
    assert ys(line_on(panels["vm, kvm2"], "taken"))[0] == 300 * GIB


def test_file_systems_are_drawn_with_pools() -> None:
    inside = filesystems("web", _DAYS, 30 * GIB + GIB * _DAYS / 2)
    chart = chart_trend(trend(_NOISY, inside), _NOISY, inside)
    assert set(_panels(chart)) == {"vm", "web /dev/sda1"}


def test_the_words_say_all_of_it() -> None:
    history = pools("vm", _DAYS, _LINE)
    assert chart_trend(trend(history), history).alt == (
        "How storage fills, and when it is full. "
        "vm: 839 GiB of 1000 GiB, 84 %; +4 GiB a day; full 2026-06-09. Host: kvm1."
    )
    stepped = pools("vm", _DAYS, _LINE - 100 * GIB * (_DAYS > 30))
    assert "; 1 sudden change left out." in chart_trend(trend(stepped), stepped).alt
    noisy = chart_trend(trend(_NOISY), _NOISY).alt
    assert "+3.93 GiB a day (+3.77 to +4.1 GiB); full 2026-06-12, from 2026-06-10 to 2026-06-13." in noisy


def test_what_is_made_up_is_marked_so() -> None:
    history = pools("vm", _DAYS, _LINE)
    history.attrs["made_up"] = True
    chart = chart_trend(trend(history), history)
    assert "The history is made up." in chart.alt
    assert "The history is made up." in " ".join(texts_on(chart)).replace("\n", " ")
    assert "made up" not in chart_trend(trend(_NOISY), _NOISY).alt


def test_far_days_are_told_in_years() -> None:
    slow = pools("vm", _DAYS, 600 * GIB + 0.05 * GIB * _DAYS)
    assert "full in 22 years" in chart_trend(trend(slow), slow).alt
    slower = pools("vm", _DAYS, 600 * GIB + 10**6 * _DAYS)
    assert "full in over 100 years" in chart_trend(trend(slower), slower).alt


def test_past_forecast_and_spread_differ_in_grey_and_by_line() -> None:
    axes = chart_trend(trend(_NOISY), _NOISY).axes[0]
    assert line_on(axes, "forecast").is_dashed()
    assert not line_on(axes, "taken").is_dashed()
    assert contrast(PAST, "white") > 4.5
    assert contrast(AHEAD, "white") > 4.5
    assert contrast(PAST, AHEAD) > 1.4
    assert contrast(AHEAD, BAND["facecolor"]) > 3
    assert BAND["hatch"]


_HOSTILE = ["$\\frac{1}{0}$", "two\nlines\x1b[31m", "<script>", "磁盘", "\udcff", "", "_hidden", "W" * 500]


def test_hostile_names_are_written_as_they_are() -> None:
    every = pd.concat([pools(name, _DAYS, _LINE, problem="a\nb") for name in _HOSTILE])
    chart = chart_trend(trend(every), every)
    assert set(_panels(chart)) == {label(name, 5.4) for name in _HOSTILE}
    assert chart.alt.isprintable()
    assert hanging_over(chart) == []


@pytest.mark.parametrize("size", [1, 1000, 2**50, 2**62])
def test_a_size_of_any_order(size: int) -> None:
    history = pools("vm", _DAYS, np.minimum(size, size * _DAYS / 90), size)
    chart = chart_trend(trend(history), history)
    assert chart.axes[0].get_ylim()[1] > size
    assert hanging_over(chart) == []


def test_another_frame_or_nothing_to_draw_is_refused() -> None:
    with pytest.raises(BadValue, match="draws the frame 'trend', and the frame 'pools' has no column"):
        chart_trend(POOLS.empty())
    with pytest.raises(BadValue, match="no pool or file system with a history"):
        chart_trend(TREND.empty())
    with pytest.raises(BadValue, match="no pool or file system with a history"):
        chart_trend(trend(pools("off", _DAYS, [None] * 240)))
    with pytest.raises(BadValue, match="needs a history of 'pools'"):
        chart_trend(trend(_NOISY), POOLS.empty().drop(columns="name"))
    for none in (0, 1.5, "8"):
        with pytest.raises(BadValue, match="most cannot be"):
            chart_trend(trend(_NOISY), most=none)  # type: ignore[arg-type]


def test_days_are_few_and_apart_however_long_the_history() -> None:
    for span in (8, 45, 760, 9000):
        days = np.linspace(0, span, 40)
        history = pools("vm", days, 300 * GIB + GIB * days / span)
        chart = chart_trend(trend(history), history)
        boxes = [tick.get_window_extent() for tick in chart.axes[0].get_xticklabels() if tick.get_text()]
        assert 2 <= len(boxes) <= 8
        assert all(one.x1 < other.x0 for one, other in pairwise(boxes)), span


def test_it_is_public_and_its_picture_carries_its_words() -> None:
    assert kvmnb.chart_trend is chart_trend
    chart = chart_trend(trend(_NOISY), _NOISY)
    assert "alt='How storage fills" in chart.html()


def test_what_is_to_be_known_of_an_uncertain_growth_is_written_and_said() -> None:
    history = pools("vm", _DAYS, 600 * GIB + np.where(_DAYS < 40, -5 * _DAYS, -200 + 15 * (_DAYS - 40)) * GIB)
    told = trend(history)
    assert told["status"].tolist() == ["uncertain"]
    chart = chart_trend(told, history)
    written = " ".join(texts_on(chart))
    for said in (written, chart.alt):
        assert "its pace changed about 2026-04-" in said
        assert "both growing and shrinking" not in said  # "may grow, or not" says it
    assert not hanging_over(chart)


@pytest.mark.parametrize(
    ("days", "alone"), [([3.0], [0]), ([0, 0.5, 1, 1.5, 2, 20, 40], [6, 8]), (_DAYS[:9], [])]
)
def test_a_sample_that_stands_alone_is_seen(days: Any, alone: list[int]) -> None:  # noqa: ANN401
    history = pools("vm", days, np.full(len(days), 600 * GIB))
    line = line_on(chart_trend(trend(history), history).axes[0], "taken")
    assert line.get_marker() == "o"
    assert line.get_markevery() == alone
