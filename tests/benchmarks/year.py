"""How long loading a year of samples of 1,000 volumes takes, and its memory, against plain pandas.

Run it with ``python -m tests.benchmarks.year [--volumes 1000] [--days 365] [--in FOLDER]``. It makes a store
of compacted days, with a sample every five minutes, in a temporary folder, or in the one that is named, to be
used again. It loads the same columns in processes of their own: thinned by the kit, whole by the kit, and by
``pandas.read_parquet``. A year of 1,000 volumes is 105 million rows: making it takes minutes, and loading it
whole many GiB of memory.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from kvmnb.samples.arrow import conform, stored, to_table
from kvmnb.samples.drafts import Drafts
from kvmnb.samples.reading import history
from kvmnb.samples.store import Partition, Store, merged_name, new_id
from kvmnb.samples.taking import marked
from kvmnb.schema import SAMPLES, VOLUMES

HOST = "bench"
START = datetime(2024, 1, 1, tzinfo=UTC)
BEAT = timedelta(minutes=5)
COLUMNS = ["name", "allocation"]


def _plain(store: Path) -> pd.DataFrame:
    return pd.read_parquet(store / "volumes", columns=["host", "sampled_at", *COLUMNS])


def _thinned(rows: pd.DataFrame) -> pd.DataFrame:
    hours = rows["sampled_at"].dt.floor("1h")
    last = rows.groupby(hours)["sampled_at"].transform("max")
    return rows[rows["sampled_at"] == last]


#: What is measured, by name: each loads the same columns of the store at a path.
LOADS: dict[str, Callable[[Path], pd.DataFrame]] = {
    "import alone": lambda _store: pd.DataFrame(),
    'history(every="1d")': lambda store: history("volumes", store, columns=COLUMNS, every="1d"),
    'history(every="1h")': lambda store: history("volumes", store, columns=COLUMNS, every="1h"),
    "pandas.read_parquet, then thinned to 1h": lambda store: _thinned(_plain(store)),
    "history(), whole": lambda store: history("volumes", store, columns=COLUMNS),
    "pandas.read_parquet, whole": _plain,
}


def volumes(count: int) -> pa.Table:
    """Make the rows of one sample: as many volumes, of which every third is an overlay."""
    blank = dict.fromkeys(VOLUMES.names)
    rows = [
        {
            **blank,
            "host": HOST,
            "pool": f"pool{number % 4}",
            "name": f"vm{number:05d}.qcow2",
            "type": "file",
            "format": "qcow2",
            "capacity": 40 << 30,
            "path": f"/data/pool{number % 4}/vm{number:05d}.qcow2",
            "chain": ("/data/pool0/base.qcow2",) if number % 3 == 0 else (),
            "chain_known": True,
            "used_by": (f"vm{number:05d}",),
            "overlays": (),
            "mode": "0600",
            "owner": 0,
            "group": 0,
            "status": "ok",
        }
        for number in range(count)
    ]
    table = to_table(VOLUMES, VOLUMES.build(rows), "", 0)
    return conform(table, VOLUMES, list(stored(VOLUMES)))


def make(store: Store, count: int, days: int) -> None:
    """Write the store, day by day, as compaction leaves it."""
    chance = np.random.default_rng(1)
    base = volumes(count)
    beats = timedelta(days=1) // BEAT
    sizes = chance.integers(1 << 30, 20 << 30, count)
    for day in range(days):
        whens = [START + timedelta(days=day) + BEAT * beat for beat in range(beats)]
        moments = [int(when.timestamp()) * 10**6 for when in whens]
        ids = [new_id(when) for when in whens]
        # In each beat one volume of twenty has grown by some blocks.
        grown = chance.integers(0, 1 << 12, (beats, count)) * (chance.random((beats, count)) < 0.05) * 4096
        taken = sizes + np.cumsum(grown, axis=0)
        sizes = taken[-1]
        rows = base.take(np.tile(np.arange(count), beats))
        rows = _with(
            rows,
            "sample",
            pa.DictionaryArray.from_arrays(np.repeat(np.arange(beats, dtype="int32"), count), ids),
        )
        rows = _with(rows, "sampled_at", pa.array(np.repeat(moments, count), pa.timestamp("us", "UTC")))
        for name in ("allocation", "physical"):
            rows = _with(rows, name, pa.array(taken.ravel()))
        told = SAMPLES.build(
            {
                "host": HOST,
                "sample": one,
                "sampled_at": moment * 1000,
                "uri": "bench:",
                "version": "",
                "seconds": 1.0,
                "rows": count,
                "gaps": 0,
            }
            for one, moment in zip(ids, moments, strict=True)
        )
        index = to_table(SAMPLES, told, pa.array(ids), pa.array(moments, pa.timestamp("us", "UTC")))
        name, partition = merged_name(), Partition.of(whens[0], HOST)
        with Drafts(store, durable=False) as drafts:
            for frame, table in ((VOLUMES, rows), (SAMPLES, index)):
                target = store.folder(frame.name, partition) / name
                drafts.write(marked(table, frame.name), target, name.partition(".")[0])
            drafts.publish()


def _with(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, values)


def load(name: str, store: Path) -> None:
    """Load in this process and print how it went."""
    started = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_utime
    rows = LOADS[name](store)
    used = resource.getrusage(resource.RUSAGE_SELF)
    figures = (time.perf_counter() - started[0], used.ru_utime - started[1], used.ru_maxrss / 1024)
    print(json.dumps([len(rows), *figures]))


def measure(name: str, store: Path) -> tuple[int, float, float, float]:
    """Load in a process of its own; give rows, seconds, those of user code, and the most memory in MiB."""
    program = [sys.executable, "-m", "tests.benchmarks.year", "--load", name, "--in", str(store)]
    done = subprocess.run(program, stdout=subprocess.PIPE, text=True, check=True)
    rows, seconds, work, peak = json.loads(done.stdout)
    return rows, seconds, work, peak


def main(count: int, days: int, store: Path) -> None:
    """Make, measure and print."""
    if not (store / "volumes").is_dir():
        started = time.perf_counter()
        make(Store(store), count, days)
        print(f"made {days} days of {count} volumes in {time.perf_counter() - started:.0f} s")
    size = sum(path.stat().st_size for path in store.rglob("*.parquet"))
    print(f"{size / 2**20:.0f} MiB in files; columns: host, sampled_at, {', '.join(COLUMNS)}\n")
    found = {name: measure(name, store) for name in LOADS}
    plain = found["pandas.read_parquet, whole"]
    # What the kernel needs to find memory is in the seconds, but not in those of user code.
    print(
        f"{'':<40}{'rows':>12}{'seconds':>9}{'ratio':>7}{'user':>8}{'ratio':>7}{'peak MiB':>10}{'ratio':>7}"
    )
    for name, (rows, seconds, work, peak) in found.items():
        times = f"{seconds:>9.2f}{seconds / plain[1]:>7.2f}{work:>8.2f}{work / plain[2]:>7.2f}"
        print(f"{name:<40}{rows:>12,}{times}{peak:>10.0f}{peak / plain[3]:>7.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--volumes", type=int, default=1000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--in", dest="folder", type=Path)
    parser.add_argument("--load", choices=LOADS)
    asked = parser.parse_args()
    if asked.load:
        load(asked.load, asked.folder)
    elif asked.folder:
        main(asked.volumes, asked.days, asked.folder)
    else:
        with tempfile.TemporaryDirectory(prefix="kvmnb-year-") as folder:
            main(asked.volumes, asked.days, Path(folder))
