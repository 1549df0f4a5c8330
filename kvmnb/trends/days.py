"""Samples by the day: what is left of a history where hours do not matter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Nanoseconds of a day.
DAY = 86_400 * 10**9

#: A longer history is taken by whole weeks: its days would make the reckoning slow and add nothing.
MOST_DAYS = 130


@dataclass(frozen=True)
class Days:
    """A series with one value for each day, or each few weeks of a long history, that has samples.

    Parameters
    ----------
    at : array of float
        When, in days from the first sample.
    values : array of float
        The median of that day's samples: a backup at night that comes and goes is no growth.
    weekday : array of int
        Which day of a week it is, from 0 to 6; all 0 where weeks are taken as a whole.
    """

    at: Floats
    values: Floats
    weekday: Ints


def by_day(times: Ints, values: Floats) -> Days:
    """Take a history by the day.

    Days are stretches of 24 hours that end with the last sample, so that neither the time zone nor the hour
    at which sampling began matters, and the last one is a whole day.

    Parameters
    ----------
    times : array of int
        Nanoseconds since 1970, rising.
    values : array of float
        The sizes at these times.

    Returns
    -------
    Days
        In the order of time.
    """
    span = int(times[-1] - times[0])
    weeks = -(-span // (7 * MOST_DAYS * DAY))
    width = DAY if span <= MOST_DAYS * DAY else 7 * weeks * DAY
    back = (times[-1] - times) // width
    starts = np.flatnonzero(np.diff(back, prepend=back[0] + 1))
    at = np.array([np.median(part) for part in np.split((times - times[0]) / DAY, starts[1:])])
    medians = np.array([np.median(part) for part in np.split(values, starts[1:])])
    weekday = -back[starts] % 7 if width == DAY else np.zeros(len(starts), np.int64)
    return Days(at, medians, weekday)


def distinct(times: Ints, values: Floats, *more: Floats) -> tuple[Ints, list[Floats]]:
    """Order a history by time, and keep one sample of each time: one that could be read, if there is one."""
    order = np.lexsort((~np.isnan(values), times))
    last = np.append(np.diff(times[order]) > 0, True) if len(order) else np.zeros(0, bool)
    kept = order[last]
    return times[kept], [column[kept] for column in (values, *more)]
