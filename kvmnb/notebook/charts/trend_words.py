"""How a forecast is said: in the chart beside it, and in the chart's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from kvmnb.notebook.charts import words
from kvmnb.trends.notes import UNSURE
from kvmnb.units import format_size

#: Days that are further away are told in years.
_YEARS = 3653


def name_of(row: Mapping[str, Any], hosts: bool, widest: float) -> str:
    """Name a pool or file system as it is drawn, with its host where there are several."""
    name = words.label(row["name"], widest * (0.6 if hosts else 1))
    return f"{name}, {words.label(row['host'], widest * 0.35)}" if hosts else name


def taken(row: Mapping[str, Any]) -> str:
    """Say how full it was at the last sample.

    Examples
    --------
    >>> taken({"now": 1 << 30, "capacity": 4 << 30})
    '1 GiB of 4 GiB, 25 %'
    """
    now, capacity = row["now"], row["capacity"]
    if pd.isna(now):
        return "not known"
    if pd.isna(capacity):
        return format_size(int(now))
    share = round(100 * int(now) / int(capacity)) if capacity else 100
    if 0 < now < capacity:  # nearly full is not full
        share = min(99, max(1, share))
    return f"{format_size(int(now))} of {format_size(int(capacity))}, {share} %"


def pace(row: Mapping[str, Any]) -> str:
    """Say how fast it grows, and how far that may be off; empty where that is not known.

    Examples
    --------
    >>> gib = 1 << 30
    >>> pace({"growth": 2.0 * gib, "growth_least": 1.5 * gib, "growth_most": 2.25 * gib})
    '+2 GiB a day (+1.5 to +2.25 GiB)'
    >>> pace({"growth": 0.0, "growth_least": 0.0, "growth_most": 0.0})
    '0 bytes a day'
    """
    if pd.isna(row["growth"]):
        return ""
    middle, low, high = (_signed(float(row[key])) for key in ("growth", "growth_least", "growth_most"))
    if low == high:
        return f"{middle} a day"
    if low.split()[1] == high.split()[1]:  # the unit is said once
        low = low.split()[0]
    return f"{middle} a day ({low} to {high})"


def _signed(rate: float) -> str:
    """Write a rate with its sign, in three digits: more would say what nobody knows."""
    number, unit = format_size(round(rate)).split()
    short = f"{float(number):.0f}" if abs(float(number)) >= 1000 else f"{float(number):.3g}"
    return f"{'+' if rate > 0 else ''}{short} {unit}"


def full(row: Mapping[str, Any]) -> str:
    """Say when it is full, or why not."""
    status = str(row["status"])
    if status == "uncertain":
        return "may grow, or not"
    if status != "ok":
        return words.drawable(status)
    return (
        "when it is full is not known" if pd.isna(row["days"]) else f"full {when(row['until'], row['days'])}"
    )


def spread(row: Mapping[str, Any]) -> str:
    """Say how far that day may be off; empty where there is nothing to say."""
    status = str(row["status"])
    if status not in {"ok", "uncertain"} or pd.isna(row["days_least"]):
        return ""
    about, soonest, latest = (when(row["until"], row[key]) for key in ("days", "days_least", "days_most"))
    if status == "uncertain":
        return f"full {soonest} at the soonest"
    return "" if about == soonest == latest else f"from {soonest} to {latest}"


def when(until: pd.Timestamp, days: Any) -> str:  # noqa: ANN401 - a frame's cell
    """Say a day that is so many days after another: its date, or in how many years it is."""
    if pd.isna(days):
        return "never"
    if days > 100 * 365.25:
        return "in over 100 years"
    if days > _YEARS:
        return f"in {days / 365.25:.0f} years"
    return f"{until.tz_convert('UTC') + pd.Timedelta(days=float(days)):%Y-%m-%d}"


def changes(row: Mapping[str, Any]) -> str:
    """Say how many sudden changes were left out; empty where there was none."""
    steps = 0 if pd.isna(row["steps"]) else int(row["steps"])
    return f"{words.count(steps, 'sudden change')} left out" if steps else ""


def problem(row: Mapping[str, Any]) -> str:
    """Say what is to be known of it; the status stands for what needs no more words."""
    said = [] if pd.isna(row["problem"]) else str(row["problem"]).split("; ")
    return words.drawable("; ".join(part for part in said if part != UNSURE))


def sentence(name: str, row: Mapping[str, Any]) -> str:
    """Say all of it in one sentence."""
    said = [
        taken(row),
        pace(row),
        ", ".join(filter(None, (full(row), spread(row)))),
        changes(row),
        problem(row),
    ]
    return f"{name}: {'; '.join(filter(None, said))}."
