"""The history to learn on has the answers that it promises."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

import kvmnb
from kvmnb.trends.frame import trend


def test_the_history_to_learn_on_has_the_answers_that_it_promises(tmp_path: Path) -> None:
    store = tmp_path / "store"
    kvmnb.learning_history(store, days=40, every="1d", until=datetime(2026, 11, 25, tzinfo=UTC))
    told = trend(kvmnb.history("pools", store), kvmnb.history("df", store, tz="Europe/Berlin"))
    rows = told.set_index("name")
    assert rows.loc["vmdisk", "days"] == pytest.approx(40, abs=3)
    assert rows.loc["vmdisk", "steps"] == 2
    assert rows.loc["db1 /dev/sda1", "days"] == pytest.approx(25, abs=2)
    assert rows.loc["iso", "status"] == "not growing"
    assert rows.loc["scratch", "status"] == "not enough data"
    assert told["until"].max() == pd.Timestamp("2026-11-25", tz="UTC")
    assert told.attrs["made_up"] is True
