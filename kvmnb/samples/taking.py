"""Taking a sample: a host's frames as they are now, into the store."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa

from kvmnb import __version__
from kvmnb.errors import BadValue
from kvmnb.guests import frames as inner
from kvmnb.samples.arrow import to_table
from kvmnb.samples.drafts import Drafts, under_way
from kvmnb.samples.made_up import HOST
from kvmnb.samples.store import Partition, Store, new_id
from kvmnb.schema import (
    DF,
    DISKS,
    FILESYSTEMS,
    GUESTS,
    ORPHANS,
    OVERCOMMIT,
    POOLS,
    SAMPLES,
    USAGE,
    VOLUMES,
    Frame,
    returns,
)
from kvmnb.storage import frames
from kvmnb.storage.model import Inventory
from kvmnb.usage.inside import NOT_READ
from kvmnb.usage.joined import usage
from kvmnb.usage.openers import orphans_now
from kvmnb.usage.overcommit import overcommit

if TYPE_CHECKING:
    from kvmnb.guests.reading import Contents
    from kvmnb.host import Host

#: Makes one frame of a sample, of what was read of the host and in its guests' disks; those are None where
#: nobody looked, and a frame is where it is no part of such a sample.
_Make = Callable[[Inventory, "list[Contents] | None"], "pd.DataFrame | None"]

#: What a sample holds. A new frame is one line here; its files, history and compaction follow.
TAKEN: tuple[tuple[Frame, _Make], ...] = (
    (POOLS, lambda seen, _contents: frames.pools(seen)),
    (VOLUMES, lambda seen, _contents: frames.volumes(seen)),
    (GUESTS, lambda seen, _contents: frames.guests(seen)),
    (DISKS, lambda seen, _contents: frames.disks(seen)),
    (FILESYSTEMS, lambda seen, contents: None if contents is None else inner.filesystems(contents, seen)),
    (DF, lambda seen, contents: None if contents is None else inner.df(contents, seen)),
    (USAGE, usage),
    (ORPHANS, lambda seen, _contents: orphans_now(seen)),
    (OVERCOMMIT, lambda seen, _contents: overcommit(seen)),
)

#: The words for what is no gap: nobody looked, or there is nothing to be read.
_NO_GAPS = ("ok", "swap", NOT_READ.status)


@returns(SAMPLES)
def sample(host: Host, store: str | Path | None = None, inside: bool = True) -> pd.DataFrame:
    """Put what a host says now into a store of samples.

    Reads only: no pool is refreshed, and a host that was opened for reading is enough. The sample is in the
    store, on the disk, when this returns; one that fails or is killed leaves nothing that counts.

    Parameters
    ----------
    host : Host
        As `connect` gives it.
    store : str or Path, optional
        The store's folder, which is made where it is missing. Without it ``KVMNB_HISTORY``, else
        ``kvmnb/history`` in the user's state folder, ``~/.local/state``.
    inside : bool
        Whether to look into the guests' disks, for ``filesystems``, ``df`` and what ``usage`` says of them.
        It takes seconds for each guest that is not remembered.

    Raises
    ------
    kvmnb.errors.KvmnbError
        The host could not be read; nothing is written. What could be read only in part is kept, and counted
        in ``gaps``.
    kvmnb.errors.HistoryFailed
        The store could not be written.
    kvmnb.errors.BadValue
        The store holds what `learning_history` has made up, or its name is empty.
    """
    kept = Store.named(store, must_exist=False)
    if any(partition.host == HOST for partition in kept.partitions(SAMPLES.name)):
        what = f"The samples in {kept.path} are made up, to learn on"
        raise BadValue(what, "name another folder: measured and made-up samples are never mixed")
    started = time.monotonic()
    seen = host.inventory()
    taken = make_frames(seen, host.contents(seen) if inside else None)
    return write_sample(
        kept,
        taken,
        host=host.name,
        uri=host.uri,
        sampled_at=seen.read_at,
        seconds=time.monotonic() - started,
    )


def make_frames(seen: Inventory, contents: list[Contents] | None) -> list[tuple[Frame, pd.DataFrame]]:
    """Make the frames of a sample, each with its declaration."""
    made = ((frame, make(seen, contents)) for frame, make in TAKEN)
    return [(frame, rows) for frame, rows in made if rows is not None]


def write_sample(
    store: Store,
    taken: Iterable[tuple[Frame, pd.DataFrame]],
    *,
    host: str,
    uri: str,
    sampled_at: int,
    seconds: float,
) -> pd.DataFrame:
    """Write frames as one sample: all of them, or nothing that counts.

    Parameters
    ----------
    store : Store
        The store, which is made where it is missing.
    taken : iterable of tuple
        Each frame's declaration, and the frame.
    host, uri : str
        Where they are from.
    sampled_at : int
        When the host was read, in nanoseconds since 1970.
    seconds : float
        How long that took.

    Returns
    -------
    pandas.DataFrame
        The `kvmnb.schema.SAMPLES` frame with its row.
    """
    taken = list(taken)
    moment = sampled_at // 1000
    when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=moment)
    identity, partition = new_id(when), Partition.of(when, host)
    row = about(taken, identity, moment, host=host, uri=uri, seconds=seconds)
    row.attrs["store"] = str(store.path)
    under_way(store)  # sweeps
    with Drafts(store) as drafts:
        for frame, rows in [*taken, (SAMPLES, row)]:
            table = marked(to_table(frame, rows, identity, moment), frame.name)
            drafts.write(table, store.folder(frame.name, partition) / f"{identity}.parquet", identity)
        drafts.publish()
    return row


def about(
    taken: Iterable[tuple[Frame, pd.DataFrame]],
    identity: str,
    moment: int,
    *,
    host: str,
    uri: str,
    seconds: float,
) -> pd.DataFrame:
    """Make the row that says what a sample is; `moment` is its time, in microseconds since 1970."""
    sizes = [(len(rows), int((~rows["status"].isin(_NO_GAPS)).sum())) for _, rows in taken]
    told = {
        "host": host or None,
        "sample": identity,
        "sampled_at": moment * 1000,
        "uri": uri,
        "version": __version__,
        "seconds": seconds,
        "rows": sum(rows for rows, _ in sizes),
        "gaps": sum(gaps for _, gaps in sizes),
    }
    return SAMPLES.build([told], host=host, uri=uri)


def marked(table: pa.Table, frame: str, **more: str) -> pa.Table:
    """Say in a file's metadata what it holds: ``kvmnb.frame``, ``kvmnb.version`` and what is given."""
    told = {"frame": frame, "version": __version__, **more}
    return table.replace_schema_metadata({f"kvmnb.{key}": value for key, value in told.items()})
