"""A history that never was, to learn on: marked as such in every file and frame."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa

from kvmnb.durations import parse_duration
from kvmnb.errors import BadValue
from kvmnb.samples.arrow import to_table
from kvmnb.samples.drafts import Drafts
from kvmnb.samples.listing import list_history
from kvmnb.samples.made_up import HOST, URI, MadeUpHost
from kvmnb.samples.store import Partition, Store, merged_name, new_id
from kvmnb.samples.taking import about, make_frames, marked
from kvmnb.schema import KEPT, SAMPLES, Frame, returns


@returns(KEPT)
def learning_history(
    store: str | Path,
    days: int = 90,
    seed: int = 1,
    *,
    every: str | timedelta = "12h",
    until: datetime | None = None,
) -> pd.DataFrame:
    """Write a store of samples of a host that there is not, to learn and to test on.

    The host is called "example-host (made up)" and its URI is ``made-up:``; `history` says ``made_up`` in
    ``attrs``, and each file in its metadata (``kvmnb.made_up``). What there is to be found:

    * pool ``vmdisk`` fills about 40 days after the last sample; it grows steadily, with a weekly rhythm
    * a step down in it, where the volume ``staging.qcow2`` was deleted, and a step up, where guest ``db1``
      got a second disk, ``db1-archive.raw``
    * pool ``iso`` does not grow; pool ``scratch`` is a day old: not enough data
    * the file system of guest ``db1`` fills about 25 days after the last sample
    * guest ``build1`` takes 45 GiB and holds 12: the rest is reclaimable; two guests share a base image
    * no guest uses ``forgotten.qcow2``

    Parameters
    ----------
    store : str or Path
        A folder that is not there yet, or is empty.
    days : int
        How long the history is.
    seed : int
        Two histories of one seed, length and end have the same rows.
    every : str or timedelta
        From one sample to the next.
    until : datetime, optional
        When it ends, with a time zone; without one at the last midnight in UTC.

    Raises
    ------
    kvmnb.errors.BadValue
        There is something in the folder already: what was measured and what is made up are never mixed.
    kvmnb.errors.HistoryFailed
        The store could not be written.
    """
    kept = Store.named(store, must_exist=False)
    if kept.path.is_dir() and any(kept.path.iterdir()):
        what = f"There is something in {kept.path} already"
        raise BadValue(what, "name an empty folder: measured and made-up samples are never mixed")
    if days < 1:
        raise BadValue(f"{days} days are no history", "ask for one day or more")
    end = (until or datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)).astimezone(UTC)
    step = parse_duration(every)
    times = [end - step * number for number in reversed(range(int(timedelta(days=days) / step) + 1))]
    chance = random.Random(seed)  # noqa: S311 - it is to be the same each time
    strays = _Strays(chance)
    host = MadeUpHost((times[-1] - times[0]) / timedelta(days=1))
    by_day: dict[str, list[datetime]] = {}
    for when in times:
        by_day.setdefault(when.date().isoformat(), []).append(when)
    for today in by_day.values():
        _write_day(kept, [_sample(host, when, times[0], chance, strays) for when in today], today[0])
    return list_history(kept.path)


class _Strays:
    """What the sizes of a guest stray by: they wander, from -1 to 1 and back, and not anew each day."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._now: dict[str, float] = {}

    def __call__(self, name: str) -> float:
        guest = name.partition(".")[0]  # what its disk takes, and what it holds, wander together
        wandered = 0.97 * self._now.get(guest, 0.0) + self._chance.gauss(0, 0.07)
        self._now[guest] = max(-1.0, min(1.0, wandered))
        return self._now[guest]


def _sample(
    host: MadeUpHost, when: datetime, start: datetime, chance: random.Random, strays: _Strays
) -> list[tuple[Frame, pa.Table]]:
    """Make the tables of one sample, its own row last."""
    moment = (when - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    identity = new_id(when, f"{chance.getrandbits(48):012x}")
    day = (when - start) / timedelta(days=1)
    seen, contents = host.at(day, moment * 1000, strays)
    taken = make_frames(seen, contents)
    taken.append((SAMPLES, about(taken, identity, moment, host=HOST, uri=URI, seconds=1.0)))
    return [(frame, to_table(frame, rows, identity, moment)) for frame, rows in taken]


def _write_day(store: Store, samples: list[list[tuple[Frame, pa.Table]]], when: datetime) -> None:
    """Write the samples of a day as a compaction would have left them."""
    name = merged_name()
    with Drafts(store, durable=False) as drafts:
        for frame, tables in _by_frame(samples):
            table = marked(pa.concat_tables(tables), frame.name, made_up="true")
            folder = store.folder(frame.name, Partition.of(when, HOST))
            drafts.write(table, folder / name, name.partition(".")[0])
        drafts.publish()


def _by_frame(samples: list[list[tuple[Frame, pa.Table]]]) -> Iterator[tuple[Frame, list[pa.Table]]]:
    for same in zip(*samples, strict=True):
        yield same[0][0], [table for _, table in same]
