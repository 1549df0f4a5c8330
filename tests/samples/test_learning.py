"""The history to learn on: the same each time, marked everywhere, and with what its docstring promises."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

import kvmnb
from kvmnb.errors import BadValue
from kvmnb.samples.learning import learning_history
from kvmnb.samples.reading import STORED, history
from kvmnb.samples.tidying import compact_history
from tests.samples.making import NOON, data_files, put

END = datetime(2024, 11, 25, tzinfo=UTC)
GIB = 1 << 30


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give such a history."""
    folder = tmp_path_factory.mktemp("learning") / "store"
    told = learning_history(folder, days=45, every="1d", until=END)
    assert told["samples"].tolist() == [46]
    return folder


def test_every_file_and_frame_is_marked(store: Path) -> None:
    files = data_files(store)
    assert {path.relative_to(store).parts[0] for path in files} == set(STORED)
    for path in files:
        assert pq.read_metadata(path).metadata[b"kvmnb.made_up"] == b"true"
    for frame in STORED:
        found = history(frame, store)
        assert found.attrs["made_up"] is True
        assert found.attrs["uri"] == "made-up:"
        assert set(found["host"]) == {"example-host (made up)"}
    assert (history("samples", store)["gaps"] == 0).all()


def test_what_was_measured_is_not_said_to_be_made_up(tmp_path: Path) -> None:
    put(tmp_path, NOON)
    assert history("volumes", tmp_path).attrs["made_up"] is False


def test_one_seed_makes_one_history(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        learning_history(tmp_path / name, days=1, seed=seed, until=END)
    for frame in STORED:
        pd.testing.assert_frame_equal(history(frame, tmp_path / "a"), history(frame, tmp_path / "b"))
    assert not history("df", tmp_path / "a").equals(history("df", tmp_path / "c"))


def test_the_sums_of_usage_are_the_pools_own_figures(store: Path) -> None:
    usage, pools = history("usage", store), history("pools", store)
    counted = usage[usage["counted_at"].isna()]
    sums = counted.groupby(["sample", "pool"])["allocation"].sum()
    own = pools.set_index(["sample", "name"])["allocation"]
    assert sums.to_dict() == own.to_dict()


def test_what_is_promised_is_to_be_found(store: Path) -> None:
    pools = history("pools", store).pivot_table(index="sampled_at", columns="name", values="allocation")
    steps = pools["vmdisk"].astype(float).diff() / GIB
    assert (steps < -100).sum() == 1
    assert (steps > 60).sum() == 1
    assert pools["iso"].nunique() == 1
    assert pools["scratch"].notna().sum() == 2
    usage = history("usage", store)
    last = usage[usage["sampled_at"] == usage["sampled_at"].max()]
    assert last[last["volume"] == "forgotten.qcow2"]["role"].tolist() == ["unused"]
    assert last[last["volume"] == "debian-12.qcow2"]["guests"].tolist() == [("web1", "web2")]
    assert last[last["guest"] == "build1"]["reclaimable"].tolist() == [33 * GIB]


def test_the_trend_finds_when_it_fills(store: Path) -> None:
    trend = kvmnb.trend(history("pools", store), history("df", store)).set_index("name")
    status = trend["status"].to_dict()
    days = trend["days"].to_dict()
    assert {name: status[name] for name in ("vmdisk", "db1 /dev/sda1", "iso", "scratch")} == {
        "vmdisk": "ok",
        "db1 /dev/sda1": "ok",
        "iso": "not growing",
        "scratch": "not enough data",
    }
    assert 37 < days["vmdisk"] < 43
    assert 23 < days["db1 /dev/sda1"] < 27
    assert trend["steps"].to_dict()["vmdisk"] == 2


def test_it_is_left_as_it_is_by_a_compaction(tmp_path: Path) -> None:
    learning_history(tmp_path / "store", days=2, until=END)
    assert compact_history(tmp_path / "store").empty


def test_it_is_never_mixed_with_what_was_measured(store: Path, tmp_path: Path) -> None:
    put(tmp_path, NOON)
    before = data_files(tmp_path)
    with pytest.raises(BadValue, match="There is something in"):
        learning_history(tmp_path)
    assert data_files(tmp_path) == before
    with pytest.raises(BadValue, match="0 days are no history"):
        learning_history(tmp_path / "new", days=0)
    before = data_files(store)
    with kvmnb.connect("test:///default") as host, pytest.raises(BadValue, match="are made up, to learn on"):
        kvmnb.sample(host, store, inside=False)
    assert data_files(store) == before
