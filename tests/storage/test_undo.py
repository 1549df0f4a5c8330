"""What was done is undone when the rest fails; what would be lost by that, only with the word."""

from __future__ import annotations

import pytest

import kvmnb
from kvmnb.errors import BadValue, Refused
from kvmnb.storage.streams import Progress
from tests.storage.builders import MIB, Site, state


def test_undoing_a_new_volume_wants_its_name(site: Site) -> None:
    site.running()
    report = site.host.apply(kvmnb.CreateVolume(site.pool, "a.raw", MIB, format="raw"))
    path = site.target / "a.raw"
    path.write_bytes(b"what somebody has put there since")

    with pytest.raises(Refused, match=r"confirm='a\.raw'"):
        site.host.apply(site.host.undo(report))
    assert path.exists()

    site.host.apply(site.host.undo(report, confirm="a.raw"))
    assert not path.exists()


@pytest.mark.parametrize("fault", [ValueError("boom"), KeyboardInterrupt()])
def test_any_fault_undoes_what_was_done_and_says_so(site: Site, fault: BaseException) -> None:
    before = state(site)

    def progress(words: str) -> Progress:
        if words.startswith("Start"):
            raise fault
        return lambda _done, _total: None

    plan = kvmnb.create_pool(site.host, "zz", target=str(site.target))
    with pytest.raises(type(fault)) as raised:
        site.host.apply(plan, progress=progress)

    assert "what had been done before was undone" in "".join(raised.value.__notes__)
    assert state(site) == before
    assert not site.target.exists()


def test_every_intent_in_the_log_has_its_outcome(site: Site) -> None:
    def progress(words: str) -> Progress:
        if words.startswith("Start"):
            raise ValueError("boom")
        return lambda _done, _total: None

    with pytest.raises(ValueError, match="boom"):
        site.host.apply(kvmnb.create_pool(site.host, "zz", target=str(site.target)), progress=progress)

    log = site.host.audit()
    assert set(log["event"]) == {"intent", "done"}
    assert all(events == ["done", "intent"] for events in log.groupby("id")["event"].agg(sorted))


def test_a_plan_takes_actions_one_by_one_or_as_a_list(site: Site) -> None:
    start = kvmnb.StartPool(site.built().pool)
    assert site.host.plan([start]).actions == site.host.plan(start).actions == (start,)
    with pytest.raises(BadValue, match="'x' is no action"):
        site.host.plan("x")  # type: ignore[arg-type]
