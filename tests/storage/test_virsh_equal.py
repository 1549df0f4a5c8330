"""What an action does is what its printed virsh line does, on the same prepared host."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import pytest

from kvmnb.errors import Refused
from kvmnb.storage.action import Action, shell_line
from kvmnb.storage.actions import (
    ACTIONS,
    BuildPool,
    CloneVolume,
    CreateVolume,
    DefineGuest,
    DefinePool,
    DeletePool,
    DeleteVolume,
    DownloadVolume,
    RefreshPool,
    ResizeVolume,
    SetPoolAutostart,
    ShutOffGuest,
    StartGuest,
    StartPool,
    StopPool,
    UndefineGuest,
    UndefinePool,
    UploadVolume,
    WipeVolume,
)
from tests.storage.builders import HOSTILE, MIB, Site, State, define_guest, guest_xml, start_guest, state
from tests.storage.image_cases import IMAGE_CASES


@dataclass(frozen=True)
class Case:
    """One action on one prepared host."""

    name: str
    prepare: Callable[[Site], object]
    action: Callable[[Site], Action]
    #: What a second run of it does.
    again: Literal["already so", "refused", "done"] = "already so"
    undoable: bool = False
    pool: str = "vm disk"
    allocation: bool = True


def _nothing(_site: Site) -> None: ...


def _stopped_by_hand(site: Site) -> None:
    site.running().volume("a b.qcow2")
    site.daemon.virsh("pool-destroy", "--pool", site.pool)


def _with_new_file(site: Site) -> None:
    site.running()
    (site.target / "by hand.raw").write_bytes(b"x" * 4096)


def _autostarted(site: Site) -> None:
    site.running().daemon.virsh("pool-autostart", "--pool", site.pool)


def _with_base(site: Site) -> None:
    site.running().volume("base.qcow2")


def _with_upload(site: Site) -> None:
    site.running().raw("a.raw", b"old" * 1000)
    (site.folder / "my file").write_bytes(b"new" * 5000 + bytes(MIB) + b"end")


def _volume(name: str, format: str = "qcow2") -> Callable[[Site], None]:
    def prepare(site: Site) -> None:
        site.running()
        if format == "raw":
            site.raw(name, b"data" * 3000)
        else:
            site.volume(name, format=format)

    return prepare


def _pool_cases(pool: str) -> list[Case]:
    """Every action on a pool that exists, under the pool's name."""
    return [
        Case("build", Site.define, lambda s: BuildPool(s.pool), undoable=True, pool=pool),
        Case("start", Site.built, lambda s: StartPool(s.pool), undoable=True, pool=pool),
        Case("autostart", Site.running, lambda s: SetPoolAutostart(s.pool), undoable=True, pool=pool),
        Case(
            "no autostart",
            _autostarted,
            lambda s: SetPoolAutostart(s.pool, on=False),
            undoable=True,
            pool=pool,
        ),
        Case("refresh", _with_new_file, lambda s: RefreshPool(s.pool), again="done", pool=pool),
        Case("stop", _volume_in_pool, lambda s: StopPool(s.pool), undoable=True, pool=pool),
        Case("delete", Site.built, lambda s: DeletePool(s.pool), undoable=True, pool=pool),
        Case("undefine", _stopped_by_hand, lambda s: UndefinePool(s.pool), undoable=True, pool=pool),
        Case("create", Site.running, lambda s: CreateVolume(s.pool, "v", 8 * MIB), undoable=True, pool=pool),
    ]


def _volume_in_pool(site: Site) -> None:
    site.running().volume("a b.qcow2")


def _volume_cases(name: str) -> list[Case]:
    """Every action on a volume that exists, under the volume's name."""
    raw = _volume(name, "raw")
    return [
        Case(
            "clone",
            _volume(name),
            lambda s: CloneVolume(s.pool, name, "the copy"),
            again="refused",
            undoable=True,
        ),
        Case("grow", _volume(name), lambda s: ResizeVolume(s.pool, name, 32 * MIB)),
        Case("shrink", _volume(name), lambda s: ResizeVolume(s.pool, name, 4 * MIB, shrink=True)),
        Case("grow raw", raw, lambda s: ResizeVolume(s.pool, name, 9 * MIB + 512)),
        Case("shrink raw", raw, lambda s: ResizeVolume(s.pool, name, MIB, shrink=True)),
        Case("wipe", raw, lambda s: WipeVolume(s.pool, name, confirm=name), again="done"),
        Case(
            "download",
            raw,
            lambda s: DownloadVolume(s.pool, name, str(s.folder / "my copy")),
            again="refused",
        ),
        Case("delete volume", _volume(name), lambda s: DeleteVolume(s.pool, name, confirm=name)),
        Case(
            "upload",
            lambda s: (raw(s), (s.folder / "f").write_bytes(b"n" * 5000)),
            lambda s: UploadVolume(s.pool, name, str(s.folder / "f"), confirm=name),
            again="done",
        ),
    ]


def _overlay_case(base: str) -> Case:
    """Create an overlay on a volume that exists, under the volume's name."""

    def action(site: Site) -> Action:
        return CreateVolume(site.pool, "o", 8 * MIB, backing_volume=base, backing_format="qcow2")

    return Case("overlay", _volume(base), action, undoable=True)


def _create(name: str, prepare: Callable[[Site], object] = Site.running, **fields: str) -> Case:
    def action(site: Site) -> Action:
        return CreateVolume(site.pool, "a new one", 8 * MIB, **fields)  # type: ignore[arg-type]

    return Case(f"create {name}", prepare, action, undoable=True)


def _define(name: str, **fields: str) -> Case:
    return Case(f"define {name}", _nothing, lambda s: DefinePool(s.pool, **fields), undoable=True)


def _guest_file(site: Site) -> None:
    (site.folder / "a guest.xml").write_text(guest_xml("vm 1"))


GUEST_CASES = [
    Case(
        "define guest",
        _guest_file,
        lambda s: DefineGuest("vm 1", str(s.folder / "a guest.xml")),
        again="refused",
        undoable=True,
    ),
    Case("start guest", lambda s: define_guest(s, "vm 1"), lambda _s: StartGuest("vm 1"), undoable=True),
    Case(
        "shut off guest",
        lambda s: start_guest(s, "vm 1"),
        lambda _s: ShutOffGuest("vm 1", confirm="vm 1"),
        undoable=True,
    ),
    Case("undefine guest", lambda s: define_guest(s, "vm 1"), lambda _s: UndefineGuest("vm 1")),
]


CASES = [
    *GUEST_CASES,
    Case(
        "define dir",
        _nothing,
        lambda s: DefinePool(s.pool, target=str(s.target)),
        undoable=True,
    ),
    _define("fs", type="fs", target="/srv/a b", source_dev="/dev/absent1", source_format="ext4"),
    _define(
        "netfs", type="netfs", target="/srv/n", source_host="h", source_path="/export", source_format="nfs"
    ),
    _define("logical", type="logical", target="/dev/vg0", source_name="vg0"),
    _define("disk", type="disk", target="/dev", source_dev="/dev/absent", source_format="gpt"),
    _define("iscsi", type="iscsi", target="/dev/disk/by-path", source_host="h", source_dev="iqn.2013-06.a:b"),
    _define(
        "iscsi-direct",
        type="iscsi-direct",
        source_host="h",
        source_dev="iqn.2013-06.a:b",
        source_initiator="iqn.2013-06.a:c",
        auth_type="chap",
        auth_username="u",
        secret_usage="s",  # noqa: S106 - the name of a secret
    ),
    *_pool_cases("vm disk"),
    *_volume_cases("a b.img"),
    Case(
        "upload",
        _with_upload,
        lambda s: UploadVolume(s.pool, "a.raw", str(s.folder / "my file"), "a.raw"),
        "done",
    ),
    _create("overlay", _with_base, backing_volume="base.qcow2", backing_format="qcow2"),
    *(_create(f"qcow2 {how}", preallocation=how) for how in ("metadata", "falloc")),
    *(_create(f"raw {how}", format="raw", preallocation=how) for how in ("off", "falloc")),
    *(_create(kind, format=kind) for kind in ("qcow2", "qcow", "qed", "vdi", "vmdk", "vpc")),
]
HOSTILE_CASES = [
    pytest.param(case, id=f"{case.name}-{name!r}")
    for name in HOSTILE
    for case in [
        *(_pool_cases(name) if "\n" not in name else []),  # no pool may have such a name
        *_volume_cases(name),
        *([_overlay_case(name)] if "&" not in name else []),  # refused: virsh could not do it
    ]
]


def _kind(case: Case, site: Site) -> str:
    return type(case.action(site)).__name__


def _fresh(site: Site, case: Case) -> Site:
    """Give the host in the state that the case prepares, whatever was there before."""
    site.daemon.clean()
    named = site.named(case.pool)
    case.prepare(named)
    return named


def _by_virsh(site: Site, action: Action) -> None:
    site.daemon.virsh(*action.command()[1:])


def _by_shell(site: Site, action: Action) -> None:
    """Run the line as an operator would paste it."""
    environment = os.environ | {"LIBVIRT_DEFAULT_URI": site.daemon.uri, "LC_ALL": "C"}
    line = shell_line(action.command())
    done = subprocess.run(
        ["bash", "-c", line],
        capture_output=True,
        text=True,
        env=environment,
        cwd=site.daemon.home,
        check=False,
    )
    assert done.returncode == 0, f"{line}: {done.stderr}"


def _compare(site: Site, case: Case, run: Callable[[Site, Action], None]) -> None:
    prepared = _fresh(site, case)
    action = case.action(prepared)
    before = state(prepared, allocation=case.allocation)
    prepared.host.apply(action)
    by_kit = state(prepared, allocation=case.allocation)

    again = _fresh(site, case)
    assert state(again, allocation=case.allocation) == before, "the preparation is not repeatable"
    run(again, action)
    assert state(again, allocation=case.allocation) == by_kit


def test_every_action_has_a_case(site: Site) -> None:
    by_virsh = {_kind(case, site) for case in CASES}
    assert by_virsh | {case.kind.__name__ for case in IMAGE_CASES} == set(ACTIONS)
    assert all(case.action(site).command()[0] == "virsh" for case in CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_run_and_virsh_leave_the_same(site: Site, case: Case) -> None:
    _compare(site, case, _by_virsh)


@pytest.mark.parametrize("case", [*CASES, *HOSTILE_CASES], ids=lambda case: case.name)
def test_run_and_the_shell_line_leave_the_same(site: Site, case: Case) -> None:
    _compare(site, case, _by_shell)


def _undo(site: Site, case: Case, before: State, report: object) -> None:
    plan = site.host.undo(report)  # type: ignore[arg-type]
    if plan.problems:  # what would be lost wants its name
        (lost,) = [a.name for a in plan.actions if isinstance(a, DeleteVolume | ShutOffGuest)]
        plan = site.host.undo(report, confirm=lost)  # type: ignore[arg-type]
    assert bool(plan.actions) == case.undoable
    if case.undoable:
        site.host.apply(plan)
        assert state(site, allocation=case.allocation) == before


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_is_verified_logged_and_undone(site: Site, case: Case) -> None:
    prepared = _fresh(site, case)
    host, action = prepared.host, case.action(prepared)
    before = state(prepared, allocation=case.allocation)

    report = host.apply(action)
    assert report["changed"].all()
    # What cannot be looked at, as the folder of a pool without one, is said to be unknown.
    assert report["verified"].fillna(value=True).all(), report.to_string()
    log = host.audit()
    assert log["event"].tolist() == ["intent", "done"]
    assert log["id"].nunique() == 1
    assert set(log["action"]) == {type(action).__name__}
    assert set(log["command"]) == {shell_line(action.command())}

    after = state(prepared, allocation=case.allocation)
    if case.again == "refused":
        with pytest.raises(Refused):
            host.apply(action)
    else:
        second = host.apply(action)
        assert set(second["outcome"]) == {case.again}
        assert set(second["changed"]) == {case.again == "done"}
    assert state(prepared, allocation=case.allocation) == after
    _undo(prepared, case, before, report)
