"""The usage notebook, run headless: on a made-up history, a stored one, and a live host; it only reads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import kvmnb
from kvmnb import runbook
from kvmnb.errors import RunbookFailed
from kvmnb.host import Host, connect
from tests import notebooks
from tests.daemon import Daemon
from tests.storage.builders import Site, define_guest, file_disk


@pytest.fixture
def host(clean_daemon: Daemon) -> Iterator[Host]:
    """Give a host with a volume that a guest uses, and one that none does."""
    with connect(clean_daemon.uri, readonly=False) as opened:
        site = Site(clean_daemon, opened).running()
        define_guest(site, "vm1", file_disk(site.volume("used.qcow2")))
        site.volume("forgotten.qcow2")
    with connect(clean_daemon.uri) as reading:
        yield reading


def test_without_a_history_it_shows_a_made_up_one_and_writes_a_page(tmp_path: Path) -> None:
    record, told = tmp_path / "record.ipynb", list[str]()
    absent = f"qemu:///system?socket={tmp_path}/absent"
    runbook.run("04_storage_usage", record=record, uri=absent, tell=told.append)
    assert "MADE UP" in "".join(notebooks.texts(notebooks.read(record)))
    page = tmp_path / "record.html"
    assert told[-1] == f"The report is {page}"
    text = page.read_text()
    assert text.count("<img ") == 6
    assert "No description" not in text
    assert "learning_history" not in text
    assert json.loads(record.read_text())["metadata"]["kvmnb_report"]


@pytest.mark.parametrize("live", [False, True])
def test_a_real_host_is_told_of_and_stays_as_it_is(host: Host, tmp_path: Path, live: bool) -> None:
    store, record = tmp_path / "history", tmp_path / "record.ipynb"
    for _ in range(2):
        kvmnb.sample(host, store, inside=False)
    before = host.volumes().drop(columns=["accessed"])
    given = {"store": str(store), "live": live, "inside": False}
    runbook.run("04_storage_usage", given, record=record, uri=host.uri)
    said = record.read_text()
    assert "MADE UP, to learn on: there is no such host.\\n" not in said
    assert "forgotten.qcow2" in said
    assert "not enough data" in said
    assert host.volumes().drop(columns=["accessed"]).equals(before)


def test_a_live_host_without_a_history_or_a_pool_is_told_of_alone(
    clean_daemon: Daemon, tmp_path: Path
) -> None:
    record = tmp_path / "record.ipynb"
    runbook.run("04_storage_usage", {"live": True, "inside": False}, record=record, uri=clean_daemon.uri)
    said = "".join(notebooks.texts(notebooks.read(record)))
    assert "Without a history nothing can be said of growth" in said
    assert "There is no pool to draw" in said
    assert "MADE UP, to learn on" not in said
    assert "example-host" not in said


def test_what_is_told_of_a_host_is_of_its_last_sample(host: Host, tmp_path: Path) -> None:
    store, record = tmp_path / "history", tmp_path / "record.ipynb"
    kvmnb.sample(host, store, inside=False)
    (pool,) = host.pools()["name"]
    with connect(host.uri, readonly=False) as writing:
        writing.apply(writing.plan(kvmnb.DeleteVolume(pool, "forgotten.qcow2", confirm="forgotten.qcow2")))
    kvmnb.sample(host, store, inside=False)
    runbook.run("04_storage_usage", {"store": str(store)}, record=record, uri=host.uri)
    assert "forgotten.qcow2" not in record.read_text()


def test_a_folder_without_a_history_is_said(tmp_path: Path) -> None:
    with pytest.raises(RunbookFailed, match="There is no store of samples"):
        runbook.run("04_storage_usage", {"store": str(tmp_path / "gone")}, record=tmp_path / "record.ipynb")
