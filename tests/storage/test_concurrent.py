"""Many at once, on one pool and on several."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

from kvmnb.host import Host
from kvmnb.planning import create_pool
from kvmnb.storage.action import Action
from kvmnb.storage.actions import (
    CreateVolume,
    DeleteVolume,
    RefreshPool,
    SetPoolAutostart,
    StartPool,
    StopPool,
)
from tests.storage.builders import MIB, Site


def _all(actions: list[Action], host: Host) -> list[str]:
    with ThreadPoolExecutor(8) as workers:
        return [str(report["outcome"][0]) for report in workers.map(host.apply, actions)]


def test_eight_threads_on_one_pool(site: Site) -> None:
    site.running()
    names = [f"v{number}" for number in range(24)]
    assert set(_all([CreateVolume(site.pool, name, MIB) for name in names], site.host)) == {"done"}
    assert sorted(site.host.volumes()["name"]) == sorted(names)
    assert set(_all([DeleteVolume(site.pool, name, name) for name in names], site.host)) == {"done"}
    assert site.host.volumes().empty
    log = site.host.audit()
    assert log["event"].value_counts().to_dict() == {"intent": 48, "done": 48}
    assert set(log.groupby("id").size()) == {2}


def test_eight_threads_want_the_same(site: Site) -> None:
    site.running()
    outcomes = _all([CreateVolume(site.pool, "v", MIB)] * 8, site.host)
    assert sorted(outcomes) == ["already so"] * 7 + ["done"]


def test_eight_threads_on_several_pools(site: Site) -> None:
    plans = [
        create_pool(site.host, f"p{number}", target=str(site.folder / f"p{number}")) for number in range(8)
    ]
    with ThreadPoolExecutor(8) as workers:
        for report in workers.map(site.host.apply, plans):
            assert report["verified"].all()
    pools = [f"p{number}" for number in range(8)]
    assert set(_all([CreateVolume(pool, "v", MIB) for pool in pools], site.host)) == {"done"}
    turns: list[Action] = [
        kind(pool) for pool in pools for kind in (StopPool, StartPool, RefreshPool, SetPoolAutostart)
    ]
    with ThreadPoolExecutor(4) as workers:
        list(workers.map(lambda n: [site.host.apply(a) for a in turns[n * 4 : n * 4 + 4]], range(8)))
    assert site.host.pools()["state"].tolist() == ["running"] * 8


def test_a_pool_that_another_client_keeps_busy(site: Site) -> None:
    """libvirt answers VIR_ERR_INTERNAL_ERROR while a volume of the pool is being made."""
    site.running().raw("v.raw", os.urandom(8 * MIB), 8 * MIB)
    with ThreadPoolExecutor(1) as worker:
        busy = worker.submit(lambda: [site.volume(f"b{n}", 256 * MIB, "qcow2") for n in range(6)])
        for _ in range(6):
            assert site.host.apply(RefreshPool(site.pool))["verified"].all()
        busy.result()
    assert len(site.host.volumes()) == 7
