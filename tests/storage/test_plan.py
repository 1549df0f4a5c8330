"""Plans: what they show, and that what they assume is what then is."""

from __future__ import annotations

import pytest

from kvmnb.errors import BadValue
from kvmnb.host import connect
from kvmnb.planning import create_pool, create_volume, remove_pool
from kvmnb.schema import PLAN
from kvmnb.storage.actions import (
    ACTIONS,
    CloneVolume,
    DefinePool,
    DeleteVolume,
    RefreshPool,
    ResizeVolume,
    StartPool,
    StopPool,
)
from kvmnb.storage.model import Inventory
from tests.storage.builders import HOSTILE, MIB, Site
from tests.storage.test_virsh_equal import CASES, Case


def _facts(seen: Inventory) -> dict[str, object]:
    """Give of an inventory what a plan's later steps are checked against."""
    found: dict[str, object] = {}
    for pool in seen.pools.values():
        found[f"pool {pool.name}"] = (pool.spec, pool.state, pool.autostart, pool.persistent)
        found[f"target {pool.name}"] = seen.kind(pool.spec.target) if pool.spec.type == "dir" else None
        if pool.active:
            for volume in seen.volumes_of(pool.name):
                key = f"volume {pool.name}/{volume.name}"
                found[key] = (volume.path, volume.format, volume.capacity, volume.backing_path)
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_assumed_is_what_then_is(site: Site, case: Case) -> None:
    case.prepare(site)
    action = case.action(site)
    assumed = _facts(action.assume(site.host.inventory()))
    site.host.apply(action)
    found = _facts(site.host.inventory())
    if case.name in {"refresh", "start"}:  # which volumes show cannot be known before
        found = {key: value for key, value in found.items() if not key.startswith("volume")}
        assumed = {key: value for key, value in assumed.items() if not key.startswith("volume")}
    if case.name == "create vpc":  # QEMU rounds its capacity
        assert assumed.keys() == found.keys()
        return
    assert assumed == found


def test_a_whole_plan_is_checked_as_if_its_steps_were_done(site: Site) -> None:
    name = "new"
    actions = [
        *create_pool(site.host, name, target=str(site.target)).actions,
        *create_volume(site.host, name, "v", MIB).actions,
        CloneVolume(name, "v", "w"),
        ResizeVolume(name, "w", 2 * MIB),
        DeleteVolume(name, "v", "v"),
        DeleteVolume(name, "w", "w"),
    ]
    plan = site.host.plan(*actions)
    assert plan.problems == ()
    assert site.host.apply(plan)["verified"].all()
    down = remove_pool(site.host, name)
    assert down.problems == ()
    assert site.host.apply(down)["verified"].all()
    assert not site.target.exists()


def test_a_plan_applied_twice_does_nothing_the_second_time(site: Site) -> None:
    plan = create_pool(site.host, site.pool, target=str(site.target))
    first, second = site.host.apply(plan), site.host.apply(plan)
    assert first["changed"].all()
    assert not second["changed"].any()
    assert set(second["outcome"]) == {"already so"}
    assert len(site.host.audit()) == 2 * len(plan)
    assert site.host.undo(second).actions == ()
    site.host.apply(site.host.undo(first))
    assert not site.target.exists()
    assert site.host.pools().empty


def test_a_later_step_is_refused_by_what_an_earlier_one_does(site: Site) -> None:
    site.running().volume("v")
    plan = site.host.plan(StopPool(site.pool), DeleteVolume(site.pool, "v", "v"))
    assert [len(step.refused) for step in plan] == [0, 1]
    assert "start it first" in plan.problems[0].remedy


@pytest.mark.parametrize("name", [*HOSTILE, "<script>alert(1)</script>", "a\x1b[31m", "\ud800", "\u202e"])
def test_hostile_names_are_shown_as_text(name: str) -> None:
    with connect("test:///default", readonly=False) as host:
        plan = host.plan(StartPool(name), DefinePool(name, target=f"/srv/{name}"), title=f"For {name}")
        html = plan._repr_html_()
        assert "<script" not in html
        assert "<&]]>" not in html
        assert html.count("<tr>") == 3
        assert all(line.isprintable() for line in repr(plan).split("\n"))
        assert tuple(plan.frame.columns) == PLAN.names
        assert len(plan.frame) == len(plan) == 2


def test_what_is_already_so_is_said(site: Site) -> None:
    site.running()
    plan = site.host.plan(StartPool(site.pool), RefreshPool(site.pool))
    assert "1 of 2 steps to do" in repr(plan)
    assert plan.frame["already"].tolist() == [True, False]
    assert "already so" in plan._repr_html_()
    assert plan[0].already
    assert [step.action for step in plan[1:]] == [RefreshPool(site.pool)]


def test_the_same_step_twice_fails_as_the_second(site: Site) -> None:
    site.running()
    again = RefreshPool(site.pool)
    assert site.host.apply([again, again])["step"].tolist() == [1, 2]
    assert site.host.apply([]).empty


def test_a_frame_that_tells_of_no_change_cannot_be_undone(site: Site) -> None:
    with pytest.raises(BadValue, match=r"host\.apply"):
        site.host.undo(site.host.pools())


def test_every_action_can_be_made_from_what_the_log_keeps() -> None:
    assert set(ACTIONS) == {kind.__name__ for kind in ACTIONS.values()}
