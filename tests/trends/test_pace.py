"""A pace that changed on the way is not averaged away: what fills now is never said not to grow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from kvmnb.trends.frame import trend
from tests.trends.made import ERRORS, GIB, pools

_DAYS = np.arange(0.0, 90, 0.5)


def _told(taken: Any) -> Any:  # noqa: ANN401 - a row of figures per half day
    frame = trend(pools("vm", _DAYS, taken * GIB))
    assert len(frame) == 1
    return frame.iloc[0]


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_what_lay_still_and_now_grows_is_told_by_the_pace_of_late(noise: float) -> None:
    errors = noise * np.random.default_rng(1).standard_normal(len(_DAYS))
    row = _told(300 + 10 * np.maximum(0, _DAYS - 60) + errors)
    assert row["growth"] == pytest.approx(10 * GIB, rel=0.05)
    assert row["days"] == pytest.approx(405 / 10, rel=0.1)
    assert row["growth_least"] < 2 * GIB  # so long as it may go back to what it was
    assert row["growth_most"] >= 10 * GIB
    assert "its pace changed about 2026-0" in row["problem"]
    assert "GiB a day since, +1.2" in row["problem"]


def test_what_shrank_and_now_grows_is_not_said_not_to_grow() -> None:
    row = _told(600 + np.where(_DAYS < 60, -5 * _DAYS, -300 + 15 * (_DAYS - 60)))
    assert row["status"] == "uncertain"
    assert row["days_least"] < 20
    assert "GiB a day since, -2." in row["problem"]


def test_what_grew_and_now_lies_still_may_never_fill() -> None:
    row = _told(100 + 10.0 * np.minimum(75, _DAYS))
    assert row["status"] == "uncertain"
    assert pd.isna(row["days_most"])
    assert row["days_least"] < 16


def test_a_week_of_another_pace_is_enough_to_be_warned() -> None:
    row = _told(100 + 80.0 * np.maximum(0, _DAYS - 83))
    assert row["days_least"] < 6  # it is full in 4.75 days


@pytest.mark.parametrize("kind", sorted(set(ERRORS) - {"steps", "wandering, steps"}))
def test_a_steady_pace_is_hardly_ever_taken_for_another(kind: str) -> None:
    every = [
        pools(f"{seed}", np.arange(60.0), (300 + 2 * np.arange(60) + ERRORS[kind](chance, 60)) * GIB)
        for seed, chance in ((seed, np.random.default_rng(seed)) for seed in range(20))
    ]
    changed = trend(pd.concat(every))["problem"].fillna("").str.contains("its pace changed")
    assert changed.mean() <= 0.15
