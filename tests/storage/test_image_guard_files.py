"""What lies on an image is found whatever its format and name, and a saved guest is not deceived."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

import kvmnb
from kvmnb.storage import guards
from kvmnb.storage.action import Action
from tests.storage.builders import MIB, Site, define_guest, file_disk, overlay, qemu_img, start_guest
from tests.storage.image_cases import made


def _said(site: Site, action: Action) -> str:
    return " ".join(map(str, site.host.plan(action).problems))


def _delete(path: Path) -> Action:
    return kvmnb.DeleteImage(str(path), confirm=path.name)


def _shrink(path: Path) -> Action:
    return kvmnb.ResizeImage(str(path), "qcow2", 4 * MIB, shrink=True)


def _go_back(path: Path) -> Action:
    return kvmnb.ApplySnapshot(str(path), "one", confirm="one")


@pytest.mark.parametrize("format", ["qcow2", "qcow", "qed", "vmdk"])
def test_an_overlay_of_any_format_beside_it_is_named(site: Site, format: str) -> None:
    kind = "vmdk" if format == "vmdk" else "qcow2"
    base = made(site.folder / "base.img", kind)
    qemu_img("create", "-f", format, "-b", base, "-F", kind, site.folder / "top")
    assert "lies below" in _said(site, _delete(base))


def test_an_overlay_that_names_it_within_json_is_named(site: Site) -> None:
    base = made(site.folder / "base.img")
    named = {"driver": "qcow2", "file": {"driver": "file", "filename": str(base)}}
    overlay(site.folder / "top", Path(f"json:{json.dumps(named)}"))
    assert "lies below" in _said(site, _delete(base))


def test_the_data_of_a_flat_vmdk_is_kept_while_its_descriptor_is_there(site: Site) -> None:
    site.running()
    qemu_img("create", "-f", "vmdk", "-o", "subformat=monolithicFlat", site.target / "a.vmdk", "8M")
    site.refresh()
    define_guest(site, "vm1", file_disk(site.target / "a.vmdk", "vmdk"))
    assert "lies below" in _said(site, _delete(site.target / "a-flat.vmdk"))
    volume = kvmnb.DeleteVolume(site.pool, "a-flat.vmdk", confirm="a-flat.vmdk")
    assert "lies below" in _said(site, volume)


def test_an_overlay_that_its_pool_has_not_seen_yet_guards_the_volume(site: Site) -> None:
    site.running().volume("base.qcow2")
    overlay(site.target / "top", site.target / "base.qcow2")
    delete = kvmnb.DeleteVolume(site.pool, "base.qcow2", confirm="base.qcow2")
    assert "lies below" in _said(site, delete)
    (site.target / "top").unlink()
    assert _said(site, delete) == ""


@pytest.mark.parametrize("link", [os.symlink, os.link])
@pytest.mark.parametrize("deed", [_shrink, _go_back])
def test_another_name_in_another_folder_is_no_way_around(
    site: Site, deed: Callable[[Path], Action], link: Callable[[Path, Path], None]
) -> None:
    (site.folder / "images").mkdir()
    base = made(site.folder / "images" / "base.img")
    if deed is _go_back:
        qemu_img("snapshot", "-c", "one", base)
    other = site.folder / "other.img"
    link(base, other)
    overlay(site.folder / "images" / "top", Path("base.img"))
    said = _said(site, deed(other))
    assert ("lies below" if link is os.symlink else "hard links in other folders") in said


def test_a_hard_link_to_the_base_of_a_volume_is_no_way_around(site: Site) -> None:
    site.running()
    base = made(site.target / "base.img")
    qemu_img("snapshot", "-c", "one", base)
    (site.folder / "other.img").hardlink_to(base)
    overlay(site.target / "top", base)
    site.refresh()
    said = _said(site, _go_back(site.folder / "other.img"))
    assert "is the backing store of 'top' of pool 'vm disk'" in said


def test_names_that_are_all_known_are_no_reason_to_refuse(site: Site) -> None:
    base = made(site.folder / "base.img")
    (site.folder / "same.img").hardlink_to(base)
    assert _said(site, _shrink(base)) == ""


def test_a_folder_with_too_many_files_is_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "MOST_FILES", 2)  # making 5,000 files would only take longer
    base = made(site.folder / "base.img")
    for name in ("f1", "f2", "zz"):
        (site.folder / name).touch()
    (step,) = site.host.plan(_delete(base))
    assert any("not all of which were looked at" in str(warning) for warning in step.warnings)


@pytest.mark.parametrize("deed", [_shrink, _go_back])
def test_a_guest_with_its_memory_saved_keeps_its_disk(site: Site, deed: Callable[[Path], Action]) -> None:
    path = made(site.folder / "vm1.img")
    if deed is _go_back:
        qemu_img("snapshot", "-c", "one", path)
    start_guest(site, "vm1", file_disk(path))
    site.daemon.virsh("managedsave", "vm1")
    assert "Guest 'vm1' has its memory saved" in _said(site, deed(path))
    site.daemon.virsh("managedsave-remove", "vm1")
    assert _said(site, deed(path)) == ""


@pytest.mark.parametrize("deed", [_shrink, _go_back])
def test_the_base_of_a_guest_that_is_off_is_kept_wherever_its_disk_lies(
    site: Site, deed: Callable[[Path], Action]
) -> None:
    base = made(site.folder / "base.img")
    if deed is _go_back:
        qemu_img("snapshot", "-c", "one", base)
    (site.folder / "elsewhere").mkdir()
    define_guest(site, "vm1", file_disk(overlay(site.folder / "elsewhere" / "top", base)))
    assert "is needed by guest 'vm1' (disk vda, shut off, as a backing store)" in _said(site, deed(base))


def test_a_snapshot_of_libvirt_s_is_left_to_libvirt(site: Site) -> None:
    path = made(site.folder / "vm1.img")
    define_guest(site, "vm1", file_disk(path))
    site.daemon.virsh("snapshot-create-as", "vm1", "whole")
    qemu_img("snapshot", "-c", "one", path)
    for action in (kvmnb.DeleteSnapshot, kvmnb.ApplySnapshot):
        assert "'whole' is part of one" in _said(site, action(str(path), "whole", confirm="whole"))
        (step,) = site.host.plan(action(str(path), "one", confirm="one"))
        assert (step.refused, ["'one' may be part of one" in str(w) for w in step.warnings]) == ((), [True])


def test_the_files_that_a_deletion_leaves_are_named(site: Site) -> None:
    path = site.folder / "a.vmdk"
    qemu_img("create", "-f", "vmdk", "-o", "subformat=twoGbMaxExtentSparse", path, "8M")
    (step,) = site.host.plan(_delete(path))
    (warning,) = step.warnings
    assert f"'{site.folder / 'a-s001.vmdk'}', which stays" in str(warning)


def _copy(path: Path) -> Action:
    return kvmnb.ConvertImage(str(path), "qcow2", f"{path}.copy")


def _lie_on(path: Path) -> Action:
    return kvmnb.CreateImage(f"{path}.top", 8 * MIB, backing_path=str(path), backing_format="qcow2")


def _grow(path: Path) -> Action:
    return kvmnb.ResizeImage(str(path), "qcow2", 16 * MIB)


@pytest.mark.parametrize("deed", [_copy, _lie_on, _grow])
def test_what_a_guest_writes_to_below_is_found_before(site: Site, deed: Callable[[Path], Action]) -> None:
    base = made(site.folder / "base.img")
    top = overlay(site.folder / "top", base)
    start_guest(site, "vm1", file_disk(base))
    assert f"lies on '{base}', which is open in guest 'vm1'" in _said(site, deed(top))


@pytest.mark.parametrize("deed", [_copy, _lie_on, _grow])
def test_what_is_missing_below_is_found_before(site: Site, deed: Callable[[Path], Action]) -> None:
    base = made(site.folder / "base.img")
    top = overlay(site.folder / "top", base)
    base.unlink()
    assert f"lies on '{base}', which is not there" in _said(site, deed(top))


@pytest.mark.parametrize(("format", "below"), [("vmdk", "qcow2"), ("qcow", "qcow2"), ("qed", "qcow2")])
def test_no_overlay_is_made_whose_base_qemu_would_refuse_or_guess(
    site: Site, format: str, below: str
) -> None:
    base = made(site.folder / "base.img", below)
    action = kvmnb.CreateImage(
        str(site.folder / "top"), 8 * MIB, format, backing_path=str(base), backing_format=below
    )
    assert "choose qcow2" in _said(site, action).lower()


def test_a_link_to_nothing_is_neither_free_nor_gone(site: Site) -> None:
    link = site.folder / "new.img"
    link.symlink_to(site.folder / "absent")
    assert "Something lies at" in _said(site, kvmnb.CreateImage(str(link), MIB))
    assert "is a link" in _said(site, _delete(link))


@pytest.mark.parametrize("where", ["folder", "pool"])
def test_a_plan_may_remove_an_overlay_and_then_its_base(site: Site, where: str) -> None:
    site.running()
    folder = site.target if where == "pool" else site.folder
    base = made(folder / "base.img")
    top = overlay(folder / "top", base)
    site.refresh()
    plan = site.host.plan(_delete(top), _delete(base))
    assert plan.problems == ()
    assert site.host.apply(plan)["verified"].all()
    assert not base.exists()


def test_a_plan_that_makes_an_overlay_may_not_remove_its_base(site: Site) -> None:
    base = made(site.folder / "base.img")
    lie = kvmnb.CreateImage(str(site.folder / "top"), 8 * MIB, backing_path=str(base), backing_format="qcow2")
    plan = site.host.plan(lie, _delete(base))
    assert "lies below" in str(plan.problems[0])


def test_what_a_step_before_removes_is_said_to_be_gone_and_nothing_else(site: Site) -> None:
    path = made(site.folder / "a.qcow2")
    (problem,) = site.host.plan(_delete(path), _grow(path)).problems
    assert "There is nothing at" in str(problem)
