"""Killed at any point, a sampler or compactor leaves no torn file and loses no earlier sample."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq

from kvmnb.samples.drafts import under_way
from kvmnb.samples.reading import history
from kvmnb.samples.store import Store
from kvmnb.samples.tidying import compact_history
from tests.samples.making import data_files

#: Each kills three samplers and a compactor.
ROUNDS = 80


def check(store: Path, told: set[str]) -> None:
    """See that all that was told to be there is there, once and whole."""
    assert told
    for path in data_files(store):
        pq.ParquetFile(path).read()  # whole, by its checksums and its end
    found = history("samples", store)
    assert found["sample"].is_unique
    assert told <= set(found["sample"])
    for frame, rows in (("pools", 1), ("volumes", 2)):
        counts = history(frame, store).groupby("sample").size()
        assert set(counts.index) == set(found["sample"])
        assert set(counts) == {rows}


def test_hundreds_of_kills_tear_nothing_and_lose_nothing(tmp_path: Path) -> None:
    store = tmp_path / "store"
    for part in range(4):
        words = [
            sys.executable,
            "-m",
            "tests.samples.killing",
            str(store),
            str(part),
            str(ROUNDS // 4),
        ]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        # The last line may be one that its writer was killed in.
        told = (tmp_path / "told").read_text().rpartition("\n")[0].splitlines()
        check(store, set(told))
    assert under_way(Store(store)) == set()
    compact_history(store)
    check(store, set(told))
    assert list((store / ".parts").iterdir()) == []
    # One file of each frame and host.
    assert len(data_files(store)) == 4 * 3
