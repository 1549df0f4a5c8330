"""Growth per day of a series, with an interval that holds though errors last.

The growth is Theil and Sen's: the median of the slopes between all pairs of days, which some wild days do not
move. Their own interval takes each day's error for a new one and is far too narrow for a size that wanders:
of a random walk it holds one time in six. So the interval is worked out for errors that are partly new each
day and partly stay for good, from none to all; each mixture counts by how likely it makes the history seen
(restricted likelihood), and those that last count more beforehand, since in a short history they cannot be
told from others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import stdtr
from scipy.stats import theilslopes

from kvmnb.trends.days import Floats, Ints

#: How sure the interval is.
SURE = 0.9

#: How much of a day's errors stays for good, against what is new each day, as variances.
_LASTING = np.array([0.0, *10.0 ** np.arange(-3, 2.5, 0.5), np.inf])

#: How much each of them counts beforehand.
_BEFOREHAND = np.array([0.1, *_LASTING[1:-1] ** 0.25, 8.0])

#: So many values must there be beyond what is worked out of them.
_SPARE = 3

#: A weekly rhythm is taken out of a history of so many days.
_WEEKS = 28

#: Less than this part of the largest change is no error but rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Growth:
    """How much more is taken each day, in bytes, and how far that may be off."""

    rate: float
    least: float
    most: float


def growth(at: Floats, values: Floats, stretch: Ints, weekday: Ints) -> Growth | None:
    """Work out the growth of a series within its stretches.

    Parameters
    ----------
    at : array of float
        When, in days; rising.
    values : array of float
        The sizes at these times.
    stretch : array of int
        The number of the stretch that each is in; what happens between two is no growth.
    weekday : array of int
        The day of the week of each.

    Returns
    -------
    Growth or None
        None where there are too few values.
    """
    known = known_parts(at, stretch, weekday)
    if len(at) - known.shape[1] < _SPARE:
        return None
    scale = float(np.ptp(values))
    if scale == 0:
        return Growth(0.0, 0.0, 0.0)
    # Numbers around 1 keep the reckoning exact, whatever the sizes.
    scaled = (values - values[0]) / scale
    fit = np.linalg.lstsq(known, scaled)[0]
    level = known[:, 1:] @ fit[1:]
    rate = float(theilslopes(scaled - level, at).slope)
    if abs(rate) * float(np.ptp(at)) < _ROUNDING:
        rate = 0.0
    off = 0.0
    if np.abs(scaled - known @ fit).max() > _ROUNDING:
        off = _off(at, scaled, known)
    return Growth(rate * scale, (rate - off) * scale, (rate + off) * scale)


def known_parts(at: Floats, stretch: Ints, weekday: Ints) -> Floats:
    """Give what a series is made of beside errors: growth, a level per stretch, and a rhythm of weeks."""
    parts = [at - at.mean(), *(stretch == number for number in np.unique(stretch))]
    days = np.unique(weekday)
    if len(at) >= _WEEKS and len(days) > 1:
        rhythm = [(weekday == day) * 1.0 - (weekday == days[0]) for day in days[1:]]
        wider = np.column_stack([*parts, *rhythm])
        if np.linalg.matrix_rank(wider) == wider.shape[1]:
            return wider
    return np.column_stack(parts)


def _off(at: Floats, values: Floats, known: Floats) -> float:
    """Work out how far the growth may be off, with errors that may last."""
    count, parts = known.shape
    spare = count - parts
    since = (at - at[0]) / np.median(np.diff(at))
    lasting = np.minimum.outer(since, since) + 1
    share = np.append(_LASTING[:-1] / (1 + _LASTING[:-1]), 1.0)[:, None, None]
    errors = (1 - share) * np.eye(count) + share * lasting
    # Seen through the root of the errors' covariance, they are independent.
    root = np.linalg.cholesky(errors)
    seen = np.linalg.solve(
        root, np.broadcast_to(np.column_stack([known, values]), (len(root), count, parts + 1))
    )
    parts_seen, values_seen = seen[..., :-1], seen[..., -1:]
    normal = parts_seen.transpose(0, 2, 1) @ parts_seen
    fit = np.linalg.solve(normal, parts_seen.transpose(0, 2, 1) @ values_seen)
    left = ((values_seen - parts_seen @ fit) ** 2).sum(axis=(1, 2))
    likely = -np.log(np.diagonal(root, axis1=1, axis2=2)).sum(axis=1)
    likely -= (np.linalg.slogdet(normal)[1] + spare * np.log(left)) / 2
    weight = np.exp(likely - likely.max()) * _BEFOREHAND
    weight /= weight.sum()
    # How far the slope is off for each kind of errors, though it was worked out as if there were one kind.
    slope = np.linalg.pinv(known)[0]
    deviation = np.sqrt(left / spare * np.einsum("i,kij,j->k", slope, errors, slope))

    def lacking(off: float) -> float:
        return float(weight @ stdtr(spare, off / deviation)) - (1 + SURE) / 2

    return float(brentq(lacking, 0.0, 100 * float(deviation.max())))
