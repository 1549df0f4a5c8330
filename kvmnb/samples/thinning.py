"""Which samples to keep of many: the last of each host in each interval."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pandas as pd

#: Of what is longer, the first interval since 1970 is all time that pandas can tell, as it is of this.
_LONGEST = timedelta(days=106_000)


def last_of_each(
    sampled_at: pd.Series[Any], host: pd.Series[Any], every: timedelta, tz: str = "UTC"
) -> pd.Series[Any]:
    """Mark the last sample of each host in each interval.

    Intervals are counted on the clock of the time zone: an hour begins at the full hour, a day at midnight
    there, also on the two days a year that have 23 or 25 hours; of the hour that a clock shows twice, each
    has its own where intervals are no longer. Whole weeks begin on Thursdays, as 1970 did.

    Parameters
    ----------
    sampled_at : pandas.Series
        The samples' times, in any zone.
    host : pandas.Series
        Their hosts.
    every : datetime.timedelta
        The interval's length.
    tz : str
        The time zone.

    Returns
    -------
    pandas.Series
        Of bool, with the index of ``sampled_at``.
    """
    local = sampled_at.dt.tz_convert(tz)
    clock = local.dt.tz_localize(None)
    interval = clock.dt.floor(pd.Timedelta(min(every, _LONGEST)))
    offset = clock - sampled_at.dt.tz_convert("UTC").dt.tz_localize(None)
    if every > timedelta(hours=1):  # both of the hours that a clock shows twice are in one interval
        offset = offset * 0
    keys = pd.DataFrame({"at": sampled_at, "host": host, "interval": interval, "offset": offset})
    last = keys.sort_values("at", kind="stable").groupby(["host", "interval", "offset"], dropna=False).tail(1)
    return pd.Series(sampled_at.index.isin(last.index), index=sampled_at.index)
