"""The histories of pools and of file systems, each as arrays of numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from kvmnb.errors import BadValue
from kvmnb.schema import DF, POOLS, Frame
from kvmnb.trends.days import Floats, Ints, distinct

#: File systems that are made full and are never written to.
_MADE_FULL = {"iso9660", "udf", "squashfs", "cramfs", "erofs"}

#: A size that changes more often than this is what others leave of it, as on some file systems.
_RESIZES = 3


@dataclass(frozen=True)
class Series:
    """The history of one pool or file system.

    Parameters
    ----------
    host, kind, name : str or None
        Which one it is, as the frame ``trend`` says it.
    times : array of int
        When it could be read, in nanoseconds since 1970; rising, each once.
    taken, room, size : array of float
        How much of it was taken, how much could still be taken, and its size; nan where not known.
    missed : array of int
        When it was there, and could not be read.
    why : str or None
        What the last of these said.
    ended : int
        When its host was last sampled.
    grows : bool
        Whether it is of a kind that can grow.
    """

    host: str | None
    kind: str
    name: str
    times: Ints
    taken: Floats
    room: Floats
    size: Floats
    missed: Ints
    why: str | None
    ended: int
    grows: bool = True

    @property
    def last(self) -> int:
        """When it was last there, whether it could be read or not."""
        return int(max(self.times[-1:].tolist() + self.missed[-1:].tolist()))

    @property
    def resized(self) -> list[int]:
        """The places at which it has got another size."""
        found: list[int] = (np.flatnonzero(np.abs(np.diff(self.size)) > 0.01 * self.size[:-1]) + 1).tolist()
        return found if len(found) <= _RESIZES else []


@dataclass(frozen=True)
class _Source:
    """Where a history frame keeps what is asked of it."""

    frame: Frame
    kind: str
    key: tuple[str, ...]
    taken: str
    why: str
    extra: tuple[str, ...] = ()


_POOLS = _Source(POOLS, "pool", ("name",), "allocation", "problem")
_FILESYSTEMS = _Source(DF, "filesystem", ("guest", "filesystem"), "used", "reason", ("type", "uuid"))


def histories(pools: pd.DataFrame | None, df: pd.DataFrame | None) -> list[Series]:
    """Give every series of two history frames, by host and name, the pools first.

    Raises
    ------
    BadValue
        A column is missing, or there is no frame at all.
    """
    if pools is None and df is None:
        raise BadValue("There is no history", "give it kvmnb.history('pools'), kvmnb.history('df') or both")
    found = [] if pools is None else list(_split(_read(pools, _POOLS), _POOLS))
    if df is not None:
        found += _split(_attributed(_read(df, _FILESYSTEMS)), _FILESYSTEMS)
    return found


def _read(history: pd.DataFrame, source: _Source) -> pd.DataFrame:
    """Take what is needed of a history frame, in plain dtypes and by time."""
    wanted = ("host", *source.key, source.taken, "available", "capacity", "sampled_at")
    for column in wanted:
        if column not in history.columns:
            raise BadValue(
                f"A trend needs a history of {source.frame.name!r}, and this frame has no column {column!r}",
                f"give it kvmnb.history({source.frame.name!r})",
            )
    numbers = {
        name: pd.to_numeric(history[column]).to_numpy(dtype="float64", na_value=np.nan)
        for name, column in (("taken", source.taken), ("room", "available"), ("size", "capacity"))
    }
    # A column keeps its dtype; times of several zones, or without one, are taken for UTC.
    when = pd.to_datetime(history["sampled_at"], utc=True).dt.as_unit("ns")
    texts = {
        column: history[column].astype("object").where(history[column].notna(), None)
        if column in history.columns
        else None
        for column in ("host", *source.key, source.why, *source.extra)
    }
    table = pd.DataFrame({"time": when.astype("int64"), **texts, **numbers}, index=history.index)
    return table[when.notna().to_numpy()].sort_values("time", kind="stable", ignore_index=True)


def _attributed(table: pd.DataFrame) -> pd.DataFrame:
    """Count a guest that could not be read as each of its file systems that could not be.

    A file system that was read without its UUID, as agents do, is the one of that name before or after it.
    """
    table = table.assign(of=_ids(table, ("host", "guest")))
    known = table["filesystem"].notna()
    named = table[known]
    ids = named.groupby(_ids(named, ("of", "filesystem")))["uuid"]
    named = named.assign(uuid=ids.ffill())
    named = named.assign(uuid=named.groupby(_ids(named, ("of", "filesystem")))["uuid"].bfill())
    each = named.assign(id=_ids(named, ("of", "filesystem", "uuid"))).drop_duplicates("id", keep="last")
    lost = table[~known].drop(columns=["filesystem", "uuid", "type"])
    spread = lost.merge(each[["of", "filesystem", "uuid", "type"]], on="of", how="left")
    both = pd.concat([named, spread.assign(taken=np.nan, room=np.nan, size=np.nan)])
    return both.sort_values("time", kind="stable", ignore_index=True)


def _ids(table: pd.DataFrame, keys: tuple[str, ...]) -> Ints:
    """Give rows with the same texts the same number.

    What pandas makes of texts to group by them cannot hold a name that is no UTF-8.
    """
    ids = np.zeros(len(table), np.int64)
    for key in keys:
        codes, values = pd.factorize(table[key].to_numpy(object))
        ids, _ = pd.factorize(ids * (len(values) + 1) + codes + 1)
    return ids.astype(np.int64)


def _split(table: pd.DataFrame, source: _Source) -> Iterator[Series]:
    """Give the series of a table, by host and name."""
    ended = table.groupby(_ids(table, ("host",)))["time"].transform("max")
    table = table.assign(ended=ended.astype("int64"))
    extra = ("uuid",) if "uuid" in table else ()
    parts = [part for _, part in table.groupby(_ids(table, ("host", *source.key, *extra)))]
    places = [tuple(map(_text, part[["host", *source.key]].iloc[0])) for part in parts]
    often = Counter(places)
    for (host, *words), part in sorted(zip(places, parts, strict=True), key=lambda pair: _order(pair[0])):
        name = " ".join(word for word in words if word is not None)
        uuid = _text(part["uuid"].iloc[0]) if extra else None
        if often[host, *words] > 1 and uuid is not None:
            name += f" ({uuid[:8]})"
        yield _series(part, source, host, name)


def _text(cell: Any) -> str | None:  # noqa: ANN401 - a frame's cell may be anything
    return None if pd.isna(cell) else str(cell)


def _order(place: tuple[str | None, ...]) -> tuple[str, ...]:
    return tuple(part or "" for part in place)


def _series(part: pd.DataFrame, source: _Source, host: str | None, name: str) -> Series:
    columns = (part[column].to_numpy() for column in ("taken", "room", "size"))
    times, (taken, room, size) = distinct(part["time"].to_numpy(), *columns)
    # libvirt says 0 of storage whose size it cannot tell.
    room, size = (np.where(size == 0, np.nan, figures) for figures in (room, size))
    read = ~np.isnan(taken)
    reasons = part.loc[part["time"].isin(times[~read]), source.why].dropna()
    kinds: set[Any] = set(part["type"]) if "type" in part else set()
    return Series(
        host=host,
        kind=source.kind,
        name=name,
        times=times[read],
        taken=taken[read],
        room=np.where(np.isnan(room), np.maximum(size - taken, 0), room)[read],
        size=size[read],
        missed=times[~read],
        why=None if reasons.empty else str(reasons.iloc[-1]),
        ended=int(part["ended"].iloc[0]),
        grows=not kinds & _MADE_FULL,
    )
