"""What was found in the guests' disks, as frames. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from kvmnb.schema import DF, FILESYSTEMS, Frame

if TYPE_CHECKING:
    import pandas as pd

    from kvmnb.guests.reading import Contents
    from kvmnb.storage.model import Inventory

_Row = dict[str, Any]


def filesystems(contents: Iterable[Contents], seen: Inventory) -> pd.DataFrame:
    """Make the frame of the file systems."""
    return _build(FILESYSTEMS, _rows(FILESYSTEMS, contents), seen)


def df(contents: Iterable[Contents], seen: Inventory) -> pd.DataFrame:
    """Make the frame of how full they are."""
    return _build(DF, (_with_use(row) for row in _rows(DF, contents)), seen)


def _build(frame: Frame, rows: Iterable[_Row], seen: Inventory) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415 - loaded when a frame is made

    read_at = pd.Timestamp(seen.read_at, unit="ns", tz="UTC").isoformat()
    told = ({**row, "host": seen.host} for row in rows)
    return frame.build(told, host=seen.host, uri=seen.uri, read_at=read_at)


def _rows(frame: Frame, contents: Iterable[Contents]) -> Iterator[_Row]:
    for one in contents:
        for row in one.rows:
            told: _Row = dict.fromkeys(frame.names)
            told.update((name, value) for name, value in row.items() if name in told)
            told.update(
                guest=one.guest.name,
                guest_state=one.guest.state,
                source=one.source if "filesystem" in row else None,
                read_at=one.read_at,
                mountpoints=tuple(row.get("mounted", ())),
            )
            if "filesystem" in row:
                # libguestfs' own way to name a btrfs subvolume stays; all else is a device.
                told["filesystem"] = row["filesystem"]
            for name in ("parents", "disks"):
                if name in told:
                    told[name] = tuple(row.get(name, ()))
            for name in ("label", "uuid", "system"):
                if name in told:
                    told[name] = row.get(name) or None
            yield told


def _with_use(row: _Row) -> _Row:
    capacity, used = row["capacity"], row["used"]
    return {**row, "use": used / capacity if capacity else None}
