"""Words for how long: ``"5m"``, ``"1h"``, ``"400d"``."""

from __future__ import annotations

import re
from datetime import timedelta

from kvmnb.errors import BadValue

_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "min": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_DURATION = re.compile(r"\s*(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[A-Za-z]*)\s*", re.ASCII)

#: How a duration may be written, for error messages.
EXAMPLES = (
    'write a number and a unit: "30s", "5m" (minutes), "1h", "400d" or "2w"; a month or a year has no fixed '
    "length, so say it in days"
)


def parse_duration(text: str | timedelta) -> timedelta:
    """Read how long something is.

    Parameters
    ----------
    text : str or datetime.timedelta
        A number and a unit: ``s``, ``m`` or ``min``, ``h``, ``d`` or ``w``. A timedelta is only checked.

    Returns
    -------
    datetime.timedelta
        More than nothing.

    Raises
    ------
    BadValue
        The text is no duration, its unit is missing or unknown, or it is nothing, negative or too long.

    Examples
    --------
    >>> parse_duration("90m") == timedelta(hours=1, minutes=30)
    True
    """
    if isinstance(text, timedelta):
        return _checked(text, str(text))
    match = _DURATION.fullmatch(str(text))
    if match is None:
        raise BadValue(f"{text!r} is not a duration", EXAMPLES)
    if not match["unit"]:
        raise BadValue(f"{text!r} has no unit", EXAMPLES)
    unit = _UNITS.get(match["unit"])  # upper case is none: M may be meant for minutes or months
    if unit is None:
        raise BadValue(f"{text!r} has the unknown unit {match['unit']!r}", EXAMPLES)
    try:
        return _checked(float(match["number"]) * unit, repr(text))
    except OverflowError as error:
        raise BadValue(f"{text!r} is too long", "give a shorter one, such as 3650d for ten years") from error


def _checked(duration: timedelta, shown: str) -> timedelta:
    if duration <= timedelta(0):
        raise BadValue(f"{shown} is no time at all", "give a duration of more than nothing, such as 5m")
    return duration
