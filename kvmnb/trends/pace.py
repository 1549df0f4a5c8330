"""Another pace of late: what growth over a whole history hides when it has changed on the way.

The growth of a history of which the last weeks are unlike those before is true of neither. So the history is
bent where that fits best, and where the growth after the bend is beyond the interval of the whole, it is
told.
"""

from __future__ import annotations

import numpy as np

from kvmnb.trends.days import Floats, Ints
from kvmnb.trends.growth import Growth, growth, known_parts

#: A pace is known from so many days, on so many values; twice as many where no weekly rhythm was taken out.
_LATE, _VALUES = 7.0, 6

#: So many places are tried for the bend.
_TRIED = 24

#: A difference that makes less than this part of the largest change, over its days, is none to speak of.
_SMALLEST = 0.01


def of_late(
    at: Floats, values: Floats, stretch: Ints, weekday: Ints, whole: Growth
) -> tuple[Growth, float] | None:
    """Find another pace at the end of a series.

    Parameters
    ----------
    at, values, stretch, weekday : array
        As for `growth`.
    whole : Growth
        That of all of it.

    Returns
    -------
    tuple of Growth and float, or None
        The growth since the bend, and when that was, in days; None where the whole interval holds for it.
    """
    known = known_parts(at, stretch, weekday)
    plain = 1 + len(np.unique(stretch))
    rhythm = known.shape[1] > plain
    late = _LATE if rhythm else 2 * _LATE
    places = np.flatnonzero((at > at[0]) & (at <= at[-1] - late) & (np.arange(len(at)) <= len(at) - _VALUES))
    scale = float(np.ptp(values))
    if not len(places) or scale == 0:
        return None
    scaled = (values - values[0]) / scale
    places = np.unique(places[np.linspace(0, len(places) - 1, _TRIED).round().astype(int)])
    fits = [_bent(at, scaled, known, place) for place in places.tolist()]
    best = int(np.argmin([left for left, _ in fits]))
    place, fit = int(places[best]), fits[best][1]
    level = values - scale * (known[:, plain:] @ fit[plain : known.shape[1]])
    found = growth(at[place:], level[place:], stretch[place:], np.zeros(len(at) - place, np.int64))
    if found is None:
        return None
    apart = max(found.least - whole.most, whole.least - found.most)
    if apart * (at[-1] - at[place]) <= _SMALLEST * scale:
        return None
    return found, float(at[place])


def _bent(at: Floats, values: Floats, known: Floats, place: int) -> tuple[float, Floats]:
    """Fit a series that bends at a place; give what is left of it, and what it is made of."""
    parts = np.column_stack([known, np.maximum(at - at[place], 0)])
    fit = np.linalg.lstsq(parts, values)[0]
    return float(((values - parts @ fit) ** 2).sum()), fit
