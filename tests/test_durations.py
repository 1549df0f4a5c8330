"""Durations: words to spans of time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from kvmnb.durations import parse_duration
from kvmnb.errors import BadValue


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("30s", timedelta(seconds=30)),
        ("5m", timedelta(minutes=5)),
        ("5min", timedelta(minutes=5)),
        (" 1.5 h ", timedelta(minutes=90)),
        ("400d", timedelta(days=400)),
        ("2w", timedelta(weeks=2)),
        (timedelta(days=1), timedelta(days=1)),
    ],
)
def test_a_duration_is_read(text: str | timedelta, span: timedelta) -> None:
    assert parse_duration(text) == span


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "'' is not a duration"),
        ("five minutes", "is not a duration"),
        ("-5m", "is not a duration"),
        ("1h30m", "is not a duration"),
        ("\u0665m", "is not a duration"),
        ("5", "'5' has no unit"),
        ("5M", "unknown unit 'M'"),
        ("1y", "unknown unit 'y'"),
        ("0s", "no time at all"),
        ("0.0000001s", "no time at all"),
        ("99999999999d", "is too long"),
        (timedelta(0), "no time at all"),
        (timedelta(seconds=-1), "no time at all"),
    ],
)
def test_what_is_no_duration_is_said(text: str | timedelta, said: str) -> None:
    with pytest.raises(BadValue) as failure:
        parse_duration(text)
    assert said in str(failure.value)
