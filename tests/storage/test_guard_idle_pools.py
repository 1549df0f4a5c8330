"""What lies in a pool that is not running is guarded too, or it is said that it was not looked at."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kvmnb.storage import usage
from kvmnb.storage.files import backing_file
from tests.storage.builders import Site, overlay, qemu_img
from tests.storage.guarding import DEEDS, NAME, delete, refused


def _idle(site: Site, folder: Path) -> Path:
    """Define a pool that is not running."""
    folder.mkdir(exist_ok=True)
    site.daemon.virsh("pool-define-as", "idle", "dir", "--target", str(folder))
    return folder


@DEEDS
def test_base_of_an_overlay_in_a_pool_that_is_not_running(site: Site, deed: object) -> None:
    assert callable(deed)
    path = site.running().volume(NAME)
    overlay(_idle(site, site.folder / "idle") / "top.qcow2", path)
    refused(site, deed, "is the backing store of 'top.qcow2' of pool 'idle'")


def test_base_that_is_named_relative_to_its_overlay(site: Site) -> None:
    site.running().volume(NAME)
    overlay(_idle(site, site.folder / "idle") / "top.qcow2", Path("..") / site.target.name / NAME)
    refused(site, delete, "'top.qcow2' of pool 'idle'")


def test_base_that_is_named_by_links(site: Site) -> None:
    path = site.running().volume(NAME)
    folder = _idle(site, site.folder / "idle")
    (folder / "soft").symlink_to(path)
    os.link(path, site.folder / "hard")
    overlay(folder / "one.qcow2", folder / "soft")
    overlay(folder / "two.qcow2", site.folder / "hard")
    refused(site, delete, "'one.qcow2' of pool 'idle'", "'two.qcow2' of pool 'idle'")


def test_base_that_is_named_in_json(site: Site) -> None:
    path = site.running().volume(NAME)
    told = f'json:{{"driver":"qcow2","file":{{"driver":"file","filename":"{path}"}}}}'
    top = _idle(site, site.folder / "idle") / "top.qcow2"
    qemu_img("create", "-u", "-f", "qcow2", "-b", told, "-F", "qcow2", top, "8M")
    refused(site, delete, "'top.qcow2' of pool 'idle'")


def test_data_of_an_image_in_a_pool_that_is_not_running(site: Site) -> None:
    data = site.running().target / "data.raw"
    top = _idle(site, site.folder / "idle") / "top.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", "-o", f"data_file={data}", top, "8M")
    site.refresh()
    refused(site, delete, "'top.qcow2' of pool 'idle'", name="data.raw")


def test_other_files_in_a_pool_that_is_not_running_hinder_nothing(site: Site) -> None:
    path = site.running().volume(NAME)
    other = site.volume("other.qcow2")
    folder = _idle(site, site.folder / "idle")
    overlay(folder / "top.qcow2", other)
    (folder / "text").write_bytes(b"QFI")
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    plan = site.host.plan(delete(site, NAME))
    assert not plan.steps[0].warnings
    site.host.apply(plan)
    assert not path.exists()


def test_a_pool_whose_folder_cannot_be_listed_is_warned_of(site: Site) -> None:
    path = site.running().volume(NAME)
    site.daemon.virsh("pool-define-as", "idle", "dir", "--target", str(site.folder / "absent"))
    plan = site.host.plan(delete(site, NAME))
    [warning] = plan.steps[0].warnings
    assert "'idle'" in str(warning)
    assert "overlays in it were not looked at" in str(warning)
    site.host.apply(plan)
    assert not path.exists()


def test_a_pool_of_devices_is_warned_of(site: Site) -> None:
    site.running().volume(NAME)
    site.daemon.virsh("pool-define-as", "idle", "logical", "--source-name", "vg0", "--target", "/dev/vg0")
    [warning] = site.host.plan(delete(site, NAME)).steps[0].warnings
    assert "'idle'" in str(warning)


def test_a_pool_with_too_many_files_is_warned_of(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.running().volume(NAME)
    folder = _idle(site, site.folder / "idle")
    for name in ("a", "b", "c"):
        (folder / name).touch()
    monkeypatch.setattr(usage, "MOST_FILES", 2)
    [warning] = site.host.plan(delete(site, NAME)).steps[0].warnings
    assert "more than 2 files" in str(warning)


@pytest.mark.parametrize(
    ("backing", "named"), [("/a/b", "/a/b"), ("b", "{}/b"), ("file:/a", "/a"), ("nbd://h/x", "nbd://h/x")]
)
def test_the_header_names_the_backing_store(tmp_path: Path, backing: str, named: str) -> None:
    top = tmp_path / "top.qcow2"
    qemu_img("create", "-u", "-f", "qcow2", "-b", backing, "-F", "raw", top, "8M")
    assert backing_file(str(top)) == named.format(tmp_path)


def test_no_header_names_nothing(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(bytes(100))
    (tmp_path / "broken").write_bytes(b"QFI\xfb\0\0\0\3" + b"\xff" * 20)
    qemu_img("create", "-q", "-f", "qcow2", tmp_path / "alone", "8M")
    for name in ("plain", "broken", "alone", "absent", "."):
        assert backing_file(str(tmp_path / name)) is None
