"""A fleet's hosts are asked by whatever executor: processes, and Dask's workers."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pandas as pd
import pytest

import kvmnb
from kvmnb.errors import KvmnbError
from tests.daemon import Daemon
from tests.fleets.hosts import Hanging, at


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as executor:
        yield executor


@pytest.fixture(scope="module")
def dask() -> Iterator[Executor]:
    distributed = pytest.importorskip("distributed")
    cluster = distributed.LocalCluster(
        n_workers=2, processes=True, threads_per_worker=2, dashboard_address=":0", silence_logs=50
    )
    with cluster, distributed.Client(cluster) as client:
        yield client.get_executor()


@pytest.fixture(params=["processes", "dask"])
def executor(request: pytest.FixtureRequest) -> Executor:
    made: Executor = request.getfixturevalue(request.param)
    return made


def test_other_processes_read_what_threads_read(
    executor: Executor, clean_daemon: Daemon, second: Daemon, tmp_path: Path
) -> None:
    for daemon in (clean_daemon, second):
        daemon.virsh("pool-define-as", "vmdisk", "dir", "--target", str(daemon.folder / "p"))
        daemon.virsh("pool-build", "vmdisk")
        daemon.virsh("pool-start", "vmdisk")
        daemon.virsh("vol-create-as", "vmdisk", "v.qcow2", "1M", "--format", "qcow2")
    uris = {"one": clean_daemon.uri, "dead": at(tmp_path / "none"), "two": second.uri}
    theirs, ours = kvmnb.fleet(uris, executor=executor), kvmnb.fleet(uris)
    try:
        for method in ("pools", "volumes", "guests", "disks"):
            read = getattr(theirs, method)()
            expected = getattr(ours, method)()
            pd.testing.assert_frame_equal(read, expected)
            assert [about["status"] for about in read.attrs["hosts"].values()] == ["ok", "unreachable", "ok"]
        # Asked again it is read again: Dask must not take the same question for one that is answered already.
        second.virsh("vol-create-as", "vmdisk", "w.qcow2", "1M", "--format", "qcow2")
        assert theirs.pools()["volumes"].dropna().tolist() == [1, 2]
        assert theirs.volumes("vmdisk")["name"].dropna().tolist() == ["v.qcow2", "v.qcow2", "w.qcow2"]
    finally:
        second.clean()


def test_a_host_that_hangs_takes_no_worker_for_ever(
    executor: Executor, clean_daemon: Daemon, hanging: Hanging
) -> None:
    fleet = kvmnb.fleet({"slow": hanging.uri, "one": clean_daemon.uri}, executor=executor, timeout=2)
    for _ in range(3):  # one more than there are workers
        hosts = fleet.pools().attrs["hosts"]
        assert [about["status"] for about in hosts.values()] == ["timed out", "ok"]


def test_waiting_for_a_worker_is_not_the_hosts_fault(clean_daemon: Daemon, hanging: Hanging) -> None:
    uris = {"slow": hanging.uri, "one": clean_daemon.uri}
    with ThreadPoolExecutor(1) as executor:
        told = kvmnb.fleet(uris, executor=executor, timeout=2).pools()
        assert executor.submit(int).result(60) == 0  # it is its maker's, and open still
    assert [about["status"] for about in told.attrs["hosts"].values()] == ["timed out", "ok"]


def test_processes_that_are_killed_are_no_fault_of_the_hosts(hanging: Hanging) -> None:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        pid = executor.submit(os.getpid).result()

        def kill(done: int, _total: int, _name: str) -> None:
            if not done:
                os.kill(pid, signal.SIGKILL)

        fleet = kvmnb.fleet({"slow": hanging.uri}, executor=executor, timeout=3600)
        with pytest.raises(KvmnbError, match=r"No host could be asked: .*BrokenProcessPool") as caught:
            fleet.pools(progress=lambda _words: kill)
        assert isinstance(caught.value.__cause__, BrokenProcessPool)
        with pytest.raises(KvmnbError, match=r"The executor takes no work: .*Give the fleet a new one"):
            fleet.pools()


def test_a_dask_client_that_was_closed_takes_no_work(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    cluster = distributed.LocalCluster(n_workers=1, processes=False, dashboard_address=":0", silence_logs=50)
    with cluster, distributed.Client(cluster) as client:
        executor = client.get_executor()
    with pytest.raises(KvmnbError, match=r"The executor takes no work: .*Give the fleet a new one"):
        kvmnb.fleet({"one": at(tmp_path / "none")}, executor=executor).pools()
