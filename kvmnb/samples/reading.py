"""Reading a store of samples: a frame as it was at many times."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from kvmnb.durations import parse_duration
from kvmnb.errors import BadHistory, BadValue, NotFound
from kvmnb.samples.arrow import schema, stored, to_frame
from kvmnb.samples.files import Wanted, in_order, read_partition
from kvmnb.samples.made_up import URI
from kvmnb.samples.store import Partition, Store
from kvmnb.samples.taking import TAKEN
from kvmnb.samples.thinning import last_of_each
from kvmnb.samples.window import When, Window, zone
from kvmnb.schema import SAMPLES, Column, Frame
from kvmnb.schema.declare import HOST

#: The frames that a store holds, by name.
STORED: dict[str, Frame] = {frame.name: frame for frame in (*(frame for frame, _ in TAKEN), SAMPLES)}


def history(
    frame: str,
    store: str | Path | None = None,
    *,
    since: When | None = None,
    until: When | None = None,
    host: str | Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    every: str | timedelta | None = None,
    tz: str | None = None,
    strict: bool = True,
) -> pd.DataFrame:
    """Read a frame as it was at the times when samples were taken.

    Only samples that are whole count, and each counts once, also while samples are taken, put together or
    pruned. Samples of older and newer versions of the kit are read as this version declares the frame: a
    column that they lack is NA, one that is not declared here is left out, and a narrower or wider number is
    cast. (`compact_history` keeps what it does not know.)

    Parameters
    ----------
    frame : str
        ``pools``, ``volumes``, ``guests``, ``disks``, ``filesystems``, ``df``, ``usage``, ``orphans``,
        ``overcommit``, or ``samples`` for the samples themselves.
    store : str or Path, optional
        The store's folder; where `sample` puts it without one.
    since, until : str, datetime or timedelta, optional
        From when to before when: a time with its zone, or how long ago, such as ``"90d"``. A time without a
        zone is one on the clock of ``tz``, and is refused without that.
    host : str or sequence of str, optional
        The host, or several; all without it.
    columns : sequence of str, optional
        Which columns, in this order, after ``host`` and ``sampled_at``; all without it. Few are read much
        quicker than all.
    every : str or timedelta, optional
        Keep only the last sample of each host in each interval, such as ``"1h"``. It is done while reading,
        so that a long time needs no more memory than what is kept. Hours and days are those of ``tz``.
    tz : str, optional
        The time zone of all the times that are given back, such as ``"Europe/Berlin"``; UTC without it.
    strict : bool
        Whether a file that cannot be read is an error. Otherwise the rest is given, and
        ``attrs["problems"]`` has a sentence for each such file.

    Returns
    -------
    pandas.DataFrame
        By time, with ``host``, ``sample`` (the sample's id), ``sampled_at``, and the columns and dtypes of
        the frame's declaration. Times are whole microseconds. ``attrs`` holds ``frame``, ``store``, ``uri``
        (the hosts' URIs), ``problems`` and ``made_up``: whether any of it was made up to learn on.

    Raises
    ------
    kvmnb.errors.NotFound
        There is no store there, or it has no sample of such a host.
    kvmnb.errors.BadValue
        The frame, a column, a time, a time zone or an interval is none.
    kvmnb.errors.BadHistory
        A file is damaged or none of the kit's; the message names it.
    kvmnb.errors.HistoryFailed
        The store may not be read.
    """
    declared = _declared(frame)
    names = _names(declared, columns)
    zone_name = zone(tz)
    reader = _Reader(Store.named(store), Window.of(since, until, tz), _hosts(host), strict)
    samples = reader.samples()
    if every is not None:
        times = pd.to_datetime(samples["sampled_at"], unit="us", utc=True)
        samples = samples[last_of_each(times, samples["host"], parse_duration(every), zone_name)]
    tables = list(reader.tables(declared, names, samples, coded=every is not None))
    rows = _frame(tables, declared, names, zone_name)
    uris = sorted(set(samples["uri"].dropna()))
    rows.attrs.update(
        frame=declared.name,
        store=str(reader.store.path),
        uri=", ".join(uris),
        made_up=any(uri.startswith(URI) for uri in uris),
        problems=[str(problem) for problem in reader.problems],
    )
    return rows


def _declared(frame: str) -> Frame:
    declared = STORED.get(frame)
    if declared is None:
        raise BadValue(f"A store has no frame {frame!r}", f"choose one of: {', '.join(STORED)}")
    return declared


def _hosts(host: str | Sequence[str] | None) -> frozenset[str] | None:
    if host is None:
        return None
    return frozenset([host] if isinstance(host, str) else host)


def _names(frame: Frame, columns: Sequence[str] | None) -> list[str]:
    """Give the columns of the frame to make, ``host`` first."""
    every = ["host", *stored(frame)]
    if columns is None:
        return every
    remedy = f"give a list of some of: {', '.join(every)}"
    if isinstance(columns, str):
        raise BadValue(f"{columns!r} is no list of columns", remedy)
    for name in columns:
        if name not in every:
            raise BadValue(f"The frame {frame.name!r} has no column {name!r}", remedy)
    return list(dict.fromkeys(["host", "sampled_at", *columns]))


class _Reader:
    """One reading of a store.

    Parameters
    ----------
    store : Store
        The store.
    window : Window
        Of when.
    hosts : frozenset of str or None
        Of which hosts; all for None.
    strict : bool
        Whether a problem is raised rather than kept.
    """

    def __init__(self, store: Store, window: Window, hosts: frozenset[str] | None, strict: bool) -> None:
        self.store = store
        self.problems: list[BadHistory] = []
        self._window = window
        self._hosts = hosts
        self._strict = strict

    def _read_all(
        self,
        frame: Frame,
        names: Sequence[str],
        asked: Iterable[tuple[Partition, Wanted | None]],
        *,
        coded: bool,
    ) -> Iterator[tuple[Partition, list[pa.Table]]]:
        """Read partitions, several at once, and give them in their order."""

        def read(one: tuple[Partition, Wanted | None]) -> tuple[list[pa.Table], list[BadHistory]]:
            partition, wanted = one
            folder = self.store.folder(frame.name, partition)
            return read_partition(folder, frame, names, wanted, coded=coded)

        asked = list(asked)
        known = {str(problem) for problem in self.problems}
        with ThreadPoolExecutor(os.cpu_count()) as executor:
            for (partition, _), (tables, problems) in zip(asked, executor.map(read, asked), strict=True):
                if problems and self._strict:
                    executor.shutdown(wait=False, cancel_futures=True)
                    raise problems[0]
                self.problems += [problem for problem in problems if str(problem) not in known]
                yield partition, tables

    def samples(self) -> pd.DataFrame:
        """List the samples that count: ``host``, ``day``, ``sample``, ``sampled_at`` (an int) and ``uri``."""
        window = self._window
        partitions = self.store.partitions(SAMPLES.name, window.first_day, window.last_day, self._hosts)
        if self._hosts:
            self._know(self._hosts - {partition.host for partition in partitions})
        asked = ((partition, None) for partition in partitions)
        read = self._read_all(SAMPLES, ["sample", "uri"], asked, coded=True)
        found = [_listed(tables, partition) for partition, tables in read]
        samples = pd.concat(found, ignore_index=True) if found else _listed([], Partition("", ""))
        inside = np.ones(len(samples), dtype=bool)
        if window.since is not None:
            inside &= samples["sampled_at"] >= window.since
        if window.until is not None:
            inside &= samples["sampled_at"] < window.until
        return samples[inside].reset_index(drop=True)

    def _know(self, hosts: Iterable[str]) -> None:
        """See that hosts without a sample in the window have one outside it; else their name is mistaken."""
        if not hosts:
            return
        known = {partition.host for partition in self.store.partitions(SAMPLES.name)}
        for host in sorted(set(hosts) - known):
            choice = ", ".join(sorted(known)) or "none has any"
            raise NotFound(
                f"There is no sample of host {host!r} in {self.store.path}", f"choose one of: {choice}"
            )

    def tables(
        self, frame: Frame, names: Sequence[str], samples: pd.DataFrame, *, coded: bool
    ) -> Iterator[pa.Table]:
        """Read a frame's rows of some samples, by time; `coded` says how texts are given."""
        asked = [
            (Partition(str(day), str(host)), dict(zip(some["sample"], some["sampled_at"], strict=True)))
            for (day, host), some in samples.groupby(["day", "host"], sort=True)
        ]
        own = [name for name in names if name != "host"]
        read = self._read_all(frame, own, asked, coded=coded)
        for _day, today in groupby(read, key=lambda one: one[0].day):
            found = [_with_host(table, partition.host) for partition, tables in today for table in tables]
            yield from in_order(found)


def _with_host(table: pa.Table, host: str) -> pa.Table:
    """Add the host, coded: it is the same in every row."""
    codes = pa.repeat(pa.scalar(0, pa.int32()), len(table))
    return table.append_column(
        "host", pa.DictionaryArray.from_arrays(codes, pa.array([host or None], pa.string()))
    )


def _listed(tables: list[pa.Table], partition: Partition) -> pd.DataFrame:
    """Make the list of a partition's samples."""
    rows = [
        pd.DataFrame(
            {
                "sample": table["sample"].cast(pa.string()).to_pandas().astype(object),
                "sampled_at": table["sampled_at"].cast(pa.int64()).to_numpy(),
                "uri": table["uri"].cast(pa.string()).to_pandas().astype(object),
            }
        )
        for table in tables
    ]
    columns = ["host", "day", "sample", "sampled_at", "uri"]
    if not rows:
        kinds = {name: "int64" if name == "sampled_at" else object for name in columns}
        return pd.DataFrame({name: np.array([], kind) for name, kind in kinds.items()})
    return pd.concat(rows, ignore_index=True).assign(host=partition.host, day=partition.day)[columns]


def _frame(tables: list[pa.Table], frame: Frame, names: list[str], tz: str) -> pd.DataFrame:
    """Make the DataFrame of the tables, which it uses up."""
    columns: dict[str, Column] = {"host": HOST} | stored(frame)
    rows = to_frame(_whole(tables, frame, names), {name: columns[name] for name in names})
    for name in names:
        if columns[name].dtype == "time" and tz != "UTC":
            rows[name] = rows[name].dt.tz_convert(tz)
    return rows


def _whole(tables: list[pa.Table], frame: Frame, names: list[str]) -> pa.Table:
    if not tables:
        empty = schema(frame).append(pa.field("host", pa.string())).empty_table()
        return empty.select(names)
    whole = pa.concat_tables([table.select(names) for table in tables])
    tables.clear()
    return whole
