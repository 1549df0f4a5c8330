"""Keeping a store of samples small: past days in one file each, days that are too old gone."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kvmnb.durations import parse_duration
from kvmnb.errors import BadHistory, HistoryFailed
from kvmnb.samples.drafts import Drafts, sync, under_way
from kvmnb.samples.files import SOURCES, counting, read_partition, read_whole
from kvmnb.samples.files import sources as sources_of
from kvmnb.samples.reading import STORED
from kvmnb.samples.store import SAMPLES, Partition, Store, files, is_ours, merged_name, sample_of
from kvmnb.samples.taking import marked
from kvmnb.schema import TIDIED, returns


@returns(TIDIED)
def compact_history(store: str | Path | None = None) -> pd.DataFrame:
    """Put the samples of each past day into one file per frame and host.

    A year of five-minute samples is then 365 files of each frame rather than 105,000. Days are UTC's, and
    today is left alone. It may be stopped at any point, and run while samples are taken and read: a reader
    of `history` sees every row once. What a sampler that was killed has left is removed.

    Parameters
    ----------
    store : str or Path, optional
        The store's folder; where `sample` puts it without one.

    Raises
    ------
    kvmnb.errors.NotFound
        There is no store there.
    kvmnb.errors.HistoryFailed
        The store could not be written; what was done before is done.
    """
    kept = Store.named(store)
    today = datetime.now(UTC).date().isoformat()
    rows: list[dict[str, Any]] = []
    with _alone(kept):
        under_way(kept)  # sweeps
        for name in _others_first(kept):
            for partition in kept.partitions(name):
                if partition.day < today:
                    rows += _compacted(kept, name, partition)
    return TIDIED.build(rows, store=str(kept.path))


@returns(TIDIED)
def prune_history(keep: str | timedelta, store: str | Path | None = None) -> pd.DataFrame:
    """Delete the days that are older than asked.

    Whole days are deleted, in UTC, and their rows in ``samples`` first, so that no part of a sample is ever
    taken for the whole of it.

    Parameters
    ----------
    keep : str or timedelta
        How long samples are kept, such as ``"400d"``.
    store : str or Path, optional
        The store's folder; where `sample` puts it without one.

    Raises
    ------
    kvmnb.errors.NotFound
        There is no store there.
    kvmnb.errors.HistoryFailed
        A folder could not be removed.
    """
    kept = Store.named(store)
    try:
        oldest = (datetime.now(UTC) - parse_duration(keep)).date().isoformat()
    except OverflowError:  # longer than there have been years
        oldest = ""
    rows: list[dict[str, Any]] = []
    with _alone(kept):
        for name in reversed(_others_first(kept)):
            old = (partition for partition in kept.partitions(name) if partition.day < oldest)
            rows += [_removed(kept, name, partition) for partition in old]
    return TIDIED.build(rows, store=str(kept.path))


@contextmanager
def _alone(store: Store) -> Iterator[None]:
    """Wait until nobody else compacts or prunes, and keep others from it. Samplers and readers go on."""
    try:
        descriptor = os.open(store.path / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise _failed(store.path, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _failed(path: Path, error: OSError) -> HistoryFailed:
    return HistoryFailed(f"{path} cannot be changed: {error.strerror}", "mend it or its permissions")


def _others_first(store: Store) -> list[str]:
    """Give the frames of a store, also those that this version does not know, and the samples last."""
    return sorted(store.frames(), key=lambda name: (name == SAMPLES, name))


def _compacted(store: Store, name: str, partition: Partition) -> list[dict[str, Any]]:
    """Compact one partition; give its row, or none where there was nothing to do."""
    folder = store.folder(name, partition)
    about = {"frame": name, "day": partition.day, "host": partition.host or None}
    before = files(folder)
    rows = None
    try:
        sources, gone = _sorted_out(store, name, partition, before)
        if len(sources) > 1:
            rows = _put_together(store, name, folder, sources)
            gone |= {path.name for path in sources}
    except BadHistory as error:
        count = len(before)
        return [{**about, "files": count, "left": count, "rows": None, **_left_alone(error.what)}]
    _delete(folder, gone)
    if not gone:
        return []
    left = len(before) - len(gone) + (rows is not None)
    return [{**about, "files": len(before), "left": left, "rows": rows, **_OK}]


_OK = {"status": "ok", "problem": None}


def _left_alone(why: str) -> dict[str, str | None]:
    return {"status": "left alone", "problem": why}


def _sorted_out(
    store: Store, name: str, partition: Partition, before: list[str]
) -> tuple[list[Path], set[str]]:
    """Tell which files are to be put together, and the names of those that are to be deleted.

    Raises
    ------
    BadHistory
        A file is damaged or a stranger, so that nothing there is to be touched.
    """
    folder = store.folder(name, partition)
    problems: list[BadHistory] = []
    counted = counting(folder, before, problems)
    if problems:
        raise problems[0]
    gone = set(before) - {path.name for path in counted}
    for path in counted:
        if gone & sources_of(path):  # an earlier compaction was cut off: see that what it has made is sound
            read_whole(path, STORED.get(name))
    if name == SAMPLES:
        return counted, gone
    # The order matters: a sample that was listed, and is not under way any more, has its row by now or never.
    alive = under_way(store)
    whole = _whole(store, partition)
    if whole is None:
        return [], gone
    lost = {path.name for path in counted if (one := sample_of(path.name)) and one not in whole | alive}
    waiting = {path.name for path in counted if sample_of(path.name) in alive - whole}
    return [path for path in counted if path.name not in lost | waiting], gone | lost


def _whole(store: Store, partition: Partition) -> set[str] | None:
    """Give the samples of a day that are whole; None where nothing says which are.

    So it is where a pruning was cut off, which the next one finishes, or where only some of the frames were
    copied. Nothing is to be deleted there for want of its row.
    """
    tables, problems = read_partition(store.folder(SAMPLES, partition), STORED[SAMPLES], ["sample"], None)
    if problems:
        raise problems[0]
    return {one for table in tables for one in table["sample"].to_pylist()} if tables else None


def _put_together(store: Store, name: str, folder: Path, sources: list[Path]) -> int:
    """Publish one file with the rows of several, which it names; give the number of its rows."""
    tables = [read_whole(path, STORED.get(name)) for path in sources]
    try:
        whole = pa.concat_tables(tables, promote_options="permissive").unify_dictionaries()
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        what = f"The files in {folder} have columns that do not go together: {error}"
        raise BadHistory(what, "let the version of the kit that wrote them put them together") from error
    times = whole["sampled_at"].cast(pa.int64()).to_numpy()
    if (times[1:] < times[:-1]).any():
        whole = whole.take(pc.sort_indices(whole["sampled_at"]))
    about = {SOURCES.removeprefix("kvmnb."): json.dumps([path.name for path in sources])}
    if any(b"kvmnb.made_up" in (pq.read_metadata(path).metadata or {}) for path in sources):
        about["made_up"] = "true"
    made = merged_name()
    with Drafts(store) as drafts:
        drafts.write(marked(whole, name, **about), folder / made, made.partition(".")[0])
        drafts.publish()
    return len(whole)


def _delete(folder: Path, names: set[str]) -> None:
    """Delete files for good."""
    try:
        for name in sorted(names):
            (folder / name).unlink(missing_ok=True)
        if names:
            sync(folder)
    except OSError as error:
        raise _failed(folder, error) from error


def _removed(store: Store, name: str, partition: Partition) -> dict[str, Any]:
    """Delete a partition; give its row."""
    folder = store.folder(name, partition)
    before = files(folder)
    _delete(folder, {file for file in before if is_ours(file)})
    left = files(folder)
    with suppress(OSError):  # something is in them still, or a sample is just being put there
        folder.rmdir()
        folder.parent.rmdir()
    about = {"frame": name, "day": partition.day, "host": partition.host or None, "rows": None}
    said = _left_alone(f"{folder / left[0]} is no file that kvmnb has written") if left else _OK
    return {**about, "files": len(before), "left": len(left), **said}
