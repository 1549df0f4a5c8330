"""Where it cannot be known whether a guest needs a volume, it is not touched."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kvmnb.storage.inventory import LiveReader
from kvmnb.storage.model import Guest, Pool, PoolSpec, refusals
from tests.storage.builders import (
    Site,
    define_guest,
    disk,
    file_disk,
    overlay,
    qemu_img,
)
from tests.storage.guarding import NAME, delete, refused


def test_disk_in_a_pool_that_does_not_run(site: Site) -> None:
    site.running().volume(NAME)
    folder = site.folder / "other"
    folder.mkdir()
    overlay(folder / "top.qcow2", site.target / NAME)
    site.daemon.virsh("pool-define-as", "other", "dir", "--target", str(folder))
    define_guest(site, "vm1", file_disk(folder / "top.qcow2"))
    refused(site, delete, "'vm1'", "as a backing store")
    define_guest(site, "vm1", disk("pool='other' volume='top.qcow2'", type="volume"))
    refused(site, delete, "cannot be known", "'vm1'", "'top.qcow2' of pool 'other'")


def test_missing_file_in_a_pool_that_does_not_run(site: Site) -> None:
    site.running().volume(NAME)
    site.daemon.virsh("pool-define-as", "other", "dir", "--target", str(site.folder / "other"))
    define_guest(site, "vm1", file_disk(site.folder / "other" / "top.qcow2"))
    refused(site, delete, "cannot be known", "'vm1'", "disk vda")


def test_chain_that_goes_in_a_circle(site: Site) -> None:
    site.running().volume(NAME)
    one, two = site.folder / "one.qcow2", site.folder / "two.qcow2"
    overlay(two, one)
    overlay(one, two)
    define_guest(site, "vm1", file_disk(one))
    refused(site, delete, "cannot be known", "'vm1'", "circle")


@pytest.mark.parametrize("format", ["qcow2", "vmdk"])
def test_disk_whose_header_cannot_be_read(site: Site, format: str) -> None:
    site.running().volume(NAME)
    broken = site.folder / "broken"
    broken.write_bytes(b"not an image")
    define_guest(site, "vm1", file_disk(broken, format))
    refused(site, delete, "cannot be known", "'vm1'", "disk vda")


def test_backing_store_that_is_no_path(site: Site) -> None:
    site.running().volume(NAME)
    top = site.folder / "top.qcow2"
    qemu_img("create", "-u", "-f", "qcow2", "-b", "nbd://127.0.0.1:1/x", "-F", "raw", top, "8M")
    define_guest(site, "vm1", file_disk(top))
    refused(site, delete, "cannot be known", "'vm1'", "disk vda")


def test_backing_store_written_as_json(site: Site) -> None:
    path = site.running().volume(NAME)
    top = site.folder / "top.qcow2"
    told = f'json:{{"driver":"qcow2","file":{{"driver":"file","filename":"{path}"}}}}'
    qemu_img("create", "-u", "-f", "qcow2", "-b", told, "-F", "qcow2", top, "8M")
    define_guest(site, "vm1", file_disk(top))
    refused(site, delete, "'vm1'", "disk vda")


def test_image_on_the_network_whose_chain_is_not_known(site: Site) -> None:
    site.running().volume(NAME)
    source = "protocol='nbd' name='x'><host name='127.0.0.1' port='1'/></source"
    network = disk(source, type="network").replace("/source/>", "/source>")
    define_guest(site, "vm1", network)
    refused(site, delete, "cannot be known", "'vm1'", "disk vda")


class _OneBrokenGuest(LiveReader):
    """Libvirt gives no guest that it cannot describe, so one is told of here."""

    def guests(self) -> tuple[Guest, ...]:
        return (Guest("vm1", state="unreadable", problem="out of memory"),)


def test_a_guest_that_cannot_be_read(site: Site) -> None:
    site.running().volume(NAME)
    seen = replace(site.host.inventory(), reader=_OneBrokenGuest(site.host._connection))
    [problem] = refusals(delete(site, NAME).problems(seen))
    assert "cannot be known" in problem.reason
    assert "guest 'vm1' could not be read: out of memory" in problem.reason


def test_a_pool_that_cannot_be_read(site: Site) -> None:
    site.running().volume(NAME)
    broken = Pool(PoolSpec("other", type=""), "unreadable", problem="out of memory")
    seen = site.host.inventory().assume_pool(broken)
    [problem] = refusals(delete(site, NAME).problems(seen))
    assert "pool 'other' could not be read: out of memory" in problem.reason
