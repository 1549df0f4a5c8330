"""A thinned series looks as the whole one does."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from kvmnb.trends.thin import thin

Floats = NDArray[np.float64]
_values = arrays(np.float64, st.integers(0, 300), elements=st.floats(-1e18, 1e18))
_most = st.integers(4, 100)


@settings(max_examples=60, deadline=None)
@given(_values, _most)
def test_it_keeps_order_ends_and_extremes_within_the_number(values: Floats, most: int) -> None:
    at = np.cumsum(np.random.default_rng(len(values)).integers(0, 10**12, len(values)))
    kept = thin(at, values, most)
    assert len(kept) <= most
    assert (np.diff(kept) > 0).all()
    if len(values):
        assert (kept[0], kept[-1]) == (0, len(values) - 1)
        assert values[kept].max() == values.max()
        assert values[kept].min() == values.min()


@pytest.mark.parametrize("count", [0, 1, 4, 100])
def test_a_short_series_is_left_as_it_is(count: int) -> None:
    assert list(thin(np.arange(count), np.ones(count), 100)) == list(range(count))


def test_each_stretch_of_time_keeps_its_own_extremes_across_a_gap() -> None:
    at = np.arange(100_000)
    at[50_000:] += 300_000  # a sampler that was down for most of the time
    values = np.sin(at / 5000.0)
    values[77_777], values[1234] = 1e6, -1e6
    kept = thin(at, values, 800)
    assert {77_777, 1234, 49_999, 50_000} <= set(kept.tolist())
    edges = np.linspace(0, at[-1], 201)
    edges[-1] += 1
    for low, high in pairwise(edges):
        inside = (at >= low) & (at < high)
        chosen = inside[kept]
        assert inside.any() == chosen.any()
        if inside.any():
            assert np.ptp(values[inside]) == np.ptp(values[kept][chosen])


def test_times_that_are_all_one_are_no_trouble() -> None:
    kept = thin(np.zeros(50, np.int64), np.arange(50.0), 8)
    assert (kept[0], kept[-1]) == (0, 49)
    assert len(kept) <= 8
