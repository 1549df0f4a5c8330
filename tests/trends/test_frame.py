"""The trend of pools and file systems says what an analyst would: how fast, when full, or why not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import kvmnb
from kvmnb.errors import BadValue
from kvmnb.schema import TREND, VOLUMES
from kvmnb.trends.frame import trend
from tests.trends.made import GIB, START, filesystems, pools

_DAYS = np.arange(0, 60, 0.25)
_LINE = 300 * GIB + 4 * GIB * _DAYS


def _noise(size: float = GIB, seed: int = 0) -> Any:  # noqa: ANN401 - an array
    return size * np.random.default_rng(seed).standard_normal(len(_DAYS))


def _one(frame: pd.DataFrame) -> Any:  # noqa: ANN401 - a row
    assert len(frame) == 1
    return frame.iloc[0]


def _when(days: float) -> pd.Timestamp:
    return pd.Timestamp(START, unit="ns", tz="UTC") + pd.Timedelta(days=days)


def test_the_frame_is_as_declared_and_public() -> None:
    built = trend(pools("vm", _DAYS, _LINE))
    assert tuple(built.columns) == TREND.names
    assert [str(dtype) for dtype in built.dtypes] == [str(dtype) for dtype in TREND.empty().dtypes]
    assert built.attrs["frame"] == "trend"
    assert kvmnb.trend is trend
    assert "bytes per day" in str(trend.__doc__)


def test_what_was_made_of_a_made_up_history_says_so() -> None:
    history = pools("vm", _DAYS, _LINE)
    assert trend(history).attrs["made_up"] is False
    history.attrs["made_up"] = True
    assert trend(history).attrs["made_up"] is True


def test_a_line_is_told_to_the_byte() -> None:
    row = _one(trend(pools("vm", _DAYS, _LINE)))
    assert (row["host"], row["kind"], row["name"], row["status"]) == ("kvm1", "pool", "vm", "ok")
    assert row["growth"] == pytest.approx(4 * GIB)
    assert row["growth_most"] - row["growth_least"] == pytest.approx(0, abs=GIB / 100)
    assert row["now"] == 300 * GIB + 239 * GIB
    assert row["capacity"] == 1000 * GIB
    assert row["days"] == pytest.approx(461 / 4)
    assert row["full_at"] == pytest.approx(_when(59.75 + 461 / 4), abs=pd.Timedelta("1s"))
    assert (row["since"], row["until"], row["samples"]) == (_when(0), _when(59.75), 240)
    assert row["steps"] == 0
    assert pd.isna(row["problem"])


def test_the_spread_of_days_is_that_of_the_growth() -> None:
    row = _one(trend(pools("vm", _DAYS, _LINE + _noise(10 * GIB))))
    room = row["capacity"] - row["now"]
    assert row["days"] == pytest.approx(room / row["growth"])
    assert row["days_least"] == pytest.approx(room / row["growth_most"])
    assert row["days_most"] == pytest.approx(room / row["growth_least"])
    assert row["days_least"] < row["days"] < row["days_most"]


def test_a_deleted_and_a_new_volume_are_steps_not_growth() -> None:
    taken = _LINE + _noise() - 150 * GIB * (_DAYS > 20) + 80 * GIB * (_DAYS > 41)
    row = _one(trend(pools("vm", _DAYS, taken)))
    assert row["steps"] == 2
    assert row["growth"] == pytest.approx(4 * GIB, rel=0.03)
    assert row["growth_least"] < 4 * GIB < row["growth_most"]


def test_of_a_size_that_changed_the_last_counts() -> None:
    row = _one(trend(pools("vm", _DAYS, _LINE, np.where(_DAYS < 30, 600 * GIB, 2000 * GIB))))
    assert row["capacity"] == 2000 * GIB
    assert row["days"] == pytest.approx(1461 / 4)
    assert row["steps"] == 1
    assert row["problem"] == "its size changed from 600 GiB to 1.95 TiB by 2026-03-31 00:00 UTC"
    assert row["status"] == "ok"


def test_a_disk_replaced_by_a_larger_one_with_more_on_it_is_one_step() -> None:
    later = _DAYS > 30
    row = _one(trend(pools("vm", _DAYS, _LINE + 200 * GIB * later, np.where(later, 2000 * GIB, 600 * GIB))))
    assert row["steps"] == 1
    assert row["growth"] == pytest.approx(4 * GIB)


def test_a_size_that_is_what_others_leave_of_it_is_no_step() -> None:
    sizes = (1000 + 100 * np.sin(_DAYS * 20)) * GIB
    row = _one(trend(pools("vm", _DAYS, _LINE, sizes)))
    assert row["steps"] == 0
    assert pd.isna(row["problem"])


@pytest.mark.parametrize(
    ("taken", "status", "days"),
    [
        (np.full(240, 300.0 * GIB), "not growing", None),
        (_LINE[::-1], "not growing", None),
        (300 * GIB + _noise(GIB), "not growing", None),  # it would take more than ten years at the most
        (300 * GIB + _noise(90 * GIB), "uncertain", None),
        (np.full(240, 1000.0 * GIB), "full", 0),
        (np.minimum(_LINE * 2, 1000 * GIB), "full", 0),
    ],
)
def test_what_does_not_fill_or_is_full(taken: Any, status: str, days: float | None) -> None:  # noqa: ANN401
    row = _one(trend(pools("vm", _DAYS, taken)))
    assert row["status"] == status
    if days is not None:
        assert (row["days"], row["days_least"], row["days_most"]) == (0, 0, 0)
        assert row["full_at"] == row["until"]
    elif row["growth"] <= 0:
        assert pd.isna(row["days"])
        assert pd.isna(row["full_at"])
    if status == "uncertain":
        assert pd.isna(row["days_most"])
        assert row["days_least"] > 0
        assert row["growth_least"] < 0 < row["growth_most"]
        assert row["problem"] == "the interval of its growth holds both growing and shrinking"


def test_slow_growth_that_is_sure_is_growth_and_too_far_away_has_no_date() -> None:
    row = _one(trend(pools("vm", _DAYS, 300 * GIB + 1000 * _DAYS)))
    assert row["status"] == "ok"
    assert row["days"] > 1e8
    assert pd.isna(row["full_at"])


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (np.arange(3), "3 samples over 2.0 days: 5 more samples and 5 more days are needed"),
        (np.arange(0, 5, 0.25), "20 samples over 4.8 days: 3 more days are needed"),
        (np.array([0, 1, 2, 3, 4, 5, 30]), "7 samples over 30.0 days: 1 more sample is needed"),
        (np.array([0, 0.1, 0.2, 0.3, 9, 9.1, 9.2, 9.3]), "8 samples over 9.3 days: 3 more days with samples"),
        (np.array([0.0]), "1 sample over 0.0 days: 7 more samples and 7 more days are needed"),
    ],
)
def test_not_enough_data_says_how_much_more_is_needed(days: Any, said: str) -> None:  # noqa: ANN401
    row = _one(trend(pools("vm", days, 300 * GIB + GIB * days)))
    assert row["status"] == "not enough data"
    assert str(row["problem"]).startswith(said)
    assert row[["growth", "growth_least", "growth_most", "days", "full_at"]].isna().all()
    assert row["now"] == int(300 * GIB + GIB * days[-1])
    assert row["samples"] == len(days)


def test_steps_leave_too_few_days() -> None:
    days, taken = [0, 1, 2, 3, 7.0, 7.1, 7.2, 7.3], np.array([1, 2, 3, 4, 300, 300, 300, 300]) * GIB
    few = _one(trend(pools("vm", days, taken)))
    assert few["status"] == "not enough data"
    assert few["problem"] == "8 samples over 7.3 days, with 1 sudden change among them: more days are needed"


def test_seven_days_of_one_sample_each_are_enough() -> None:
    days = np.arange(8.0)
    row = _one(trend(pools("vm", days, 300 * GIB + GIB * days)))
    assert row["growth"] == pytest.approx(GIB)
    assert row["problem"] == "in less than two weeks, what comes and goes within a week looks like growth"
    days = np.arange(15.0)
    assert pd.isna(_one(trend(pools("vm", days, 300 * GIB + GIB * days)))["problem"])


def test_a_full_pool_is_full_however_short_its_history() -> None:
    row = _one(trend(pools("vm", [0.0], [1000 * GIB])))
    assert (row["status"], row["days"]) == ("full", 0)


def test_a_file_system_is_full_when_nothing_is_available() -> None:
    used = 10 * GIB + GIB * _DAYS
    kept_back = 5 * GIB
    history = filesystems("web", _DAYS, used)
    history["available"] -= kept_back
    row = _one(trend(df=history))
    assert (row["kind"], row["name"]) == ("filesystem", "web /dev/sda1")
    assert row["capacity"] == 95 * GIB
    assert row["days"] == pytest.approx((95 * GIB - row["now"]) / GIB)


def test_a_cd_is_full_and_will_not_fill() -> None:
    row = _one(trend(df=filesystems("web", _DAYS, np.full(240, 100 * GIB), type="iso9660")))
    assert row["status"] == "not growing"
    assert pd.isna(row["days"])


def test_what_fills_first_stands_first() -> None:
    every = [
        pools("slow", _DAYS, _LINE / 2),
        pools("flat", _DAYS, np.full(240, 5 * GIB)),
        pools("fast", _DAYS, _LINE),
        pools("full", _DAYS, np.full(240, 1000 * GIB)),
    ]
    both = trend(pd.concat(every), filesystems("web", _DAYS, 30 * GIB + GIB * _DAYS))
    assert list(both["name"]) == ["full", "web /dev/sda1", "fast", "slow", "flat"]


def test_hosts_with_the_same_names_stay_apart() -> None:
    there = pools("vm", _DAYS, 100 * GIB + 8 * GIB * _DAYS, host="kvm2")
    both = trend(pd.concat([pools("vm", _DAYS, _LINE), there])).set_index("host")
    assert both.loc["kvm1", "growth"] == pytest.approx(4 * GIB)
    assert both.loc["kvm2", "growth"] == pytest.approx(8 * GIB)


def test_order_time_zone_and_repetition_do_not_matter() -> None:
    plain = pools("vm", _DAYS, _LINE + _noise(10 * GIB))
    other = pd.concat([plain, plain.iloc[:100]]).sample(frac=1, random_state=1)
    other["sampled_at"] = other["sampled_at"].dt.tz_convert("Europe/Berlin").dt.as_unit("us")
    pd.testing.assert_frame_equal(trend(other), trend(plain))


def test_a_week_without_a_sampler_does_no_harm() -> None:
    there = (_DAYS < 20) | (_DAYS > 27)
    row = _one(trend(pools("vm", _DAYS[there], (_LINE + _noise())[there])))
    assert row["growth"] == pytest.approx(4 * GIB, rel=0.02)
    assert row["steps"] == 0


def test_without_rows_there_is_an_empty_frame() -> None:
    for empty in (trend(pools("vm", [], [])), trend(df=filesystems("web", [], []))):
        assert tuple(empty.columns) == TREND.names
        assert empty.empty


def test_other_frames_are_refused() -> None:
    with pytest.raises(BadValue, match=r"There is no history\. Give it kvmnb\.history"):
        trend()
    with pytest.raises(
        BadValue, match=r"needs a history of 'pools', and this frame has no column 'allocation'"
    ):
        trend(filesystems("web", _DAYS, _LINE).rename(columns={"guest": "name"}))
    with pytest.raises(BadValue, match=r"Give it kvmnb\.history\('df'\)"):
        trend(df=VOLUMES.empty())
    with pytest.raises(BadValue, match="no column 'sampled_at'"):
        trend(pools("vm", _DAYS, _LINE).drop(columns="sampled_at"))


def test_the_largest_sizes_that_there_are_can_be_told() -> None:
    largest = 2**63 - 1
    row = _one(trend(pools("vm", _DAYS, largest / 2 + 1e15 * _DAYS, largest)))
    assert row["growth"] == pytest.approx(1e15, rel=1e-6)
    assert row["capacity"] == pytest.approx(largest)


def test_the_largest_size_itself_can_be_told() -> None:
    largest = 2**63 - 1
    history = pools("vm", _DAYS, 0 * _DAYS, largest).assign(allocation=largest, available=0)
    row = _one(trend(history))
    assert row["now"] == row["capacity"] == largest
    assert row["status"] == "full"


def test_storage_of_no_size_is_not_full() -> None:
    row = _one(trend(pools("paths", _DAYS, 0 * _DAYS, 0)))
    assert row["status"] == "not growing"
    assert pd.isna(row["capacity"])
    assert pd.isna(row["days"])
    assert row["problem"] == "its size is not known"


def test_two_steps_and_nothing_else_are_no_growth() -> None:
    row = _one(trend(pools("vm", _DAYS, 300 * GIB + 60 * GIB * ((_DAYS > 22) * 1 + (_DAYS > 43)))))
    assert row["steps"] == 2
    assert (row["growth"], row["status"]) == (0, "not growing")
