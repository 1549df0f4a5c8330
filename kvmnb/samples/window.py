"""The time that somebody asks about: from when to when, and on which clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from kvmnb.durations import parse_duration
from kvmnb.errors import BadValue

#: A time, as it may be asked for.
When = str | datetime | timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: The first and the last moment of which the day can be told; in some zones the clock shows a little more.
_FIRST = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1) + 1
_LAST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)

_EXAMPLES = (
    'write "2026-11-25 14:00+01:00", "2026-11-25T13:00Z", or how long ago, such as "90d"; with tz= a time '
    "without a zone is one on that zone's clock"
)


def zone(tz: str | None) -> str:
    """Check the name of a time zone; UTC without one."""
    try:
        ZoneInfo(tz or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # OSError: a folder, or too long a name
        raise BadValue(f"{tz!r} is not a time zone", 'name one such as "UTC" or "Europe/Berlin"') from error
    return tz or "UTC"


@dataclass(frozen=True)
class Window:
    """A span of time, in microseconds since 1970: from the first one to before the last one.

    Parameters
    ----------
    since, until : int or None
        None where there is no such end.
    """

    since: int | None
    until: int | None

    @classmethod
    def of(cls, since: When | None, until: When | None, tz: str | None) -> Window:
        """Read what was asked for; raise `BadValue` where it is no time, or ends before it begins."""
        now = datetime.now(UTC)
        found = cls(_moment(since, tz, now), _moment(until, tz, now))
        if found.since is not None and found.until is not None and found.since >= found.until:
            raise BadValue(f"Nothing is since {since} and until {until}", "let the first be the earlier one")
        return found

    @property
    def first_day(self) -> str:
        """The first day, in UTC, that any of it is in; what sorts before all days without a beginning."""
        return "" if self.since is None else _day(self.since)

    @property
    def last_day(self) -> str:
        """The last such day; what sorts after all days without an end."""
        return "9" if self.until is None else _day(self.until - 1)


def _day(moment: int) -> str:
    return (_EPOCH + timedelta(microseconds=moment)).date().isoformat()


def _moment(when: When | None, tz: str | None, now: datetime) -> int | None:
    if when is None:
        return None
    told = _told(when, now)
    if told.tzinfo is None:
        if tz is None:
            raise BadValue(f"{str(when)!r} does not say in which time zone it is", _EXAMPLES)
        told = told.replace(tzinfo=ZoneInfo(zone(tz)))
    moment = (told - _EPOCH) // timedelta(microseconds=1)
    return min(max(moment, _FIRST), _LAST)


def _told(when: When, now: datetime) -> datetime:
    if isinstance(when, datetime):
        return when
    try:
        if isinstance(when, str) and "-" in when:
            return datetime.fromisoformat(when.strip())
        return now - parse_duration(when)
    except (ValueError, OverflowError) as error:
        raise BadValue(f"{str(when)!r} is not a time", _EXAMPLES) from error
