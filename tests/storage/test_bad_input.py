"""Whatever is typed, there is one clear error that names it, and the host is as it was."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from kvmnb.errors import ActionFailed, BadValue, KvmnbError, Refused
from kvmnb.planning import create_pool, create_volume, remove_pool
from kvmnb.storage.action import Action
from kvmnb.storage.actions import (
    BuildPool,
    CloneVolume,
    CreateVolume,
    DefinePool,
    DeletePool,
    DeleteVolume,
    DownloadVolume,
    ResizeVolume,
    SetPoolAutostart,
    StartPool,
    StopPool,
    UndefinePool,
    UploadVolume,
    WipeVolume,
)
from kvmnb.storage.model import PoolSpec
from kvmnb.storage.plan import Plan
from kvmnb.storage.xml import pool_xml
from tests.storage.builders import MIB, Site, opened, state

NAMES = {
    "slash": "a/b",
    "dots": "..",
    "dot": ".",
    "hidden": ".x",
    "escape": "../x",
    "dash": "-x",
    "option": "--force",
    "quotes": "a'\"b",
    "markup": "<&]]>",
    "newline": "a\nb",
    "control": "a\x1bb",
    "nul": "a\0b",
    "empty": "",
    "space": " a",
    "long": "x" * 300,
    "long in bytes": "ü" * 130,
    "surrogate": "\udcff",
    "lone surrogate": "\ud800",
    "bidi": "a\u202eb",
    "formula": "=1+1",
    "shell": "$(id)",
    "emoji": "\U0001f4be",
}
_NAMES = pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)


def _rejected(
    site: Site, call: Callable[[], object], *words: str, kind: type[KvmnbError] = KvmnbError
) -> str:
    """Tell that there is one error, in these words, and that nothing has changed."""
    before = state(site)
    with pytest.raises(kind) as raised:
        call()
    assert state(site) == before
    said = str(raised.value)
    for word in words:
        assert word in said
    assert raised.value.remedy
    assert "Traceback" not in said
    return said


def _make_and_apply(site: Site, make: Callable[[], Action | Plan]) -> object:
    return site.host.apply(make())


def _new_pool(site: Site, target: object, name: str = "new") -> Callable[[], object]:
    return lambda: site.host.apply(create_pool(site.host, name, target=str(target)))


def _apply(site: Site, action: Action, *words: str) -> str:
    return _rejected(site, lambda: site.host.apply(action), *words, kind=Refused)


@_NAMES
def test_a_bad_name_for_a_volume(site: Site, name: str) -> None:
    site.running()
    said = _apply(site, CreateVolume(site.pool, name, MIB), "volume name", "Use letters")
    assert said.count("Nothing was changed") == 1


@_NAMES
def test_a_bad_name_for_a_copy(site: Site, name: str) -> None:
    site.running().volume("v.qcow2")
    _apply(site, CloneVolume(site.pool, "v.qcow2", name), "volume name")


@_NAMES
def test_a_bad_name_for_a_pool(site: Site, name: str) -> None:
    _rejected(site, _new_pool(site, site.target, name), "pool name")


@_NAMES
def test_a_bad_name_for_what_is_to_exist(site: Site, name: str) -> None:
    site.running()
    _apply(site, StartPool(name), "There is no pool", repr(name))
    for action in (
        ResizeVolume(site.pool, name, MIB),
        WipeVolume(site.pool, name, confirm=name),
        CloneVolume(site.pool, name, "copy"),
        DownloadVolume(site.pool, name, str(site.folder / "file")),
    ):
        _apply(site, action, "has no volume", repr(name))
    _rejected(site, lambda: site.host.volumes(name), "There is no pool")
    site.host.apply(DeleteVolume(site.pool, name, confirm=name))  # it is not there: already so
    assert repr(site.host.plan(CreateVolume(site.pool, name, MIB)))


@pytest.mark.parametrize(
    "target",
    [
        "relative",
        "./x",
        "~/x",
        "/",
        "//",
        "//srv",
        "/srv/../etc",
        "/srv/./x",
        "/srv//x",
        "/srv/..",
        "/srv/x\ny",
        "/srv/x\0y",
        "/srv/\ud800",
        "/srv/" + chr(0xDCFF),
        "/srv/\u202ex",
        "/srv/a&b",
        "/srv/<x>",
        "/srv/" + "x" * 300,
        "",
    ],
)
def test_a_bad_target(site: Site, target: str) -> None:
    _rejected(site, _new_pool(site, target), "target", kind=Refused)


def test_a_target_that_is_a_file(site: Site) -> None:
    file = site.folder / "file"
    file.write_text("mine")
    for target in (file, file / "below"):
        _rejected(site, _new_pool(site, target), "file")
    assert file.read_text() == "mine"


def test_a_target_that_belongs_to_another_pool(site: Site) -> None:
    site.running()
    (site.folder / "link").symlink_to(site.target)
    for target in (site.target, site.target / "below", site.folder / "link", site.folder / "link" / "below"):
        said = _rejected(site, _new_pool(site, target))
        assert repr(str(target)) in said
        assert site.pool in said or str(site.target) in said


def test_a_slash_at_the_end_of_a_target_is_no_matter(site: Site) -> None:
    plan = create_pool(site.host, "new", target=f"{site.target}/")
    assert site.host.apply(plan)["verified"].all()
    assert set(site.host.apply(plan)["outcome"]) == {"already so"}


def test_the_name_of_another_pool(site: Site) -> None:
    site.define()
    other = create_pool(site.host, site.pool, target=str(site.folder / "other"))
    _rejected(site, lambda: site.host.apply(other), "is taken by a dir pool", str(site.target))


def test_an_unknown_type_and_missing_fields(site: Site) -> None:
    _apply(site, DefinePool("new", type="ceph"), "'ceph'", "Choose one of: dir")
    _apply(site, DefinePool("new", type="netfs", target="/srv/n"), "source host", "source path")
    _apply(site, DefinePool("new", type="dir"), "needs a target")
    _apply(site, DefinePool("new", type="rbd", target="/srv/n"), "'rbd'")
    _apply(
        site,
        DefinePool("new", "iscsi", "/srv", source_host="h", source_dev="i", auth_type="chap"),
        "authentication is incomplete",
    )
    for bad in ("a\0b", "a\nb", "\ud800", "a&b"):
        _apply(site, DefinePool("new", "netfs", "/srv", source_host=bad, source_path="/x"), repr(bad))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"source_host": "h"}, ("dir pool takes no source host", "Leave source_host out")),
        ({"source_format": "ext4"}, ("dir pool takes no source format",)),
        ({"type": "fs", "source_dev": "/dev/x", "source_path": "/x"}, ("takes no source path",)),
        ({"type": "fs", "source_dev": "/dev/x", "source_format": "ntfs3"}, ("'ntfs3'", "ext4")),
        (
            {"type": "netfs", "source_host": "h", "source_path": "/x", "source_format": "smb"},
            ("'smb'", "cifs"),
        ),
        ({"type": "iscsi", "source_host": "h", "source_dev": "disks"}, ("'disks'", "iqn.")),
        ({"type": "logical", "source_name": "vg", "auth_type": "chap"}, ("takes no auth type",)),
    ],
)
def test_what_a_type_does_not_take(site: Site, fields: dict[str, str], words: tuple[str, ...]) -> None:
    _apply(site, DefinePool("new", **{"target": str(site.folder / "new"), **fields}), *words)


@pytest.mark.parametrize("source_dev", ["iqn.2026-01.org.example:disks", "eui.02004567A425678D"])
def test_an_iscsi_target_by_its_name(site: Site, source_dev: str) -> None:
    define = DefinePool("new", "iscsi", "/dev/disk/by-path", source_host="h", source_dev=source_dev)
    assert not [p for p in site.host.plan(define).problems if p.field == "source_dev"]


def test_a_transient_pool_is_defined_by_its_own_xml(site: Site) -> None:
    site.target.mkdir()
    spec = PoolSpec(site.pool, target=str(site.target))
    with opened(site.daemon) as connection:
        connection.storagePoolCreateXML(pool_xml(spec), 0)
    remedy = f"virsh pool-dumpxml '{site.pool}' > pool.xml; virsh pool-define pool.xml"
    for action in (DefinePool(site.pool, target=spec.target), SetPoolAutostart(site.pool)):
        _apply(site, action, "is transient", remedy)
    [step] = site.host.plan(StopPool(site.pool))
    assert remedy in str(step.warnings[0])
    script = remedy.replace("virsh", f"virsh -c '{site.daemon.uri}'")
    subprocess.run(["sh", "-ec", script], cwd=site.folder, check=True, capture_output=True)
    assert site.host.apply(SetPoolAutostart(site.pool))["changed"].all()


def test_a_pool_given_as_python_has_it(site: Site) -> None:
    target = site.folder / "new"
    assert site.host.apply(create_pool(site.host, "new", target=target))["verified"].all()
    assert DefinePool("new", target=target) == DefinePool("new", target=str(target))  # type: ignore[arg-type]
    with pytest.raises(BadValue, match="no field targte") as raised:
        create_pool(site.host, "other", targte="/srv/x")  # type: ignore[call-arg]
    assert "source_host" in raised.value.remedy
    nothing: Any = None
    calls: list[Callable[[], object]] = [
        lambda: create_pool(site.host, nothing),
        lambda: DefinePool("x", target=nothing),
        lambda: create_volume(site.host, "new", nothing, MIB),
        lambda: create_volume(site.host, nothing, "v", MIB),
    ]
    for call in calls:
        with pytest.raises(BadValue, match="None"):
            call()


@pytest.mark.parametrize("capacity", [0, "0", 1, 511, 513, "10X", "1e30", -1, "-1G", "", "8E", "1.3"])
def test_a_bad_capacity(site: Site, capacity: int | str) -> None:
    site.running().volume("v.qcow2")
    size: Any = capacity
    makes: list[Callable[[], Action | Plan]] = [
        lambda: create_volume(site.host, site.pool, "new", size),
        lambda: CreateVolume(site.pool, "new", size),
        lambda: ResizeVolume(site.pool, "v.qcow2", size, shrink=True),
    ]
    for make in makes:
        said = _rejected(site, partial(_make_and_apply, site, make))
        assert str(capacity) in said


def test_more_than_is_free(site: Site) -> None:
    site.running()
    free = int(site.host.pools()["available"][0])
    more = (free // MIB + 1024) * MIB
    _apply(site, CreateVolume(site.pool, "v", more, "raw", "falloc"), "free, less than", "do not preallocate")
    plan = site.host.plan(CreateVolume(site.pool, "v", more))
    assert [problem.severity for step in plan for problem in step.problems] == ["warn"]
    assert site.host.apply(plan)["verified"].all()


def test_more_than_qemu_can_make(site: Site) -> None:
    site.running()
    huge = CreateVolume(site.pool, "v", 2**63 - 512)
    _rejected(site, lambda: site.host.apply(huge), "8 EiB qcow2 volume 'v'", kind=ActionFailed)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"format": "ntfs"}, ("'ntfs'", "qcow2")),
        ({"format": ""}, ("''", "qcow2")),
        ({"format": "iso"}, ("'iso'", "qcow2")),
        ({"format": "raw", "preallocation": "metadata"}, ("'metadata'", "falloc")),
        ({"preallocation": "full"}, ("'full'", "falloc")),
        ({"backing_volume": "absent", "backing_format": "raw"}, ("no volume 'absent'",)),
        ({"backing_volume": "base"}, ("'base' is qcow2",)),
        ({"backing_volume": "base", "backing_format": "raw"}, ("'base' is qcow2, not raw",)),
        ({"backing_volume": "base", "backing_format": "qcow2", "format": "raw"}, ("cannot be overlays",)),
        ({"backing_volume": "base", "backing_format": "qcow2", "preallocation": "falloc"}, ("hide",)),
        ({"backing_volume": "q<&>", "backing_format": "qcow2"}, ("q<&>", "Rename")),
        ({"backing_volume": "large", "backing_format": "qcow2"}, ("16 MiB", "Use 16M or more")),
        ({"name": "base"}, ("has a volume 'base' already",)),
        ({"pool": "absent"}, ("no pool 'absent'", "vm disk")),
    ],
)
def test_a_bad_volume(site: Site, fields: dict[str, str], words: tuple[str, ...]) -> None:
    site.running()
    for base in ("base", "q<&>"):
        site.volume(base)
    site.volume("large", 16 * MIB)
    values: dict[str, object] = {"pool": site.pool, "name": "new", "capacity": 9 * MIB}
    _apply(site, CreateVolume(**(values | fields)), *words)  # type: ignore[arg-type]


def test_what_libvirt_does_not_know_at_the_path(site: Site) -> None:
    site.running().volume("v.qcow2")
    (site.target / "file").write_text("mine")
    (site.target / "folder").mkdir()
    for name in ("file", "folder"):
        for action in (CreateVolume(site.pool, name, MIB), CloneVolume(site.pool, "v.qcow2", name)):
            _apply(site, action, repr(str(site.target / name)), "Refresh the pool")
    again: list[Action] = [
        DeleteVolume(site.pool, "v.qcow2", "v.qcow2"),
        CreateVolume(site.pool, "v.qcow2", MIB),
    ]
    assert site.host.apply(again)["changed"].all()


@pytest.mark.parametrize("format", ["raw", "qcow2"])
def test_preallocated_is_more_than_existing(site: Site, format: str) -> None:
    site.running().volume("v", MIB, format)
    whole = CreateVolume(site.pool, "v", MIB, format, "falloc")
    _apply(site, whole, "has a volume 'v' already", "not preallocated")
    site.host.apply(DeleteVolume(site.pool, "v", "v"))
    report = site.host.apply(whole)
    assert "allocation of volume 'v'" in report.to_string()
    assert report["verified"].all()
    assert not site.host.apply(whole)["changed"].any()


def test_two_that_are_too_large_together(site: Site) -> None:
    site.running()
    size = int(site.host.pools()["available"][0]) * 6 // 10 // MIB * MIB
    one, two = (CreateVolume(site.pool, name, size, "raw", "falloc") for name in ("v1", "v2"))
    assert not site.host.plan(one).problems
    [first, second] = site.host.plan([one, two])
    assert not first.problems
    assert "free, less than" in str(second.refused[0])


@pytest.mark.parametrize("format", ["vdi", "vmdk", "vpc", "qcow"])
def test_a_format_that_cannot_be_resized(site: Site, format: str) -> None:
    site.running().volume("v", 8 * MIB, format)
    resize = ResizeVolume(site.pool, "v", 16 * MIB)
    _apply(site, resize, f"'v' is {format}, which cannot be resized", "qemu-img convert")


def test_what_is_so_already_has_no_problems(site: Site) -> None:
    site.running().volume(".hidden", MIB)
    [step] = site.host.plan(CreateVolume(site.pool, ".hidden", MIB))
    assert (step.already, step.problems) == (True, ())
    assert "(nothing to do)" in repr(site.host.plan([]))


def test_names_as_they_are_told(site: Site) -> None:
    _apply(site, StartPool("a"), "Define one first")
    site.running()
    _apply(site, CreateVolume(site.pool, "a..b", MIB), "holds '..'", "a letter, a digit or _")
    assert site.host.apply(CreateVolume(site.pool, "_a", MIB))["verified"].all()


def test_a_pool_that_does_not_run(site: Site) -> None:
    site.built()
    for action in (
        CreateVolume(site.pool, "new", MIB),
        ResizeVolume(site.pool, "v", MIB),
        DeleteVolume(site.pool, "v", "v"),
        UploadVolume(site.pool, "v", "/etc/hostname", "v"),
    ):
        _apply(site, action, "is inactive", "Start it first")


def test_a_file_that_cannot_be_uploaded(site: Site) -> None:
    site.running().volume("v.raw", MIB, "raw")
    large = site.folder / "large"
    large.write_bytes(bytes(MIB + 1))
    for file in ("absent", str(site.folder), "", "a\0b", "\ud800", "/dev/null"):
        _apply(site, UploadVolume(site.pool, "v.raw", file, "v.raw"), "There is no file", repr(file))
    _apply(site, UploadVolume(site.pool, "v.raw", str(large), "v.raw"), repr(str(large)), "Resize the volume")


def test_a_file_that_cannot_be_downloaded_to(site: Site) -> None:
    site.running().volume("v.raw", MIB, "raw")
    mine = site.folder / "mine"
    mine.write_text("mine")
    (site.folder / "dangling").symlink_to(site.folder / "nowhere")
    for file in (mine, site.folder, "", "a\0b", site.folder / "no" / "such", site.folder / ("x" * 300)):
        _apply(site, DownloadVolume(site.pool, "v.raw", str(file)), repr(str(file)))
    with pytest.raises(KvmnbError):
        site.host.apply(DownloadVolume(site.pool, "v.raw", str(site.folder / "dangling")))
    assert sorted(path.name for path in site.folder.iterdir()) == ["dangling", "mine", site.target.name]
    assert mine.read_text() == "mine"


def test_without_the_word(site: Site) -> None:
    site.built()
    _apply(site, BuildPool(site.pool, overwrite=True), "cannot be undone", "nothing to overwrite")
    (site.target / "file").write_text("mine")
    _apply(site, DeletePool(site.pool), "holds 1 file(s): file")
    plan = remove_pool(site.host, site.pool)
    _rejected(site, lambda: site.host.apply(plan), "holds 1 file(s): file")
    assert (site.target / "file").exists()


@pytest.mark.parametrize(
    ("permissions", "undo"),
    [("", True), ("<mode>0711</mode>", True), ("<mode>0700</mode>", False), ("<owner>7</owner>", False)],
)
def test_permissions_of_its_own_are_not_undone(site: Site, permissions: str, undo: bool) -> None:
    xml = pool_xml(PoolSpec(site.pool, target=str(site.target)))
    xml = xml.replace(
        "</path>", f"</path><permissions>{permissions}</permissions>" if permissions else "</path>"
    )
    with opened(site.daemon) as connection:
        connection.storagePoolDefineXML(xml, 0)
    undefine = UndefinePool(site.pool)
    assert bool(undefine.inverse(site.host.inventory())) is undo
    [step] = site.host.plan(undefine)
    assert bool(step.warnings) is not undo
