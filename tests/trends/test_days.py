"""A history by the day has its medians, whatever the hour, the zone and the order."""

from __future__ import annotations

import numpy as np

from kvmnb.trends.days import DAY, MOST_DAYS, by_day, distinct

_HOUR = DAY // 24


def test_a_day_is_the_median_of_its_samples_and_ends_with_the_last() -> None:
    hours = np.array([0, 6, 12, 20, 24, 30, 48])
    days = by_day(hours * _HOUR, np.array([1.0, 2, 9, 4, 5, 6, 7]))
    assert list(days.values) == [1.0, 4.5, 6.5]  # at 0 h, from 6 to 24 h, and from 30 to 48 h
    np.testing.assert_allclose(days.at * 24, [0.0, 16.0, 39.0])


def test_a_spike_of_an_hour_leaves_no_trace() -> None:
    hours = np.arange(24 * 10)
    values = np.asarray(np.where(hours % 24 == 2, 1e12, hours / 24.0), np.float64)
    assert np.abs(by_day(hours * _HOUR, values).values - np.arange(10)).max() < 1.1


def test_the_day_of_the_week_comes_again_after_seven_also_over_a_gap() -> None:
    day = np.array([0, 1, 2, 9, 16, 17])
    weekday = by_day(day * DAY, day.astype(np.float64)).weekday
    assert weekday[2] == weekday[3] == weekday[4]
    assert weekday[1] != weekday[2] != weekday[5]


def test_a_long_history_is_taken_by_whole_weeks() -> None:
    day = np.arange(365 * 3)
    days = by_day(day * DAY, day.astype(np.float64))
    assert len(days.at) <= MOST_DAYS + 1
    width = np.diff(days.at)[1:]
    assert (width % 7 == 0).all()
    assert set(days.weekday) == {0}
    np.testing.assert_allclose(np.diff(days.values)[1:], width)


def test_the_same_time_counts_once_and_the_readable_one_of_them() -> None:
    times, [values, other] = distinct(
        np.array([5, 1, 5, 1, 3]), np.array([np.nan, 1.0, 2.0, 1.0, np.nan]), np.arange(5.0)
    )
    assert list(times) == [1, 3, 5]
    np.testing.assert_array_equal(values, [1.0, np.nan, 2.0])
    assert list(other)[1:] == [4.0, 2.0]


def test_nothing_is_nothing() -> None:
    times, [values] = distinct(np.array([], np.int64), np.array([]))
    assert len(times) == len(values) == 0
