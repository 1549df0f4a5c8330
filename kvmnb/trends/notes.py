"""What to know about a history beside its growth, in words."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from kvmnb.trends.days import DAY
from kvmnb.trends.series import Series
from kvmnb.units import format_size

#: What is said of growth whose interval holds 0.
UNSURE = "the interval of its growth holds both growing and shrinking"

#: A host whose last sample is so many days older than another's was not sampled of late.
STALE = 2.0

#: So many days back, room that was down to so small a part of what there is now is told: what comes and goes
#: in a night is no growth, and fills storage all the same.
LATELY, LOW = 7.0, 0.5

#: Of all samples, the part that may be unreadable without a word.
FEW = 0.1


def notes(series: Series, newest: int) -> list[str]:
    """Say what an analyst would want to know of a history.

    Parameters
    ----------
    series : Series
        The history.
    newest : int
        When any host was last sampled, in nanoseconds since 1970.

    Returns
    -------
    list of str
        Empty where there is nothing to say.
    """
    said = []
    if series.last < series.ended:
        said.append(
            f"it was last there {_date(series.last)}, {_days(series.ended - series.last)} before its host's "
            "last sample"
        )
    elif newest - series.ended > STALE * DAY:
        when = f"{_date(series.ended)}, {_days(newest - series.ended)} before others"
        said.append(f"its host was last sampled {when}")
    said += _missed(series)
    if len(series.size) and np.isnan(series.room[-1]):
        said.append("its size is not known")
    said += _low(series)
    for place in series.resized[-1:]:
        before, after = (format_size(int(size)) for size in series.size[place - 1 : place + 1])
        said.append(f"its size changed from {before} to {after} by {_date(int(series.times[place]))}")
    return said


def _missed(series: Series) -> list[str]:
    """Say that it could not be read at the end, or often."""
    count, read = len(series.missed), len(series.times)
    if not count or not read:
        return []
    late = int((series.missed > series.times[-1]).sum())
    why = f" ({series.why})" if series.why else ""
    if late:
        return [f"it could not be read since {_date(int(series.times[-1]))}{why}"]
    if count > FEW * (count + read):
        return [f"{count} of {count + read} samples could not be read{why}"]
    return []


def _low(series: Series) -> list[str]:
    """Say how little room there was of late, where that is far less than at the last sample."""
    lately = series.times > series.last - LATELY * DAY
    times, room = series.times[lately], series.room[lately]
    if not (len(room) and series.room[-1] > 0):
        return []
    low = float(np.nanmin(room))
    if low >= LOW * series.room[-1]:
        return []
    return [f"only {format_size(max(0, int(low)))} of it were free {_date(int(times[room == low][-1]))}"]


def _date(time: int) -> str:
    return f"{datetime.fromtimestamp(time / 1e9, UTC):%Y-%m-%d %H:%M} UTC"


def _days(span: int) -> str:
    hours = span / DAY * 24
    if hours >= 48:
        return f"{hours / 24:.0f} days"
    return f"{hours:.0f} hours" if hours >= 2 else f"{hours * 60:.0f} minutes"
