"""Fewer points of a long series that look the same when they are drawn.

A line in a chart is known by four points of each column of pixels: where it comes in, its least, its
greatest, and where it goes out. The library for it that is kept well (tsdownsample) was tried: asked for few
columns, it ends in an error that no ``except Exception`` catches, and all that is needed is a dozen lines.
"""

from __future__ import annotations

import numpy as np

from kvmnb.trends.days import Floats, Ints

#: Points of each column.
_EACH = 4


def thin(at: Ints | Floats, values: Floats, most: int) -> Ints:
    """Choose the points of a series that the eye would see.

    Parameters
    ----------
    at : array
        When, rising.
    values : array of float
        The values at these times, each known.
    most : int
        How many points there may be; at least 4. Twice as many as the chart has pixels leaves no trace.

    Returns
    -------
    array of int
        The places of the points that are kept, rising: of each stretch of time the first, the least, the
        greatest and the last. All of a series that has no more than that.
    """
    if len(at) <= most:
        return np.arange(len(at), dtype=np.int64)
    columns = max(1, most // _EACH)
    edges = np.linspace(float(at[0]), float(at[-1]), columns + 1)
    column = np.searchsorted(edges[1:-1], np.asarray(at, np.float64), side="right")
    first = np.flatnonzero(np.diff(column, prepend=-1))
    last = np.append(first[1:], len(at)) - 1
    by_value = np.lexsort((values, column))
    kept: Ints = np.unique(np.concatenate([first, last, by_value[first], by_value[last]]))
    return kept
