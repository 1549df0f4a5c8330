"""A full disk is told by its name, and leaves nothing half-made."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import libvirt
import pytest

from kvmnb.errors import ActionFailed, KvmnbError, Refused
from kvmnb.planning import create_pool
from kvmnb.storage.action import Action
from kvmnb.storage.actions import (
    ConvertImage,
    CreateImage,
    CreateVolume,
    DeleteVolume,
    DownloadVolume,
    UploadVolume,
)
from tests.storage.builders import MIB, Site, opened
from tests.storage_devices import loop_device

_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")


class _Disk:
    """A file system of its own on a loop device, which we and the daemon both have mounted."""

    def __init__(self, site: Site, device: str) -> None:
        self.folder = site.folder / "small"
        self.folder.mkdir()
        self._device = device
        # What is mounted in one namespace is not seen in the other, so it is mounted in each.
        self._places = [["nsenter", f"--mount=/proc/{site.daemon.pid}/ns/mnt", "--"], []]
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", device], check=True)
        self._everywhere("mount", device, self.folder)

    def _everywhere(self, *command: str | Path) -> None:
        for place in self._places:
            subprocess.run([*place, *command], check=True)

    def freeze(self) -> None:
        """Let nobody make anything there."""
        self._everywhere("mount", "-o", "remount,bind,ro", self.folder)

    def end(self) -> None:
        """Unmount it."""
        self._everywhere("umount", self.folder)


@pytest.fixture
def disk(site: Site) -> Iterator[_Disk]:
    """Give a file system of 8 MiB."""
    with loop_device(site.daemon, 8 * MIB) as device:
        disk = _Disk(site, device)
        try:
            yield disk
        finally:
            with opened(site.daemon) as connection:
                for pool in connection.listAllStoragePools(libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE):
                    pool.destroy()
            disk.end()


@pytest.fixture
def small(disk: _Disk) -> Path:
    """Give its folder."""
    return disk.folder


@_ROOT
@pytest.mark.parametrize("how", [("raw", "falloc"), ("qcow2", "falloc")])
def test_a_full_disk_leaves_no_volume(site: Site, small: Path, how: tuple[str, str]) -> None:
    site.host.apply(create_pool(site.host, "small", target=str(small / "p")))
    plan = site.host.plan(CreateVolume("small", "v", 3 * MIB, *how))  # type: ignore[arg-type]
    assert not plan.problems
    facts = os.statvfs(small)
    (small / "filler").write_bytes(bytes(facts.f_bavail * facts.f_frsize - MIB))
    with pytest.raises(KvmnbError) as failure:
        site.host.apply(plan)
    assert "small" in str(failure.value)
    assert site.host.volumes().empty
    assert list((small / "p").iterdir()) == []


@_ROOT
def test_a_full_disk_ends_an_upload_with_its_cause(site: Site, small: Path) -> None:
    site.host.apply(create_pool(site.host, "small", target=str(small / "p")))
    site.host.apply(CreateVolume("small", "v", 16 * MIB, "raw"))
    file = site.folder / "file"
    file.write_bytes(os.urandom(12 * MIB))
    with pytest.raises(ActionFailed, match="No space left"):
        site.host.apply(UploadVolume("small", "v", str(file), "v"))
    assert site.host.volumes()["status"].tolist() == ["ok"]
    site.host.apply(DeleteVolume("small", "v", "v"))


@_ROOT
def test_a_full_disk_leaves_no_downloaded_file(site: Site, small: Path) -> None:
    site.running().raw("v", os.urandom(12 * MIB), 12 * MIB)
    with pytest.raises(ActionFailed, match="No space left"):
        site.host.apply(DownloadVolume(site.pool, "v", str(small / "copy")))
    assert [path.name for path in small.iterdir()] == ["lost+found"]


@_ROOT
@pytest.mark.parametrize("kind", ["convert", "create"])
def test_a_full_disk_leaves_no_half_image(site: Site, small: Path, kind: str) -> None:
    source = site.folder / "large.raw"
    source.write_bytes(os.urandom(6 * MIB))
    action: Action = ConvertImage(str(source), "raw", str(small / "copy"))
    if kind == "create":
        action = CreateImage(str(small / "copy"), 6 * MIB, options="preallocation=full")
    plan = site.host.plan(action)
    assert not plan.problems
    (small / "filler").write_bytes(bytes(4 * MIB))
    if kind == "create":  # what is to be taken at once is refused before it is tried
        with pytest.raises(Refused, match=r"has .* free, less than the 6 MiB"):
            site.host.apply(plan)
    else:
        with pytest.raises(ActionFailed, match="No space left"):
            site.host.apply(plan)
        assert any("free, less than" in str(p) for s in site.host.plan(action) for p in s.warnings)
    assert sorted(path.name for path in small.iterdir()) == ["filler", "lost+found"]
