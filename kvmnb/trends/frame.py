"""How pools and guests' file systems fill: the frame ``trend``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from kvmnb.schema import TREND, returns
from kvmnb.trends.days import DAY, Days, by_day
from kvmnb.trends.growth import Growth, growth
from kvmnb.trends.notes import UNSURE, notes
from kvmnb.trends.pace import of_late
from kvmnb.trends.series import Series, histories
from kvmnb.trends.steps import Stretches, cut
from kvmnb.units import LARGEST, format_size

if TYPE_CHECKING:
    import pandas as pd

#: So many samples, over so many days, on so many of them, are the fewest that tell of growth.
SAMPLES, DAYS, DIFFERENT = 8, 7.0, 5

#: In fewer days than this, a rhythm of weeks looks like growth.
TWO_WEEKS = 14.0

#: What would take longer to fill even at the most that it may grow, does not grow to speak of.
HORIZON = 3650.0

#: Days further away have no date.
_FARTHEST = 36_525.0


@dataclass(frozen=True)
class _Worked:
    """What was worked out of one series."""

    growth: Growth | None = None
    steps: int = 0
    recurring: int = 0
    lacking: str = ""
    pace: str = ""


@returns(TREND)
def trend(pools: pd.DataFrame | None = None, df: pd.DataFrame | None = None) -> pd.DataFrame:
    """Work out from a history how fast pools and guests' file systems fill, and when they are full.

    The growth is Theil and Sen's: the median of the slopes between all pairs of days, each day taken by the
    median of its samples. Sudden changes that stay, such as a deleted volume, are counted as steps and are no
    growth, unless they come again and again. Where its pace changed, the growth is that of late, and the
    interval holds that of the whole as well. It is to hold the true growth in 90 of 100 histories. Of made
    ones it held it in 80 to 92 where a size wanders, and in more where errors do not last; in 55 to 65 where
    the pace itself wanders, and seldom where a rhythm, such as a clean-up each month, is longer than a third
    of the history. It says nothing about steps to come. Full is where nothing is available: of a file system
    that keeps blocks for its administrator, before all of it is used.

    Parameters
    ----------
    pools : pandas.DataFrame, optional
        ``kvmnb.history("pools")``, or as much of it as is to count.
    df : pandas.DataFrame, optional
        ``kvmnb.history("df")``.

    Raises
    ------
    kvmnb.errors.BadValue
        There is no frame, or one of another kind.
    """
    series = histories(pools, df)
    newest = max((one.ended for one in series), default=0)
    rows = [_row(one, newest) for one in series]
    rows.sort(key=lambda row: (row["days"] is None, row["days"] or 0.0))
    made_up = any(frame is not None and bool(frame.attrs.get("made_up")) for frame in (pools, df))
    return TREND.build(rows, made_up=made_up)


def _row(series: Series, newest: int) -> dict[str, Any]:
    """Give the row of one series."""
    row: dict[str, Any] = dict.fromkeys(TREND.names)
    row |= {"host": series.host, "kind": series.kind, "name": series.name, "samples": len(series.times)}
    if not len(series.times):
        said = [series.why or "no sample says how full it was"]
        return row | {"status": "unreadable", "problem": "; ".join(said + notes(series, newest)), "steps": 0}
    worked = _work(series)
    now, room = float(series.taken[-1]), float(series.room[-1])
    row |= {
        "now": min(int(now), LARGEST),
        "capacity": None if np.isnan(room) else min(int(now) + int(room), LARGEST),
        "steps": worked.steps,
        "since": int(series.times[0]),
        "until": int(series.times[-1]),
    }
    if worked.growth is not None:
        row |= {
            "growth": worked.growth.rate,
            "growth_least": worked.growth.least,
            "growth_most": worked.growth.most,
        }
    status = _status(series, worked.growth, room)
    if status != "gone":
        row |= _forecast(worked.growth, room, full=status == "full", until=row["until"])
    said = [worked.lacking] if status == "not enough data" else []
    said += _reasons(status, worked)
    if status in {"ok", "uncertain"} and series.times[-1] - series.times[0] < TWO_WEEKS * DAY:
        said.append("in less than two weeks, what comes and goes within a week looks like growth")
    said += notes(series, newest)
    return row | {"status": status, "problem": "; ".join(said) or None}


def _work(series: Series) -> _Worked:
    """Work out the growth of a series, and what is lacking where it cannot be."""
    span = (series.times[-1] - series.times[0]) / DAY
    days = by_day(series.times, series.taken)
    lacks = [
        _count(how, f"more {thing}", rest)
        for how, thing, rest in (
            (SAMPLES - len(series.times), "sample", ""),
            (int(np.ceil(DAYS - span)), "day", ""),
            (DIFFERENT - len(days.at), "day", " with samples"),
        )
        if how > 0
    ][:2]
    had = f"{_count(len(series.times), 'sample')} over {span:.1f} days"
    if lacks:
        need = "is" if lacks[1:] == [] and lacks[0].startswith("1 ") else "are"
        return _Worked(lacking=f"{had}: {' and '.join(lacks)} {need} needed")
    size = np.nanmax([*series.taken, *series.size])
    cuts = cut(days.at, days.values, float(size))
    kept = cuts.kept
    found = growth(days.at[kept], days.values[kept], cuts.stretch, days.weekday[kept])
    steps = len(cuts.steps) + _resized(series, days.at[kept], cuts.steps)
    lacking = (
        "" if found else f"{had}, with {_count(steps, 'sudden change')} among them: more days are needed"
    )
    pace = ""
    if found and not cuts.recurring:  # a pace between two of them is none that stays
        found, pace = _paced(series, days, cuts, found)
    return _Worked(found, steps, cuts.recurring, lacking, pace)


def _paced(series: Series, days: Days, cuts: Stretches, whole: Growth) -> tuple[Growth, str]:
    """Count the pace of late, where it is another one, and say so; the interval then holds both."""
    kept = cuts.kept
    late = of_late(days.at[kept], days.values[kept], cuts.stretch, days.weekday[kept], whole)
    if late is None:
        return whole, ""
    found, day = late
    since = datetime.fromtimestamp(series.times[0] / 1e9 + day * 86_400, UTC)
    said = f"its pace changed about {since:%Y-%m-%d}: {_rate(found)} a day since, {_rate(whole)} over all"
    return Growth(found.rate, min(whole.least, found.least), max(whole.most, found.most)), said


def _rate(of: Growth) -> str:
    size = round(of.rate)
    return f"{'-' if size < 0 else '+' if size else ''}{format_size(abs(size))}"


def _count(number: int, thing: str, rest: str = "") -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}{rest}"


def _resized(series: Series, at: Any, steps: tuple[int, ...]) -> int:  # noqa: ANN401 - an array
    """Count how often the storage got another size, but for changes that are steps of what is taken too."""
    when = (series.times[series.resized] - series.times[0]) / DAY
    return sum(all(abs(moment - at[step]) > 1.5 for step in steps) for moment in when)


def _status(series: Series, found: Growth | None, room: float) -> str:
    """Give the word for how it is with a series, by what matters first."""
    if series.last < series.ended:
        return "gone"
    if series.grows and room <= 0:
        return "full"
    if series.grows and found is None:
        return "not enough data"
    if not series.grows or found is None or found.most <= 0 or found.least <= 0 < HORIZON < room / found.most:
        return "not growing"
    return "ok" if found.least > 0 else "uncertain"


def _reasons(status: str, worked: _Worked) -> list[str]:
    said = []
    if status == "uncertain":
        said.append(UNSURE)
    if worked.recurring:
        said.append(f"{worked.recurring} sudden changes come again and again, and count as growth")
    if worked.pace:
        said.append(worked.pace)
    return said


def _forecast(found: Growth | None, room: float, *, full: bool, until: int) -> dict[str, Any]:
    """Give the days until it is full, and the date."""
    if full:
        return {"days": 0.0, "days_least": 0.0, "days_most": 0.0, "full_at": until}
    if found is None or np.isnan(room) or room <= 0:
        return {}

    def days(rate: float) -> float | None:
        return room / rate if rate > 0 and np.isfinite(room / rate) else None

    middle = days(found.rate)
    near = middle is not None and middle < _FARTHEST
    return {
        "days": middle,
        "days_least": days(found.most),
        "days_most": days(found.least),
        "full_at": until + int(middle * DAY) if middle is not None and near else None,
    }
