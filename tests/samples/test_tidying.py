"""Compaction and pruning: every row once, whatever was cut off and whoever else is at work."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from kvmnb.errors import BadValue, HistoryFailed, NotFound
from kvmnb.samples import drafts, tidying
from kvmnb.samples.drafts import Drafts
from kvmnb.samples.files import SOURCES
from kvmnb.samples.listing import list_history
from kvmnb.samples.reading import history
from kvmnb.samples.store import Partition, Store
from kvmnb.samples.tidying import compact_history, prune_history
from tests.samples.making import NOON, data_files, put

HOUR = timedelta(hours=1)
FRAMES = ("pools", "volumes", "guests", "samples")


def everything(store: Path) -> list[pd.DataFrame]:
    """Read what a reader would, with what no order promises sorted."""
    keys = {"pools": ["name"], "volumes": ["name"], "guests": [], "samples": []}
    return [
        history(frame, store).sort_values(["sampled_at", "sample", *keys[frame]]).reset_index(drop=True)
        for frame in FRAMES
    ]


def same(one: list[pd.DataFrame], other: list[pd.DataFrame]) -> None:
    for left, right in zip(one, other, strict=True):
        pd.testing.assert_frame_equal(left, right)


def test_a_past_day_becomes_a_file_of_each_frame_and_host(tmp_path: Path) -> None:
    for number in range(8):
        put(tmp_path, NOON + HOUR * (6 * number - 12), host="ab"[number % 2])
    before = everything(tmp_path)
    told = compact_history(tmp_path)
    same(everything(tmp_path), before)
    # There are two days, and on each two samples of each host.
    assert len(told) == len(FRAMES) * 2 * 2
    assert set(told["status"]) == {"ok"}
    assert told["left"].tolist() == [1] * len(told)
    assert len(data_files(tmp_path)) == len(told)
    assert compact_history(tmp_path).empty
    for file in data_files(tmp_path / "volumes"):
        times = pq.ParquetFile(file).read()["sampled_at"].to_pylist()
        assert times == sorted(times)


def test_late_samples_join_what_is_compacted(tmp_path: Path) -> None:
    for late in (0, 30, 15):
        for number in range(3):
            put(tmp_path, NOON + HOUR * number + timedelta(minutes=late))
        before = everything(tmp_path)
        compact_history(tmp_path)
        same(everything(tmp_path), before)
        assert len(data_files(tmp_path)) == len(FRAMES)
    assert history("volumes", tmp_path)["sampled_at"].is_monotonic_increasing


def test_today_is_left_alone(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    for _ in range(2):
        put(tmp_path, now)
    before = data_files(tmp_path)
    assert compact_history(tmp_path).empty
    assert data_files(tmp_path) == before


def test_thinning_reads_the_same_from_compacted_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(40):
        put(tmp_path, NOON + timedelta(minutes=17) * number, 3)
    asked = [{"every": "1h"}, {"every": "1d"}, {"since": NOON + HOUR, "until": NOON + 3 * HOUR}]
    before = [history("volumes", tmp_path, **one) for one in asked]  # type: ignore[arg-type]
    monkeypatch.setattr(drafts, "_GROUP", 8)  # rows, so that a file has many groups and samples cross them
    compact_history(tmp_path)
    assert max(pq.ParquetFile(f).num_row_groups for f in data_files(tmp_path / "volumes")) > 10
    same([history("volumes", tmp_path, **one) for one in asked], before)  # type: ignore[arg-type]


class Cut(Exception):
    """Stands for the end of the process."""


def cut_at(monkeypatch: pytest.MonkeyPatch, stop: int) -> None:
    """Let the process end at the so-many-th change to the store's folders."""
    count = 0

    def counted(change: Callable[..., object]) -> Callable[..., object]:
        def act(*args: object, **options: object) -> object:
            nonlocal count
            count += 1
            if count == stop:
                raise Cut
            return change(*args, **options)

        return act

    for name in ("rename", "unlink", "rmdir"):
        monkeypatch.setattr(Path, name, counted(getattr(Path, name)))


@pytest.mark.parametrize("stop", range(1, 24))
def test_a_compaction_that_is_cut_off_is_finished_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    for number in range(2):
        put(tmp_path, NOON + HOUR * number)
    before = everything(tmp_path)
    with monkeypatch.context() as patch:
        cut_at(patch, stop)
        try:
            compact_history(tmp_path)
        except Cut:
            cut_off = True
        else:
            cut_off = False
    # Four frames, of each a draft that is moved and found moved, and two files that are deleted.
    assert cut_off == (stop <= 16)
    same(everything(tmp_path), before)
    put(tmp_path, NOON + HOUR * 3)
    with_one_more = everything(tmp_path)
    compact_history(tmp_path)
    same(everything(tmp_path), with_one_more)
    assert len(data_files(tmp_path)) == len(FRAMES)
    assert list((tmp_path / ".parts").iterdir()) == []


def test_what_was_put_together_is_not_deleted_for_a_damaged_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2):
        put(tmp_path, NOON + HOUR * number)
    with monkeypatch.context() as patch:
        patch.setattr(tidying, "_delete", lambda *_: None)  # cut off before the deletion
        compact_history(tmp_path)
    merged = next((tmp_path / "volumes").rglob("merged-*"))
    data = bytearray(merged.read_bytes())
    data[60] ^= 1
    merged.write_bytes(data)
    told = compact_history(tmp_path)
    assert told[told["frame"] == "volumes"]["status"].tolist() == ["left alone"]
    assert len(data_files(tmp_path / "volumes")) == 3


@pytest.mark.parametrize("said", ["5", "{}", "[", "null"])
def test_a_file_that_does_not_say_what_it_was_made_of_is_left_alone(tmp_path: Path, said: str) -> None:
    for number in range(2):
        put(tmp_path, NOON + HOUR * number)
    path = next((tmp_path / "volumes").rglob("*.parquet"))
    table = pq.read_table(path, partitioning=None).replace_schema_metadata({SOURCES: said})
    pq.write_table(table, path.with_name(f"merged-{path.name}"))
    told = compact_history(tmp_path)
    assert told[told["frame"] == "volumes"]["status"].tolist() == ["left alone"]
    assert len(data_files(tmp_path / "volumes")) == 3
    assert len(history("volumes", tmp_path, strict=False)) == 4


def test_a_link_that_leads_nowhere_is_left_alone(tmp_path: Path) -> None:
    for number in range(2):
        put(tmp_path, NOON + HOUR * number)
    path = next((tmp_path / "volumes").rglob("*.parquet"))
    path.unlink()
    path.symlink_to("nowhere")
    told = compact_history(tmp_path).set_index("frame")
    assert told.loc["volumes", "status"] == "left alone"
    assert str(path) in str(told.loc["volumes", "problem"])
    assert path.is_symlink()


def test_what_a_killed_sampler_left_is_removed(tmp_path: Path) -> None:
    lost, whole = put(tmp_path, NOON), put(tmp_path, NOON + HOUR)
    next((tmp_path / "samples").rglob(f"{lost}.parquet")).unlink()
    left = tmp_path / ".parts/20241125T120000000000Z-0123456789ab.volumes"
    left.write_bytes(b"half")
    compact_history(tmp_path)
    assert not left.exists()
    assert {path.stem for path in data_files(tmp_path)} == {whole}


def test_a_sample_that_is_being_written_is_left_alone(tmp_path: Path) -> None:
    held, whole = put(tmp_path, NOON), put(tmp_path, NOON + HOUR)
    row = next((tmp_path / "samples").rglob(f"{held}.parquet"))
    store = Store(tmp_path)
    with Drafts(store) as under_way:  # as a sampler that has published all but its last file
        under_way.write(pq.ParquetFile(row).read(), row, held)
        row.unlink()
        compact_history(tmp_path)
        assert {path.stem for path in data_files(tmp_path / "volumes")} == {held, whole}
        under_way.publish()
    assert set(history("volumes", tmp_path)["sample"]) == {held, whole}


def test_nothing_is_deleted_where_nothing_says_what_is_whole(tmp_path: Path) -> None:
    put(tmp_path, NOON)
    put(tmp_path, NOON + HOUR)
    for path in data_files(tmp_path / "samples"):
        path.unlink()
    before = data_files(tmp_path)
    compact_history(tmp_path)
    assert data_files(tmp_path) == before


def _tidy(store: Path, times: int) -> None:
    for _ in range(times):
        compact_history(store)


def test_compactors_samplers_and_readers_do_not_harm_each_other(tmp_path: Path) -> None:
    put(tmp_path, NOON)
    ended = threading.Event()
    counts: list[int] = []
    failures: list[BaseException] = []

    def read() -> None:
        try:
            while not ended.is_set():
                found = history("volumes", tmp_path)
                assert not found.duplicated(["sample", "name"]).any()
                assert (found.groupby("sample").size() == 2).all()
                counts.append(found["sample"].nunique())
        except BaseException as error:  # noqa: BLE001 - it is raised below
            failures.append(error)

    context = multiprocessing.get_context("spawn")
    tidiers = [context.Process(target=_tidy, args=(tmp_path, 12)) for _ in range(2)]
    reader = threading.Thread(target=read)
    reader.start()
    for tidier in tidiers:
        tidier.start()
    number = 0
    while any(tidier.is_alive() for tidier in tidiers):
        number += 1
        put(tmp_path, NOON + timedelta(seconds=number))
    ended.set()
    reader.join()
    assert [tidier.exitcode for tidier in tidiers] == [0, 0]
    assert failures == []
    assert counts == sorted(counts)  # none is ever lost
    assert history("volumes", tmp_path)["sample"].nunique() == number + 1
    compact_history(tmp_path)
    assert len(data_files(tmp_path)) == len(FRAMES)


def days_ago(days: float) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


def test_pruning_deletes_the_days_that_are_older(tmp_path: Path) -> None:
    ids = [put(tmp_path, days_ago(days), host=host) for days in (50, 31, 30, 2, 0) for host in "ab"]
    told = prune_history("30d", tmp_path)
    assert set(history("volumes", tmp_path)["sample"]) == set(ids[4:])
    assert told["frame"].tolist()[:4] == ["samples"] * 4
    assert len(told) == 4 * len(FRAMES)
    assert {path.parent.parent.name for path in data_files(tmp_path)} == {
        Partition.of(days_ago(days), "a").path.parent.name for days in (30, 2, 0)
    }
    assert not any(list(path.glob("*")) == [] for path in tmp_path.rglob("day=*"))
    assert prune_history(timedelta(days=30), tmp_path).empty
    assert prune_history("3650000d", tmp_path).empty


@pytest.mark.parametrize("stop", range(1, 14))
def test_a_pruning_that_is_cut_off_leaves_no_part_of_a_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    put(tmp_path, days_ago(50))
    kept = put(tmp_path, days_ago(1))
    before = [len(frame) for frame in everything(tmp_path)]
    with monkeypatch.context() as patch:
        cut_at(patch, stop)
        # Of each of the four frames a file and two folders are removed.
        with pytest.raises(Cut) if stop <= 12 else nullcontext():
            prune_history("30d", tmp_path)
    after = [len(frame) for frame in everything(tmp_path)]
    assert after in (before, [1, 2, 0, 1])
    compact_history(tmp_path)
    prune_history("30d", tmp_path)
    assert [len(frame) for frame in everything(tmp_path)] == [1, 2, 0, 1]
    assert {path.stem for path in data_files(tmp_path)} == {kept}


def test_what_is_not_ours_is_not_pruned(tmp_path: Path) -> None:
    sample = put(tmp_path, NOON)
    own = next((tmp_path / "volumes").rglob(f"{sample}.parquet")).with_name("own.parquet")
    own.write_bytes(b"x")
    told = prune_history("30d", tmp_path)
    assert told[told["status"] != "ok"]["frame"].tolist() == ["volumes"]
    assert data_files(tmp_path) == [own]


@pytest.mark.parametrize("keep", ["0d", "30", "-1d"])
def test_what_is_to_be_kept_must_be_said(tmp_path: Path, keep: str) -> None:
    put(tmp_path, NOON)
    with pytest.raises(BadValue):
        prune_history(keep, tmp_path)
    assert len(data_files(tmp_path)) == 4


def test_there_must_be_a_store(tmp_path: Path) -> None:
    for act in (compact_history, list_history):
        with pytest.raises(NotFound, match="There is no store of samples"):
            act(tmp_path / "absent")
    with pytest.raises(NotFound):
        prune_history("1d", tmp_path / "absent")


def test_a_store_that_cannot_be_locked_is_told(tmp_path: Path) -> None:
    put(tmp_path, NOON)
    (tmp_path / ".lock").mkdir()
    with pytest.raises(HistoryFailed, match="Is a directory"):
        compact_history(tmp_path)


def test_the_hosts_are_listed(tmp_path: Path) -> None:
    for number in range(3):
        put(tmp_path, NOON + HOUR * number, host="a")
    put(tmp_path, NOON, host="b")
    found = list_history(tmp_path)
    assert found["host"].tolist() == ["a", "b"]
    assert found["samples"].tolist() == [3, 1]
    assert found["since"].tolist() == [pd.Timestamp(NOON)] * 2
    assert found["until"].tolist() == [pd.Timestamp(NOON + 2 * HOUR), pd.Timestamp(NOON)]
    assert found["files"].tolist() == [12, 4]
    assert found["size"].sum() == sum(path.stat().st_size for path in data_files(tmp_path))
    assert found["uri"].tolist() == ["test:///x"] * 2
