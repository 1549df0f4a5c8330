"""The interval of the growth holds the truth as often as it says, for errors of every kind, and is no wider
than it must be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import theilslopes

from kvmnb.trends.days import DAY, by_day
from kvmnb.trends.growth import SURE, Growth, growth
from kvmnb.trends.steps import cut
from tests.trends.made import ERRORS, START, Floats

_PACE, _SIZE = 2.0, 5000.0


def _grown(at: Floats, values: Floats, size: float = _SIZE) -> Growth:
    """Work out the growth of samples as the frame does."""
    days = by_day(START + np.round(at * DAY).astype(np.int64), values)
    cuts = cut(days.at, days.values, size)
    found = growth(days.at[cuts.kept], days.values[cuts.kept], cuts.stretch, days.weekday[cuts.kept])
    assert found is not None
    assert found.least <= found.rate <= found.most
    return found


def _series(kind: str, days: int, seed: int) -> tuple[Floats, Floats]:
    """Make samples at about one time of the day, with a week in which there were none."""
    chance = np.random.default_rng(seed)
    values = 1000 + _PACE * np.arange(days) + ERRORS[kind](chance, days)
    at = np.arange(days) + 0.02 * chance.random(days)
    there = np.ones(days, bool)
    if days > 28:
        there[days // 3 : days // 3 + 7] = False
    return at[there], values[there]


@pytest.mark.parametrize("days", [15, 45])
@pytest.mark.parametrize("kind", sorted(ERRORS))
def test_the_interval_holds_the_true_growth(kind: str, days: int) -> None:
    found = [_grown(*_series(kind, days, seed)) for seed in range(100, 140)]
    # Of 600 series of each kind it held the truth for at least 0.857.
    assert np.mean([one.least <= _PACE <= one.most for one in found]) >= 0.85


def test_the_usual_interval_would_not_do() -> None:
    """Theil and Sen's own, which takes errors for independent, fails for a series that wanders."""
    held = []
    for seed in range(40):
        at, values = _series("wandering", 45, seed)
        usual = theilslopes(values, at, SURE)
        held.append(usual.low_slope <= _PACE <= usual.high_slope)
    assert np.mean(held) < 0.4


@pytest.mark.parametrize(("kind", "widest"), [("white", 4.0), ("outliers", 4.5), ("weekends", 6.0)])
def test_errors_that_do_not_last_leave_a_narrow_interval(kind: str, widest: float) -> None:
    """At most so many times as wide as it would be if it were known that they do not last."""
    days = 90
    found = [_grown(*_series(kind, days, seed)) for seed in range(15)]
    half = np.median([(one.most - one.least) / 2 for one in found])
    least = 1.645 * np.sqrt(12 / days**3)
    assert half < widest * least
    assert half < 0.02 * _PACE


def test_a_clean_line_has_an_interval_without_width() -> None:
    found = _grown(np.arange(60.0), 7 * np.arange(60.0))
    assert (found.least, found.rate, found.most) == pytest.approx((7, 7, 7))
    still = _grown(np.arange(60.0), np.full(60, 5.0))
    assert (still.least, still.rate, still.most) == (0, 0, 0)


def test_rounding_to_blocks_is_no_uncertainty() -> None:
    at = np.arange(0, 30, 0.25)
    found = _grown(at, np.floor(1e9 + 1e6 * at), 1e10)
    assert found.rate == pytest.approx(1e6, rel=1e-6)
    assert found.most - found.least < 10


_seeds = st.integers(0, 10**6)
_kinds = st.sampled_from(sorted(ERRORS))
_quick = settings(max_examples=15, deadline=None)


@_quick
@given(_kinds, _seeds, st.floats(1e-3, 1e12))
def test_larger_bytes_grow_by_as_much_more(kind: str, seed: int, scale: float) -> None:
    at, values = _series(kind, 40, seed)
    plain, scaled = _grown(at, values), _grown(at, values * scale, _SIZE * scale)
    for one, other in zip(_ends(plain), _ends(scaled), strict=True):
        assert other == pytest.approx(one * scale, rel=1e-6, abs=1e-6 * scale)


@_quick
@given(_kinds, _seeds, st.integers(-(10**9), 10**9))
def test_the_hour_and_the_level_at_which_it_begins_do_not_matter(kind: str, seed: int, shift: int) -> None:
    at, values = _series(kind, 40, seed)
    at = np.round(at * DAY / 1e9) * 1e9 / DAY  # whole seconds, so that the shift is exact
    moved = _grown(at + shift * 1e9 / DAY, values + shift * 1e-3)
    assert _ends(moved) == pytest.approx(_ends(_grown(at, values)), rel=1e-4, abs=1e-4)


@_quick
@given(_seeds, st.integers(3, 36), st.sampled_from([-400.0, 90.0, 1500.0]))
def test_a_step_does_not_change_the_growth(seed: int, place: int, jump: float) -> None:
    at, values = _series("white", 40, seed)
    plain, stepped = _grown(at, values), _grown(at, values + jump * (at > place))
    assert stepped.rate == pytest.approx(plain.rate, abs=0.2)
    assert stepped.least <= _PACE <= stepped.most or not plain.least <= _PACE <= plain.most


def test_thinned_samples_and_samples_told_twice_give_about_the_same() -> None:
    chance = np.random.default_rng(1)
    at = np.arange(0, 60, 1 / 288)  # each five minutes
    wander = np.cumsum(chance.standard_normal(len(at))) / 17
    values = 1000 + _PACE * at + wander + 5 * np.sin(2 * np.pi * at)
    whole = _grown(at, values)
    hourly = _grown(at[::12], values[::12])
    uneven = np.sort(chance.choice(len(at), 700, replace=False))
    some = _grown(at[uneven], values[uneven])
    width = whole.most - whole.least
    for other in (hourly, some):
        np.testing.assert_allclose(_ends(other), _ends(whole), atol=0.4 * width)


def test_a_year_tells_more_than_a_month_and_costs_no_more() -> None:
    year, month = (_grown(*_series("white", days, 3)) for days in (365, 30))
    assert year.most - year.least < 0.2 * (month.most - month.least)
    assert year.least <= _PACE <= year.most


@pytest.mark.parametrize("days", [2, 3, 4])
def test_too_few_days_have_no_growth(days: int) -> None:
    at = np.arange(float(days))
    assert growth(at, at**2, np.zeros(days, np.int64), np.zeros(days, np.int64)) is None


def _ends(found: Growth) -> tuple[float, float, float]:
    return found.least, found.rate, found.most
