"""Reading the files of a store: which of them count, and what is wrong with one."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kvmnb.errors import BadHistory, HistoryFailed
from kvmnb.samples.arrow import KEYS, conform, conform_known
from kvmnb.samples.store import files, is_ours, sample_of
from kvmnb.schema import Frame

#: In the metadata of a file of many samples: the names of the files that it was put together from.
SOURCES = "kvmnb.sources"

#: Samples that are wanted, each with its time in microseconds since 1970.
Wanted = Mapping[str, int]


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@contextmanager
def blaming(path: Path) -> Iterator[None]:
    """Name the file in the error where it cannot be read; that it is gone is left to the caller."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, FileNotFoundError) and not path.is_symlink():  # a link that leads nowhere stays
            raise
        said = str(error).strip().partition("\n")[0].rstrip(".")
        raise BadHistory(
            f"{path} cannot be read as a file of samples: {said}",
            "put a sound copy in its place, or remove it and lose its samples; strict=False reads the rest",
        ) from error


def sources(path: Path) -> frozenset[str]:
    """Give the names of the files that a file was put together from; none for a file of one sample."""
    if sample_of(path.name) is not None:
        return frozenset()
    with blaming(path):
        told = (pq.read_metadata(path).metadata or {}).get(SOURCES.encode(), b"[]")
        names = json.loads(told)
        if isinstance(names, list):
            return frozenset(map(str, names))
        raise ValueError(f"its {SOURCES} is no list of files")


def counting(folder: Path, names: Iterable[str], problems: list[BadHistory]) -> list[Path]:
    """Give the files of a partition that count, in the order given.

    Those do not whose rows are in a file that was put together from them: a crash, or haste, has left both.

    Parameters
    ----------
    folder : pathlib.Path
        The partition's folder.
    names : iterable of str
        What `kvmnb.samples.store.files` has listed.
    problems : list of BadHistory
        Gets what is wrong with files that are not given.
    """
    names = list(names)
    twice: set[str] = set()
    bad: set[str] = set()
    for name in names:
        if not is_ours(name):
            what = f"{folder / name} is no file that kvmnb has written"
            problems.append(BadHistory(what, "move it out of the store of samples"))
            bad.add(name)
            continue
        try:
            twice |= sources(folder / name)
        except BadHistory as error:
            problems.append(error)
            bad.add(name)
    return [folder / name for name in names if name not in twice | bad]


def read_partition(
    folder: Path, frame: Frame, names: Sequence[str], wanted: Wanted | None, *, coded: bool = True
) -> tuple[list[pa.Table], list[BadHistory]]:
    """Read what a partition holds of some samples.

    Parameters
    ----------
    folder : pathlib.Path
        The partition's folder.
    frame : Frame
        The declaration of its frame.
    names : sequence of str
        The columns to give.
    wanted : mapping of str to int, or None
        The samples to give; all of them without it.
    coded : bool
        How texts are given, as for `conform`.

    Returns
    -------
    list of pyarrow.Table
        With the columns of `conform`, in the order of their times.
    list of BadHistory
        What is wrong with the files that could not be read.
    """
    for _ in range(20):
        problems: list[BadHistory] = []
        tables = []
        try:
            for path in counting(folder, files(folder), problems):
                own = sample_of(path.name)
                if own is None or wanted is None or own in wanted:
                    try:
                        tables.append(read_file(path, frame, names, wanted, coded=coded))
                    except BadHistory as error:
                        problems.append(error)
        except FileNotFoundError:  # put together with others, or pruned, since they were listed
            continue
        return in_order(tables), problems
    raise HistoryFailed(f"The files in {folder} change all the time", "try again when less is written to it")


def read_file(
    path: Path, frame: Frame, names: Sequence[str], wanted: Wanted | None, *, coded: bool
) -> pa.Table:
    """Read what one file holds of some samples; raise `BadHistory` where it cannot be read."""
    every = list(dict.fromkeys([*KEYS, *names]))
    with blaming(path):
        found = _only(_load(path, every, wanted, coded=coded), wanted)
        return conform(found, frame, list(dict.fromkeys(["sampled_at", *names])), coded=coded)


def read_whole(path: Path, frame: Frame | None) -> pa.Table:
    """Read a file with every column, also those that this version does not know; for another file."""
    with blaming(path):
        return conform_known(_load(path, None, None, coded=True), frame)


def _load(path: Path, names: Sequence[str] | None, wanted: Wanted | None, *, coded: bool) -> pa.Table:
    with pq.ParquetFile(path) as told:
        there, metadata = told.schema_arrow, told.metadata
    missing = [key for key in KEYS if key not in there.names]
    if missing:
        raise ValueError(f"it has no column {missing[0]!r}")
    asked = [name for name in (names or there.names) if name in there.names]
    texts = [name for name in asked if pa.types.is_string(there.field(name).type)]
    if not coded:
        texts = [name for name in texts if name == "sample"]  # which is looked through
    # Text that lies in the file as a list of texts and their numbers is left so.
    options = {"metadata": metadata, "read_dictionary": texts, "page_checksum_verification": True}
    with pq.ParquetFile(path, **options) as file:
        return file.read_row_groups(_groups(metadata, wanted), columns=asked)


def _groups(metadata: pq.FileMetaData, wanted: Wanted | None) -> list[int]:
    """Give the groups of rows that may hold one of the samples, by the times that their statistics tell."""
    everything = list(range(metadata.num_row_groups))
    if wanted is None or len(everything) < 2:
        return everything
    columns = metadata.schema
    place = next(n for n in range(len(columns)) if columns.column(n).path == "sampled_at")
    times = sorted(wanted.values())
    return [group for group in everything if _may_hold(metadata.row_group(group).column(place), times)]


def _may_hold(column: pq.ColumnChunkMetaData, times: Sequence[int]) -> bool:
    found = column.statistics
    if found is None or not found.has_min_max or not isinstance(found.min, datetime):
        return True
    least, most = (end.replace(tzinfo=UTC) - _EPOCH for end in (found.min, found.max))
    place = bisect_left(times, least // _MICROSECOND)
    return place < len(times) and times[place] <= most // _MICROSECOND


def _only(table: pa.Table, wanted: Wanted | None) -> pa.Table:
    """Keep the rows of the wanted samples."""
    if wanted is None:
        return table
    chunks = []
    ids = pa.array(list(wanted), pa.string())
    for chunk in table["sample"].chunks:
        coded = (
            chunk if isinstance(chunk, pa.DictionaryArray) else chunk.cast(pa.string()).dictionary_encode()
        )
        chunks.append((pc.is_in(coded.dictionary, ids), coded.indices))
    if all(pc.all(among).as_py() is not False for among, _ in chunks):
        return table
    return table.filter(pa.chunked_array([among.take(indices) for among, indices in chunks], pa.bool_()))


def in_order(tables: list[pa.Table]) -> list[pa.Table]:
    """Bring tables into the order of their times; where those of several overlap, their rows."""
    tables = [table for table in tables if len(table)]
    ends = [(t["sampled_at"][0].value, t["sampled_at"][-1].value) for t in tables]
    ordered = sorted(range(len(tables)), key=lambda place: ends[place])
    if all(ends[a][1] <= ends[b][0] for a, b in pairwise(ordered)):
        return [tables[place] for place in ordered]
    whole = pa.concat_tables(tables).unify_dictionaries()
    return [whole.take(pc.sort_indices(whole["sampled_at"]))]
