"""What could not be read, is gone or is stale is said, and not taken for a size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from kvmnb.schema import DF
from kvmnb.trends.frame import trend
from tests.trends.made import GIB, filesystems, pools

_DAYS = np.arange(0.0, 30, 0.5)
_LINE = 300 * GIB + 4 * GIB * _DAYS


def _row(frame: pd.DataFrame, name: str, host: str = "kvm1") -> Any:  # noqa: ANN401 - a row
    [found] = [row for _, row in frame.iterrows() if (row["name"], row["host"]) == (name, host)]
    return found


def test_what_could_not_be_read_is_left_out_and_said_where_it_is_much() -> None:
    lost = _LINE.copy()
    lost[10:13] = np.nan
    row = _row(trend(pools("vm", _DAYS, lost, problem="locked")), "vm")
    assert row["growth"] == pytest.approx(4 * GIB)
    assert row["samples"] == 57
    assert pd.isna(row["problem"])
    lost[10:30] = np.nan
    row = _row(trend(pools("vm", _DAYS, lost, problem="locked")), "vm")
    assert row["growth"] == pytest.approx(4 * GIB)
    assert (row["samples"], row["status"]) == (40, "ok")
    assert row["problem"] == "20 of 60 samples could not be read (locked)"


def test_what_cannot_be_read_any_more_says_since_when() -> None:
    lost = _LINE.copy()
    lost[-4:] = np.nan
    row = _row(trend(pools("vm", _DAYS, lost)), "vm")
    assert row["problem"] == "it could not be read since 2026-03-28 12:00 UTC"
    assert row["now"] == 300 * GIB + 110 * GIB
    assert row["status"] == "ok"


def test_what_could_never_be_read_says_why() -> None:
    row = _row(trend(pools("vm", _DAYS, [None] * 60, problem="pool 'vm' is inactive")), "vm")
    assert (row["status"], row["problem"]) == ("unreadable", "pool 'vm' is inactive")
    assert (row["samples"], row["steps"]) == (0, 0)
    assert row[["now", "capacity", "growth", "days", "full_at", "since", "until"]].isna().all()
    row = _row(trend(pools("vm", _DAYS, [None] * 60)), "vm")
    assert row["problem"] == "no sample says how full it was"


def test_a_pool_that_vanished_is_gone_and_fills_no_more() -> None:
    both = trend(pd.concat([pools("old", _DAYS[:40], _LINE[:40]), pools("vm", _DAYS, _LINE)]))
    row = _row(both, "old")
    assert row["status"] == "gone"
    assert row["problem"] == "it was last there 2026-03-20 12:00 UTC, 10 days before its host's last sample"
    assert row["growth"] == pytest.approx(4 * GIB)
    assert row[["days", "days_least", "full_at"]].isna().all()
    assert list(both["name"]) == ["vm", "old"]


def test_a_host_that_was_not_sampled_of_late_says_so_and_its_pools_are_not_gone() -> None:
    there = pools("vm", _DAYS, _LINE, host="kvm2")
    both = trend(pd.concat([pools("vm", _DAYS[:40], _LINE[:40]), there]))
    row = _row(both, "vm")
    assert row["status"] == "ok"
    assert row["problem"] == "its host was last sampled 2026-03-20 12:00 UTC, 10 days before others"
    assert pd.isna(_row(both, "vm", "kvm2")["problem"])


def _guest_unread(guest: str, days: Any, reason: str) -> pd.DataFrame:  # noqa: ANN401 - numbers
    rows = filesystems(guest, days, [None] * len(days), reason=reason, status="failed")
    rows["filesystem"] = pd.array([None] * len(rows), dtype="string")
    return rows


def test_a_guest_that_could_not_be_read_makes_its_file_systems_unread_not_gone() -> None:
    known = filesystems("web", _DAYS[:40], _LINE[:40] / 5)
    lost = _guest_unread("web", _DAYS[40:], "no appliance")
    both = trend(df=pd.concat([known, lost, filesystems("db", _DAYS, _LINE / 5)]))
    assert sorted(both["name"]) == ["db /dev/sda1", "web /dev/sda1"]
    row = _row(both, "web /dev/sda1")
    assert row["status"] == "ok"
    assert row["problem"] == "it could not be read since 2026-03-20 12:00 UTC (no appliance)"


def test_a_disk_without_a_file_system_changes_nothing_of_the_guest_s_others() -> None:
    known = filesystems("web", _DAYS, _LINE / 5)
    empty = _guest_unread("web", _DAYS, "nothing on vdb")
    pd.testing.assert_frame_equal(trend(df=pd.concat([known, empty])), trend(df=known))


def test_a_guest_that_could_never_be_read_has_a_row() -> None:
    both = trend(df=_guest_unread("web", _DAYS, "no appliance"))
    row = _row(both, "web")
    assert (row["status"], row["problem"]) == ("unreadable", "no appliance")
    assert len(both) == 1


def test_file_systems_of_one_device_are_told_apart_by_their_uuid() -> None:
    first = filesystems("web", _DAYS[:30], _LINE[:30] / 5).assign(uuid="11111111-aa")
    agent = filesystems("web", _DAYS[30:40], _LINE[30:40] / 5).assign(uuid=None)  # agents tell no UUID
    second = filesystems("web", _DAYS[40:], np.full(20, GIB)).assign(uuid="22222222-bb")
    both = trend(df=pd.concat([first, agent, second]))
    old, new = (_row(both, f"web /dev/sda1 ({uuid})") for uuid in ("11111111", "22222222"))
    assert (old["samples"], old["status"]) == (40, "gone")
    assert old["growth"] == pytest.approx(4 * GIB / 5)
    assert (new["samples"], new["status"]) == (20, "not growing")


def test_a_size_that_is_not_known_leaves_growth_without_a_day() -> None:
    unknown = pd.array([None] * 60, dtype="Int64")
    row = _row(trend(pools("vm", _DAYS, _LINE).assign(capacity=unknown, available=unknown)), "vm")
    assert row["growth"] == pytest.approx(4 * GIB)
    assert pd.isna(row["days"])
    assert pd.isna(row["capacity"])
    assert row["problem"] == "its size is not known"


def test_without_available_the_size_tells_the_room() -> None:
    history = filesystems("web", _DAYS, _LINE / 5).assign(available=None)
    row = _row(trend(df=history), "web /dev/sda1")
    assert row["capacity"] == 100 * GIB


def test_what_comes_again_and_again_is_said() -> None:
    days = np.arange(0.0, 60, 0.5)
    taken = 100 * GIB + 40 * GIB * np.searchsorted([5, 17, 24, 41, 52], days, side="right")
    row = _row(trend(pools("vm", days, taken)), "vm")
    assert row["steps"] == 0
    assert row["problem"] == "5 sudden changes come again and again, and count as growth"
    assert row["growth_least"] < 200 * GIB / 60 < row["growth_most"]


def test_hostile_names_are_told_as_they_are() -> None:
    names = ["<b>", "two\nlines", "'\"", "磁盘", "half\udc80", ""]
    told = trend(pd.concat([pools(name, _DAYS, _LINE) for name in names]))
    assert sorted(told["name"]) == sorted(names)


def test_the_frame_of_file_systems_needs_no_reason_column() -> None:
    columns = ["host", "guest", "filesystem", "capacity", "used", "available", "sampled_at"]
    history = filesystems("web", _DAYS, _LINE / 5)
    assert set(columns) - {"sampled_at"} <= set(DF.names)
    assert _row(trend(df=history[columns]), "web /dev/sda1")["status"] == "ok"


def test_room_that_was_low_of_late_is_said() -> None:
    taken = np.where(_DAYS * 2 % 2 == 1, 980 * GIB, 500 * GIB)  # by night, and by day
    taken[-1] = 500 * GIB
    row = _row(trend(pools("vm", _DAYS, taken)), "vm")
    assert row["problem"] == "only 20 GiB of it were free 2026-03-29 12:00 UTC"
    fuller = np.where(taken > 900 * GIB, 1005 * GIB, taken)
    assert "only 0 bytes of it were free" in _row(trend(pools("vm", _DAYS, fuller)), "vm")["problem"]
    long_ago = np.where(_DAYS < 20, taken, 500 * GIB)
    assert pd.isna(_row(trend(pools("vm", _DAYS, long_ago)), "vm")["problem"])
