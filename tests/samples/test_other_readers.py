"""The store is read as it is by pandas, DuckDB, Polars and Dask, and all of them find what the kit finds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import dask.dataframe
import duckdb
import pandas as pd
import polars
import pyarrow.parquet as pq
import pytest

from kvmnb.samples.reading import history
from kvmnb.samples.tidying import compact_history
from tests.samples.making import NOON, put

HOSTS = ("plain", "a/b ünï", "10")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Give a store of two days and three hosts, partly compacted, in which a sampler was killed."""
    for day in (0, 1):
        for host in HOSTS:
            for hour in (0, 1):
                put(tmp_path, NOON + timedelta(days=day, hours=hour), host=host)
        if day == 0:
            compact_history(tmp_path)
    (tmp_path / ".parts/20241125T120000000000Z-0123456789ab.volumes").write_bytes(b"half")
    return tmp_path


def _pandas(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder)


def _duckdb(folder: Path) -> pd.DataFrame:
    words = "from read_parquet($1 || '/**/*.parquet', hive_partitioning = true)"
    found: pd.DataFrame = duckdb.connect().sql(words, params=[str(folder)]).df()
    return found


def _polars(folder: Path) -> pd.DataFrame:
    rows = polars.read_parquet(folder, hive_partitioning=True)
    return pd.DataFrame(rows.to_dict(as_series=False))


def _dask(folder: Path) -> pd.DataFrame:
    found: pd.DataFrame = dask.dataframe.read_parquet(str(folder)).compute(scheduler="synchronous")
    return found


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # Dask's own
@pytest.mark.parametrize("read", [_pandas, _duckdb, _polars, _dask])
def test_all_read_the_same(store: Path, read: Callable[[Path], pd.DataFrame]) -> None:
    expected = history("volumes", store)
    found = read(store / "volumes")
    assert len(found) == len(expected) == 24
    assert set(expected.columns) | {"day"} == set(found.columns)

    def told(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
        times = pd.to_datetime(frame["sampled_at"], utc=True)
        texts = frame[["host", "sample", "pool", "name"]].astype(str)
        chains = [tuple(chain) for chain in frame["chain"]]
        return sorted(
            zip(*(texts[name] for name in texts), times, frame["allocation"].astype(int), chains, strict=True)
        )

    assert told(found) == told(expected)
    assert {str(day)[:10] for day in found["day"]} == {"2024-11-25", "2024-11-26"}
    assert set(found["host"].astype(str)) == set(HOSTS)
    assert found["problem"].isna().all()


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # Dask's own
@pytest.mark.parametrize(("place", "columns"), [(0, 1), (-1, 2)], ids=["oldest", "newest"])
def test_files_that_lack_a_column_are_read_as_the_readme_says(
    tmp_path: Path, place: int, columns: int
) -> None:
    for day in range(3):
        put(tmp_path, NOON + timedelta(days=day), 1)
    path = sorted((tmp_path / "volumes").rglob("*.parquet"))[place]
    lacking = pq.read_table(path, partitioning=None).drop_columns(["allocation"])
    pq.write_table(lacking, path)
    folder = tmp_path / "volumes"
    union = "from read_parquet($1 || '/**/*.parquet', union_by_name = true)"
    found = duckdb.connect().sql(union, params=[str(folder)]).df()
    assert sorted(found["allocation"].isna()) == [False, False, True]
    lazy = polars.scan_parquet(folder, missing_columns="insert", extra_columns="ignore").collect()
    frames = (pd.read_parquet(folder), _dask(folder), pd.DataFrame(lazy.to_dict(as_series=False)))
    for frame in frames:
        assert len(frame) == 3
        assert ["name", "allocation"][:columns] == [n for n in ("name", "allocation") if n in frame.columns]


def test_the_samples_that_count_can_be_told_without_the_kit(store: Path) -> None:
    lost = put(store, NOON + timedelta(days=2))
    next((store / "samples").rglob(f"{lost}.parquet")).unlink()
    words = """
        from read_parquet($1 || '/volumes/**/*.parquet')
        where sample in (select sample from read_parquet($1 || '/samples/**/*.parquet'))
    """
    assert len(duckdb.connect().sql(words, params=[str(store)]).df()) == 24
