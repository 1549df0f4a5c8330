"""Steps are found; spikes, habits, and growth of any kind are none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kvmnb.trends.steps import Stretches, cut
from tests.trends.made import ERRORS

_DAYS = 60
_AT = np.arange(_DAYS, dtype=float)
_SIZE = 1000.0


def _cut(values: Any, at: Any = _AT) -> Stretches:  # noqa: ANN401 - arrays, whose types numpy widens
    return cut(at, values, _SIZE)


@pytest.mark.parametrize("pace", [0.0, 2.0, -1.0])
@pytest.mark.parametrize("jump", [100.0, -100.0])
@pytest.mark.parametrize("place", [1, 2, 30, _DAYS - 2, _DAYS - 1])
def test_a_step_is_found_where_it_is(pace: float, jump: float, place: int) -> None:
    noise = np.random.default_rng(0).standard_normal(_DAYS)
    found = _cut(500 + pace * _AT + jump * (place <= _AT) + noise)
    assert found.steps == (place,)
    assert found.kept.all()
    assert list(found.stretch) == [int(day >= place) for day in range(_DAYS)]


@pytest.mark.parametrize("days", [1, 2])
@pytest.mark.parametrize("place", [1, 30, _DAYS - 4])
def test_a_spike_is_no_step_and_is_left_out(days: int, place: int) -> None:
    noise = np.random.default_rng(1).standard_normal(_DAYS)
    inside = (place <= _AT) & (place + days > _AT)
    found = _cut(500 + noise + 200.0 * inside)
    assert found.steps == ()
    assert list(~found.kept) == list(inside)


def test_what_takes_two_nights_is_one_step() -> None:
    values = 500 + np.random.default_rng(2).standard_normal(_DAYS) + 50.0 * (_AT >= 30) + 70.0 * (_AT >= 31)
    found = _cut(values)
    assert found.steps == (31,)
    assert len(set(found.stretch)) == 3


def test_a_step_within_a_gap_is_found() -> None:
    at = np.delete(_AT, range(25, 35))
    values = 500 + at + np.random.default_rng(3).standard_normal(len(at)) + 30.0 * (at > 30)
    assert _cut(values, at).steps == (25,)


def test_another_pace_is_no_step() -> None:
    faster = np.where(_AT > 40, (_AT - 40) * 20, 0.0)
    found = _cut(500 + faster + np.random.default_rng(4).standard_normal(_DAYS))
    assert found.steps == ()
    assert found.recurring == 0


def test_what_comes_again_and_again_is_a_habit() -> None:
    noise = 0.1 * np.random.default_rng(5).standard_normal(_DAYS)
    made = _cut(100 + noise + 40 * np.searchsorted([5, 17, 24, 41, 52], _AT, side="right"))
    assert made.steps == ()
    assert made.recurring == 5
    assert len(set(made.stretch)) == 1
    few = _cut(100 + noise + 40 * np.searchsorted([5, 17, 41], _AT, side="right"))
    assert few.steps == (5, 17, 41)


def test_two_a_week_apart_are_a_habit_already() -> None:
    at: Any = np.arange(15, dtype=float)
    found = _cut(300 + 10 * (at % 7) + 0.1 * np.random.default_rng(6).standard_normal(15), at)
    assert found.steps == ()
    assert found.recurring == 2


def test_three_in_a_rhythm_are_a_habit_and_in_none_are_steps() -> None:
    at: Any = np.arange(95, dtype=float)
    monthly = _cut(300 + 3 * at - 90 * np.searchsorted([31, 59, 90], at, side="right"), at)
    assert (monthly.steps, monthly.recurring) == ((), 3)
    uneven = _cut(300 + 3 * at - 90 * np.searchsorted([12, 59, 90], at, side="right"), at)
    assert (len(uneven.steps), uneven.recurring) == (3, 0)
    unlike = 300 + 3 * at - np.array([0, 90, 110, 310])[np.searchsorted([31, 59, 90], at, side="right")]
    assert (len(_cut(unlike, at).steps), _cut(unlike, at).recurring) == (3, 0)


def test_a_quiet_series_has_no_step_below_a_thousandth_of_the_size() -> None:
    assert _cut(500 + 0.9 * (_AT > 30)).steps == ()
    assert _cut(500 + 1.1 * (_AT > 30)).steps == (31,)


_WITH_STEPS = {"steps", "wandering, steps", "cleaned weekly", "weekends"}


@pytest.mark.parametrize("kind", sorted(set(ERRORS) - _WITH_STEPS))
def test_errors_of_any_kind_are_hardly_ever_taken_for_steps(kind: str) -> None:
    chance = np.random.default_rng(7)
    found = [len(_cut(300 + _AT + ERRORS[kind](chance, _DAYS)).steps) for _ in range(50)]
    assert np.mean(found) < 0.25


@pytest.mark.parametrize("count", range(1, 5))
def test_a_short_series_is_no_trouble(count: int) -> None:
    found = _cut(np.arange(count) * 100.0, np.arange(float(count)))
    assert found.steps == ()
    assert found.kept.all()
