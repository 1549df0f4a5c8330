"""On a file system where nothing else lies, what no volume explains is known to the byte."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.storage.builders import MIB, Site, define_guest, file_disk, qemu_img
from tests.storage_devices import loop_device
from tests.usage.hosts import rows

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")


@pytest.fixture
def folder(site: Site) -> Iterator[Path]:
    """Give a file system of 64 MiB, which we and the daemon both have mounted."""
    place = site.folder / "small"
    place.mkdir()
    with loop_device(site.daemon, 64 * MIB) as device:
        subprocess.run(["mkfs.ext4", "-q", "-m", "5", device], check=True)
        # What is mounted in one namespace is not seen in the other, so it is mounted in each.
        namespaces: list[list[str]] = [["nsenter", f"--mount=/proc/{site.daemon.pid}/ns/mnt", "--"], []]
        mounted: list[list[str]] = []
        try:
            for namespace in namespaces:
                subprocess.run([*namespace, "mount", device, place], check=True)
                mounted.append(namespace)
            yield place
        finally:
            for namespace in mounted:
                subprocess.run([*namespace, "umount", "--lazy", place], check=True)


def _pool(site: Site, name: str, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    site.daemon.virsh("pool-define-as", name, "dir", "--target", str(folder))
    site.daemon.virsh("pool-start", name)


def _rest(site: Site, *names: str) -> dict[object, dict[str, object]]:
    """Have the pools read anew what all take, and give what no volume of theirs explains."""
    os.sync()
    for name in names:
        site.daemon.virsh("pool-refresh", name)
    return rows(site.host.usage(inside=False), "pool", "role")


def _du(*paths: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in paths)


def test_what_no_volume_explains(site: Site, folder: Path) -> None:
    _pool(site, "a", folder / "a")
    before = _rest(site, "a")["a", "unexplained"]["allocation"]
    assert isinstance(before, int)
    hidden, raw, top = folder / "a" / "inner" / "file", folder / "a" / "raw.img", folder / "a" / "top.qcow2"
    hidden.parent.mkdir()
    hidden.write_bytes(b"h" * 3 * MIB)
    raw.write_bytes(b"r" * 5 * MIB)
    qemu_img("create", "-f", "qcow2", "-b", raw, "-F", "raw", top, "100M")
    after = _rest(site, "a")["a", "unexplained"]
    assert after["allocation"] == before + _du(hidden, hidden.parent)  # of a folder libvirt says 0
    assert after["problem"] is None
    folded = rows(site.host.usage(inside=False), "volume")["inner"]
    assert (folded["allocation"], folded["promised"]) == (0, 0)


def test_two_pools_of_one_file_system(site: Site, folder: Path) -> None:
    for name in ("a", "b"):
        _pool(site, name, folder / name)
    before = _rest(site, "a", "b")["b", "unexplained"]["allocation"]
    first, second, third = folder / "a" / "1.img", folder / "b" / "2.img", folder / "3.img"
    for path, size in ((first, 2), (second, 4), (third, 7)):
        path.write_bytes(b"x" * size * MIB)
    os.link(first, folder / "b" / "again.img")
    define_guest(site, "vm1", file_disk(third, "raw"))
    told = _rest(site, "a", "b")
    assert told["a", "unexplained"]["allocation"] == told["b", "unexplained"]["allocation"] == before
    assert told["a", "elsewhere"]["allocation"] == _du(second, third)
    assert told["b", "elsewhere"]["allocation"] == _du(first, third)
    assert {row["storage"] for row in told.values()} == {"a"}


def test_what_a_link_leads_to_is_counted_where_it_lies(site: Site, folder: Path) -> None:
    site.running()
    _pool(site, "a", folder / "a")
    before = _rest(site, "a", site.pool)["a", "unexplained"]["allocation"]
    listed, other = folder / "a" / "1.img", folder / "2.qcow2"
    listed.write_bytes(b"x" * 5 * MIB)
    qemu_img("create", "-f", "qcow2", other, "80M")
    for path in (listed, other):
        (site.target / f"to {path.name}").symlink_to(path)
    told = _rest(site, "a", site.pool)
    assert told["a", "unexplained"]["allocation"] == before
    assert told["a", "elsewhere"]["allocation"] == _du(other)
    frame = site.host.usage(inside=False)
    links = rows(frame[frame["pool"] == site.pool], "volume")
    for path in (listed, other):
        link = links[f"to {path.name}"]
        assert (link["storage"], link["counted_at"], link["allocation"]) == ("a", str(path), _du(path))
        assert "it is a link to what is not on its pool's storage" in str(link["problem"])
    assert frame.loc[frame["path"] == str(other), "counted_at"].isna().sum() == 1
    promised = rows(site.host.overcommit(), "pool")
    assert (promised[site.pool]["promised"], promised[site.pool]["volumes"]) == (0, 0)
    available = promised["a"]["available"]
    assert isinstance(available, int)
    assert promised["a"]["shortfall"] == 80 * MIB - _du(other) - available


def test_a_figure_that_is_old_is_said_to_be(site: Site, folder: Path) -> None:
    _pool(site, "a", folder / "a")
    path = folder / "a" / "v.img"
    path.write_bytes(b"")
    _rest(site, "a")
    path.write_bytes(b"x" * 20 * MIB)
    os.sync()
    row = rows(site.host.usage(inside=False), "pool", "role")["a", "unexplained"]
    assert isinstance(row["allocation"], int)
    assert row["allocation"] < 0
    assert "the volumes take more than the pool's own figure says" in str(row["problem"])
    assert "of its file system are taken now" in str(row["problem"])
    (told,) = site.host.overcommit().to_dict("records")
    assert "the pool's own figure is of its last refresh" in told["problem"]


def test_thin_volumes_that_do_not_fit(site: Site, folder: Path) -> None:
    _pool(site, "a", folder / "a")
    qemu_img("create", "-f", "qcow2", folder / "a" / "thin.qcow2", "80M")
    qemu_img("create", "-f", "raw", folder / "a" / "small.img", "1M")
    _rest(site, "a")
    (told,) = site.host.overcommit().to_dict("records")
    info = site.daemon.virsh("pool-info", "--bytes", "a")
    available = int(info.partition("Available:")[2].split()[0])
    growth = 81 * MIB - _du(folder / "a" / "thin.qcow2", folder / "a" / "small.img")
    assert (told["promised"], told["growth"], told["volumes"]) == (81 * MIB, growth, 2)
    assert (told["available"], told["shortfall"]) == (available, growth - available)
    assert told["fills_alone"] == ("thin.qcow2",)
    assert told["ratio"] == 81 * MIB / told["capacity"]
    assert told["headroom"] == available / growth
    assert "are kept for root" in told["problem"]
