"""What goes wrong in the middle is told, is not half done, and does not last."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kvmnb.errors import ActionFailed, LibvirtFailed, ReadOnly, Refused, Unreachable
from kvmnb.host import connect
from kvmnb.planning import create_pool, remove_pool
from kvmnb.storage.actions import (
    CreateVolume,
    DeletePool,
    DeleteVolume,
    RefreshPool,
    StopPool,
    UndefinePool,
    UploadVolume,
)
from tests.storage.builders import MIB, Site, digest, opened, state


def test_reads_go_on_after_a_restart(site: Site) -> None:
    site.running().volume("v.qcow2")
    before = state(site)
    site.daemon.restart()
    assert state(site) == before
    assert site.host.apply(DeleteVolume(site.pool, "v.qcow2", "v.qcow2"))["changed"].all()


def test_while_the_daemon_is_dead_it_is_said_so(site: Site) -> None:
    site.running()
    plan = site.host.plan(CreateVolume(site.pool, "v", MIB))
    site.daemon.halt()
    for read in (
        site.host.pools,
        site.host.volumes,
        site.host.guests,
        site.host.disks,
        lambda: site.host.apply(plan),
    ):
        with pytest.raises(Unreachable, match="doctor"):
            read()
    with pytest.raises(Unreachable):
        connect(site.daemon.uri)
    site.daemon.start()
    assert site.host.volumes().empty
    assert site.host.apply(plan)["verified"].all()


def test_a_change_is_not_repeated_when_the_daemon_dies_under_it(site: Site) -> None:
    site.running().volume("v.raw", 64 * MIB, "raw")
    file = site.folder / "file"
    file.write_bytes(os.urandom(32 * MIB))
    told: list[int] = []

    def die(done: int, _total: int) -> None:
        if not told:
            site.daemon.halt()
        told.append(done)

    with pytest.raises((ActionFailed, Unreachable)) as failure:
        site.host.apply(UploadVolume(site.pool, "v.raw", str(file), "v.raw"), lambda _words: die)
    assert told == sorted(told)  # a second run would begin at the beginning
    assert site.host.audit()["event"].tolist() == ["intent", "failed"]
    assert failure.value.remedy
    site.daemon.start()
    assert site.host.volumes()["status"].tolist() == ["ok"]


def _gone(site: Site) -> None:
    site.daemon.virsh("pool-destroy", "--pool", site.pool)
    site.daemon.virsh("pool-undefine", "--pool", site.pool)


def _stopped(site: Site) -> None:
    site.daemon.virsh("pool-destroy", "--pool", site.pool)


def _same_volume(site: Site) -> None:
    site.volume("new", MIB)


def _other_volume(site: Site) -> None:
    site.volume("new", 2 * MIB)


@pytest.mark.parametrize(
    ("meanwhile", "words"),
    [(_gone, "no pool"), (_stopped, "is inactive"), (_other_volume, "has a volume 'new' already")],
)
def test_another_client_comes_between(site: Site, meanwhile: Callable[[Site], None], words: str) -> None:
    site.running()
    plan = site.host.plan(CreateVolume(site.pool, "new", MIB))
    assert not plan.problems
    meanwhile(site)
    before = state(site)
    with pytest.raises(Refused, match=words):
        site.host.apply(plan)
    assert state(site) == before


def test_another_client_does_the_same(site: Site) -> None:
    site.running()
    plan = site.host.plan(CreateVolume(site.pool, "new", MIB))
    _same_volume(site)
    assert site.host.apply(plan)["outcome"].unique().tolist() == ["already so"]
    assert site.host.undo(site.host.apply(plan)).actions == ()


def test_another_client_is_faster_by_a_blink(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the last look and the call: libvirt itself refuses, and what is not ours is not undone."""
    site.running()
    run = CreateVolume.run

    def late(action: CreateVolume, *arguments: object) -> None:
        _same_volume(site)
        run(action, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(CreateVolume, "run", late)
    with pytest.raises(ActionFailed, match="nothing was changed"):
        site.host.apply(CreateVolume(site.pool, "new", MIB))
    assert site.host.volumes()["name"].tolist() == ["new"]


def test_another_client_undefines_in_the_middle_of_a_plan(site: Site) -> None:
    plan = create_pool(site.host, site.pool, target=str(site.target))

    def progress(words: str) -> Callable[[int, int], None]:
        if words.startswith("Start"):
            site.daemon.virsh("pool-undefine", "--pool", site.pool)
        return lambda _done, _total: None

    with pytest.raises(ActionFailed) as failure:
        site.host.apply(plan, progress)
    outcomes = failure.value.report.groupby("step")["outcome"].first().tolist()
    assert outcomes[2].startswith("failed")
    assert outcomes[3] == "not done"
    assert site.host.pools().empty


def test_a_folder_that_fills_between_plan_and_act_is_kept(site: Site) -> None:
    site.running()
    plan = remove_pool(site.host, site.pool)
    assert not plan.problems
    (site.target / "late").write_text("mine")
    before = state(site)
    with pytest.raises(Refused, match="late"):
        site.host.apply(plan)
    assert state(site) == before


def test_a_folder_that_fills_before_the_last_blink_is_kept(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.running()
    run = DeletePool.run

    def late(action: DeletePool, *arguments: object) -> None:
        (site.target / "late").write_text("mine")
        run(action, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(DeletePool, "run", late)
    with pytest.raises(ActionFailed, match="what had been done before was undone"):
        site.host.apply(remove_pool(site.host, site.pool))
    assert (site.target / "late").exists()
    assert site.host.pools()["state"].tolist() == ["running"]


@pytest.fixture
def forbidden(site: Site) -> Iterator[Path]:
    """Give a folder in which neither we nor the daemon may make anything."""
    folder = site.folder / "forbidden"
    folder.mkdir()
    if os.geteuid() == 0:  # whom no permission stops
        subprocess.run(["chattr", "+i", folder], check=True)
        yield folder
        subprocess.run(["chattr", "-i", folder], check=True)
    else:
        folder.chmod(0o500)
        yield folder
        folder.chmod(0o700)


def test_a_folder_that_may_not_be_made_undoes_the_pool(site: Site, forbidden: Path) -> None:
    before = state(site)
    plan = create_pool(site.host, "new", target=str(forbidden / "p"))
    with pytest.raises(ActionFailed, match="what had been done before was undone") as failure:
        site.host.apply(plan)
    assert state(site) == before
    outcomes = failure.value.report["outcome"].tolist()
    assert outcomes[0] == "undone"
    assert outcomes[1].startswith("failed")
    assert outcomes[2:] == ["not done", "not done"]
    assert not failure.value.report["changed"].any()
    assert site.host.audit()["event"].tolist() == ["intent", "done", "intent", "failed", "intent", "done"]


def test_undoing_leaves_a_folder_that_was_there_before(site: Site) -> None:
    site.target.mkdir()
    (site.target / "old").write_text("mine")

    def progress(words: str) -> Callable[[int, int], None]:
        if words.startswith("Start"):
            raise OSError("the terminal is gone")
        return lambda _done, _total: None

    with pytest.raises(ActionFailed, match="terminal"):
        site.host.apply(create_pool(site.host, "new", target=str(site.target)), progress)
    assert (site.target / "old").read_text() == "mine"
    assert site.host.pools().empty


def test_a_plan_that_is_not_to_be_undone_says_what_stays(site: Site, forbidden: Path) -> None:
    actions = create_pool(site.host, "new", target=str(forbidden / "p")).actions
    plan = site.host.plan(*actions, undo_on_failure=False)
    with pytest.raises(ActionFailed, match="done and stay"):
        site.host.apply(plan)
    assert site.host.pools()["name"].tolist() == ["new"]


def test_a_host_for_reading_refuses(site: Site) -> None:
    site.running().volume("v.qcow2")
    before = state(site)
    with connect(site.daemon.uri) as host:
        delete = DeleteVolume(site.pool, "v.qcow2", "v.qcow2")
        for action in (StopPool(site.pool), RefreshPool(site.pool), delete):
            with pytest.raises(ReadOnly, match="readonly=False"):
                host.apply(action)
        assert host.volumes()["name"].tolist() == ["v.qcow2"]
        assert host.audit().empty
    assert state(site) == before


def test_without_an_audit_log_nothing_is_changed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.running()
    blocked = site.folder / "blocked"
    blocked.write_text("a file, no folder")
    before = state(site)
    monkeypatch.setenv("KVMNB_AUDIT_LOG", str(blocked / "audit.jsonl"))
    with connect(site.daemon.uri, readonly=False) as host, pytest.raises(ActionFailed, match="audit log"):
        host.apply(CreateVolume(site.pool, "v", MIB))
    assert state(site) == before


def test_an_audit_log_that_fails_afterwards_does_not_hide_the_change(site: Site) -> None:
    path = site.running().raw("v", b"")
    file = site.folder / "new"
    file.write_bytes(b"new" * 100)
    log = site.host._audit.path

    def report(_done: int, _total: int) -> None:  # called between the intent and the outcome
        if log.is_file():
            log.unlink()
            log.mkdir()

    with pytest.raises(ActionFailed, match="audit log") as failure:
        site.host.apply(UploadVolume(site.pool, "v", str(file), confirm="v"), lambda _words: report)
    assert "cannot be undone" in str(failure.value)
    assert failure.value.report["changed"].all()
    assert path.read_bytes().startswith(file.read_bytes())


def test_an_older_audit_log_keeps_its_lines(site: Site) -> None:
    site.running()
    site.host.apply(CreateVolume(site.pool, "v", MIB))
    log = site.host._audit.path
    log.write_text(log.read_text().replace('"command"', '"virsh"'))
    assert (
        site.host.audit()["command"].tolist()
        == [f"virsh vol-create-as '{site.pool}' v 1M --format qcow2"] * 2
    )


def test_a_cut_line_of_the_audit_log_is_a_row(site: Site) -> None:
    site.running()
    site.host.apply(CreateVolume(site.pool, "v", MIB))
    log = site.host._audit.path
    with log.open("a") as file:
        file.write('{"event": "int')
    assert site.host.audit()["event"].tolist() == ["intent", "done", "unreadable"]
    assert log.stat().st_mode & 0o077 == 0


def test_a_transient_pool_is_gone_when_stopped(site: Site) -> None:
    site.target.mkdir()
    path = site.target / "file"
    path.write_text("mine")
    site.daemon.virsh("pool-create-as", "--name", "t", "--type", "dir", "--target", str(site.target))
    before = digest(path)
    plan = site.host.plan(StopPool("t"), UndefinePool("t"))
    assert any("transient" in str(problem) for step in plan for problem in step.warnings)
    report = site.host.apply(plan)
    assert report["verified"].all()
    assert site.host.pools().empty
    assert digest(path) == before
    with opened(site.daemon) as connection:
        assert connection.listAllStoragePools() == []


def test_a_transient_pool_is_taken_down_by_stopping_it(site: Site) -> None:
    site.target.mkdir()
    site.daemon.virsh("pool-create-as", "--name", "t", "--type", "dir", "--target", str(site.target))
    plan = remove_pool(site.host, "t")
    assert plan.actions == (StopPool("t"),)
    assert site.host.apply(plan)["verified"].all()
    assert site.host.pools().empty
    assert site.target.is_dir()


def test_a_pool_of_more_volumes_than_libvirt_lists_is_told_beside_the_others(site: Site) -> None:
    site.running().volume("v.qcow2")
    crowd = site.folder / "crowd"
    crowd.mkdir()
    for number in range(16_385):  # libvirt's protocol carries 16,384 in one answer
        (crowd / str(number)).touch()
    site.daemon.virsh("pool-define-as", "crowd", "dir", "--target", str(crowd))
    site.daemon.virsh("pool-start", "crowd")

    frame = site.host.volumes().set_index("pool")
    assert frame["status"]["crowd"] == "unreadable"
    assert frame["name"].fillna("").to_dict() == {"crowd": "", site.pool: "v.qcow2"}
    assert "16385" in frame["problem"]["crowd"]
    with pytest.raises(Refused, match="cannot be known"):
        site.host.apply(DeleteVolume(site.pool, "v.qcow2", "v.qcow2"))


def test_a_daemon_without_a_host_name_is_refused_in_words(site: Site) -> None:
    for_storage_alone = site.daemon.uri.replace("qemu", "storage", 1)
    with pytest.raises(LibvirtFailed, match=r"host's name.*qemu:///system"):
        connect(for_storage_alone)
