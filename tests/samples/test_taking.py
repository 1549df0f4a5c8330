"""Taking a sample of a real host: all of its frames at once, reading only, and nothing where it is gone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import kvmnb
from kvmnb.errors import KvmnbError, Unreachable
from kvmnb.samples.taking import TAKEN
from kvmnb.storage.connection import Connection
from tests.daemon import Daemon
from tests.plugin import RunningPool
from tests.samples.making import data_files
from tests.storage.builders import Site, define_guest, file_disk


def test_a_sample_holds_what_the_host_says(site: Site, tmp_path: Path) -> None:
    site.running().raw("v1", b"x" * 4096, 1 << 20)
    site.raw("v2", b"x" * 4096, 1 << 20)
    define_guest(site, "vm1", file_disk(site.target / "v1", "raw"))
    with kvmnb.connect(site.daemon.uri) as host:
        row = kvmnb.sample(host, tmp_path, inside=False)
        live = {name: getattr(host, name)() for name in ("pools", "volumes", "guests", "disks")}
        live |= {name: getattr(host, name)() for name in ("orphans", "overcommit")}
        live["usage"] = host.usage(inside=False)
    assert row["rows"].tolist() == [sum(map(len, live.values()))]
    assert row["gaps"].tolist() == [0]
    for name, frame in live.items():
        found = kvmnb.history(name, tmp_path)
        assert set(found["sample"]) == set(row["sample"])
        # Reading an image's header may set the time of its last access.
        back = found[[column for column in frame.columns if column != "accessed"]]
        # Files keep whole microseconds.
        told = frame[list(back.columns)].apply(
            lambda c: c.dt.floor("us") if isinstance(c.dtype, pd.DatetimeTZDtype) else c
        )
        pd.testing.assert_frame_equal(back.astype(object), told.astype(object))
    assert kvmnb.history("df", tmp_path).empty
    assert kvmnb.history("samples", tmp_path)["host"].tolist() == [host.name]


def test_what_could_not_be_read_is_kept_and_counted(
    pool: RunningPool, clean_daemon: Daemon, tmp_path: Path
) -> None:
    clean_daemon.virsh("pool-destroy", pool.name)
    with kvmnb.connect(clean_daemon.uri) as host:
        row = kvmnb.sample(host, tmp_path)
    # Of its volumes, what takes its space, what nobody uses there, and what it has promised.
    assert row["gaps"].tolist() == [4]
    assert kvmnb.history("volumes", tmp_path)["status"].tolist() == ["pool not running"]


def test_a_host_that_is_gone_is_an_error_and_leaves_nothing(
    clean_daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with kvmnb.connect(clean_daemon.uri) as host:
        # The address of a daemon that has ended: nothing answers a second connection either.
        monkeypatch.setattr(host._connection, "asked", clean_daemon.uri.replace("socket=", "socket=/absent"))
        host._connection._raw.close()
        with pytest.raises(KvmnbError) as failure:
            kvmnb.sample(host, tmp_path / "store")
    assert isinstance(failure.value, Unreachable)
    assert not (tmp_path / "store").exists()


def test_a_pool_is_never_refreshed(site: Site, tmp_path: Path) -> None:
    site.running()
    (site.target / "unseen").write_bytes(b"x")
    with kvmnb.connect(site.daemon.uri) as host:
        assert host.readonly
        kvmnb.sample(host, tmp_path, inside=False)
        assert host.volumes().empty
    assert kvmnb.history("volumes", tmp_path).empty


def test_each_frame_is_taken_once(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    read = Connection.read

    def noted(self: Connection, doing: str, call: Callable[[Any], Any]) -> object:
        calls.append(doing)
        return read(self, doing, call)

    monkeypatch.setattr(Connection, "read", noted)
    with kvmnb.connect(site.daemon.uri) as host:
        kvmnb.sample(host, tmp_path)
    assert calls.count("list the pools") == 1
    assert len(data_files(tmp_path)) == len(TAKEN) + 1
