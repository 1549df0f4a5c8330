"""Sudden changes in a history: what comes once is an event, what comes again and again is how it grows.

A step is a change from one day to the next that is far outside of what is usual from day to day, and stays.
Libraries that look for change points were tried and left: they look for levels or slopes and cut a steady
growth, or a wandering one, into many pieces unless a penalty is found for each series, and they take a spike
for two steps. Here the series' own changes from day to day say what is usual.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from kvmnb.trends.days import Floats, Ints

#: So many times the usual change from day to day is far outside of it.
FAR = 6.0

#: A smaller part of the size than this is no step, however quiet the series is otherwise.
SMALLEST = 1e-3

#: What happens more often than this in the same direction is no event but a habit, and counts as growth:
#: volumes that are made one after the other, or a clean-up each month.
MOST = 3

#: Times between changes that differ by less than this part of them, or by a day, are the same: months differ.
_EVEN = 0.12

#: A change that takes longer than so many days is no sudden one, but another pace.
LONGEST = 3

#: Of normally distributed values, the standard deviation against the median distance from their median.
_NORMAL = 1.4826


@dataclass(frozen=True)
class Stretches:
    """A series without its spikes, and cut at its steps.

    Parameters
    ----------
    kept : array of bool
        Per value whether it is kept: one that stands out for a day or two is not.
    stretch : array of int
        Per kept value the number of the stretch that it is in; a step lies between two.
    steps : tuple of int
        For each step the place of the first kept value after it.
    recurring : int
        How many sudden changes were left in, since they come again and again.
    """

    kept: NDArray[np.bool_]
    stretch: Ints
    steps: tuple[int, ...]
    recurring: int


def cut(at: Floats, values: Floats, size: float) -> Stretches:
    """Find the steps of a series.

    Parameters
    ----------
    at : array of float
        When, in days; rising.
    values : array of float
        The sizes at these times.
    size : float
        How much the storage holds, against which a step must not be negligible.
    """
    least = size * SMALLEST
    level, _, far = _level(at, values, least)
    usual = median_filter(level, 5, mode="nearest")
    kept = np.abs(level - usual) <= far
    level, change, far = _level(at[kept], values[kept], least)
    runs = [run for run in _runs(change, far) if _stays(level, run)]
    found: list[tuple[int, int]] = []
    recurring = 0
    for rising in (True, False):
        alike = [run for run in runs if (change[run[0]] > 0) == rising]
        when = np.array([at[kept][last + 1] for _, last in alike])
        jumps = np.array([abs(level[last + 1] - level[first]) for first, last in alike])
        if len(alike) > MOST or _regular(when, jumps):
            recurring += len(alike)
        else:
            found += alike
    cuts = np.zeros(len(level), np.int64)
    for first, last in found:
        cuts[first + 1 : last + 2] = 1
    return Stretches(kept, np.cumsum(cuts), tuple(sorted(last + 1 for _, last in found)), recurring)


def _level(at: Floats, values: Floats, least: float) -> tuple[Floats, Floats, float]:
    """Take the usual growth out; give what is left, its changes, and how large an unusual change is.

    Over a gap a series may be further off: as the square root of the time where it wanders, not at all where
    it does not. The fourth root lies between.
    """
    apart = np.diff(at)
    if len(apart) == 0:
        return values, apart, least
    level = values - np.median(np.diff(values) / apart) * at
    change = np.diff(level) / np.maximum(apart / np.median(apart), 1) ** 0.25
    spread = _NORMAL * float(np.median(np.abs(change - np.median(change))))
    return level, change, max(FAR * spread, least)


def _runs(change: Floats, far: float) -> list[tuple[int, int]]:
    """Give the first and last of each run of far changes in the same direction, if it is short."""
    signs = np.where(np.abs(change) > far, np.sign(change), 0)
    edges = np.flatnonzero(np.diff(signs, prepend=0, append=0))
    return [
        (int(first), int(after) - 1)
        for first, after in pairwise(edges)
        if signs[first] and after - first <= LONGEST
    ]


def _regular(when: Floats, jumps: Floats) -> bool:
    """Say whether changes of about one size come in a rhythm: then they are a habit already.

    Two are one a week after each other, and three where as much time lies between them.
    """
    apart = np.diff(when)
    alike = np.abs(np.diff(np.log(jumps))) < np.log(1.5)
    weekly = np.abs(apart - 7) <= 1
    even = np.abs(np.diff(apart)) <= np.maximum(1.0, _EVEN * apart[1:])
    return bool((weekly & alike).any() or (even & alike[1:] & alike[:-1]).any())


def _stays(level: Floats, run: tuple[int, int]) -> bool:
    """Say whether most of a change is still there in the days after it."""
    first, last = run
    jump = level[last + 1] - level[first]
    before = np.median(level[max(0, first - 2) : first + 1])
    after = np.median(level[last + 1 : last + 4])
    return bool((after - before) / jump > 0.5)
