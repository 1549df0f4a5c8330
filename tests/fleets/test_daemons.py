"""Fleets of real daemons: what each has, with one of them stopped, gone or without storage."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

import kvmnb
from kvmnb.schema import FRAMES
from tests.daemon import Daemon
from tests.fleets.proxy import before
from tests.storage.builders import Site, define_guest, file_disk


@pytest.fixture
def filled(clean_daemon: Daemon, second: Daemon) -> Iterator[dict[str, str]]:
    """Give two hosts with pools, volumes, chains and guests, of which some have the same names."""
    volumes = {clean_daemon: ("base", "-x", "two\nlines"), second: ("base", "spare")}
    for daemon, names in volumes.items():
        with kvmnb.connect(daemon.uri, readonly=False) as host:
            site = Site(daemon, host).running()
            for name in names:
                site.volume(name)
            define_guest(site, "vm", file_disk(site.volume("top", backing="base")))
            if daemon is second:
                define_guest(site, "only here")
    yield {"one": clean_daemon.uri, "two": second.uri}
    second.clean()


@contextmanager
def stopped(daemon: Daemon) -> Iterator[None]:
    """Keep a daemon from running, as a host does that is out of memory; it goes on afterwards."""
    os.kill(daemon.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(daemon.pid, signal.SIGCONT)


def _alone(uri: str, label: str, method: str) -> pd.DataFrame:
    with kvmnb.connect(uri) as host:
        frame: pd.DataFrame = getattr(host, method)()
    frame["host"] = pd.array([label] * len(frame), dtype="string")
    return frame.astype({"host": FRAMES[method].empty().dtypes["host"]})


@pytest.mark.parametrize("method", ["pools", "volumes", "guests", "disks", "orphans", "overcommit"])
def test_the_fleets_frame_is_that_of_each_host_one_after_the_other(
    method: str, filled: dict[str, str]
) -> None:
    whole = getattr(kvmnb.fleet(filled), method)()
    apart = [_alone(uri, label, method) for label, uri in filled.items()]
    assert all(len(part) for part in apart)
    pd.testing.assert_frame_equal(whole, pd.concat(apart, ignore_index=True), check_flags=False)
    assert {label: about["uri"] for label, about in whole.attrs["hosts"].items()} == filled
    assert {about["status"] for about in whole.attrs["hosts"].values()} == {"ok"}


def test_ten_hosts_are_as_good_as_one(filled: dict[str, str]) -> None:
    # The same daemons by other words, since a URI is taken once only.
    uris = {f"h{n}": f"{filled['one' if n % 2 else 'two']}&no_verify={n}" for n in range(10)}
    whole = kvmnb.fleet(uris).volumes()
    assert whole.groupby("host", sort=False)["name"].agg(list).to_dict() == {
        label: (["-x", "base", "top", "two\nlines"] if int(label[1:]) % 2 else ["base", "spare", "top"])
        for label in uris
    }


def test_a_daemon_that_stands_still_costs_its_own_rows_until_it_goes_on(
    filled: dict[str, str], second: Daemon
) -> None:
    fleet = kvmnb.fleet(filled, timeout=2)
    with stopped(second):
        told = fleet.guests()
        assert list(told["host"]) == ["one", "two"]
        assert list(told["status"]) == ["ok", "timed out"]
        assert "still owes the answer" in fleet.guests()["problem"][1]
    # What was left behind comes back by itself; until then the host says that it owes an answer.
    for _ in range(600):
        told = fleet.guests()
        if "timed out" not in set(told["status"]):
            break
        signal.sigtimedwait([], 0.1)
    assert list(told["name"]) == ["vm", "only here", "vm"]


def test_a_daemon_that_ended_and_one_without_storage(filled: dict[str, str], second: Daemon) -> None:
    uris = {**filled, "bare": filled["one"].replace("qemu+", "secret+")}
    second.halt()
    try:
        told = kvmnb.fleet(uris).pools()
    finally:
        second.start()
    assert list(told["status"]) == ["ok", "unreachable", "unreadable"]
    assert "not supported by the connection driver" in told["problem"][2]
    assert list(kvmnb.fleet(filled).pools()["status"]) == ["ok", "ok"]


def test_one_that_falls_silent_while_it_is_read(filled: dict[str, str], tmp_path: Path) -> None:
    """The connection stands, and then nothing more comes: the second of the two times decides."""
    with before(filled["two"], tmp_path) as (uri, proxy):
        with kvmnb.connect(uri):
            proxy.most = proxy.answers
        fleet = kvmnb.fleet({"two": uri}, timeout=120, inside_timeout=0.5)
        told = fleet.df()
        again = fleet.df()
    assert list(told["reason"]) == [f"{uri} could be connected to, but was not read within 0.5 s"]
    assert "still owes the answer" in again["reason"][0]


def test_fleets_only_read(filled: dict[str, str], clean_daemon: Daemon) -> None:
    target = clean_daemon.folder / "pool one"
    times = {path: path.stat().st_mtime_ns for path in target.iterdir()}
    fleet = kvmnb.fleet(filled)
    for method in ("pools", "volumes", "guests", "disks"):
        getattr(fleet, method)()
    assert {path: path.stat().st_mtime_ns for path in target.iterdir()} == times
    assert not [name for name in dir(fleet) if name in {"apply", "plan", "undo"}]
