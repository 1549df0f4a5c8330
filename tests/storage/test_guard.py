"""Nothing that a guest needs, through whatever chain, is deleted, wiped or written over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kvmnb.errors import Refused
from kvmnb.storage.action import Action
from kvmnb.storage.actions import ResizeVolume
from tests.storage.builders import (
    MIB,
    Site,
    define_guest,
    digest,
    disk,
    file_disk,
    guest_xml,
    opened,
    overlay,
    start_guest,
)
from tests.storage.guarding import DEEDS, NAME, delete, refused


@DEEDS
def test_disk_of_a_guest_that_is_shut_off(site: Site, deed: Callable[[Site, str], Action]) -> None:
    path = site.running().volume(NAME)
    define_guest(site, "vm1", file_disk(path, target="vdb"))
    refused(site, deed, "'vm1'", "disk vdb", "shut off")


@DEEDS
def test_disk_of_a_running_guest(site: Site, deed: Callable[[Site, str], Action]) -> None:
    path = site.running().volume(NAME)
    start_guest(site, "vm1", file_disk(path))
    refused(site, deed, "'vm1'", "disk vda", "running")


@DEEDS
def test_disk_that_names_pool_and_volume(site: Site, deed: Callable[[Site, str], Action]) -> None:
    site.running().volume(NAME)
    define_guest(site, "vm1", disk(f"pool='{site.pool}' volume='{NAME}'", type="volume"))
    refused(site, deed, "'vm1'", "disk vda")


@DEEDS
def test_disk_that_takes_the_file_as_a_block_device(site: Site, deed: Callable[[Site, str], Action]) -> None:
    path = site.running().volume(NAME, format="raw")
    define_guest(site, "vm1", disk(f"dev='{path}'", type="block", format="raw"))
    refused(site, deed, "'vm1'", "disk vda")


@DEEDS
def test_disk_through_a_link(site: Site, deed: Callable[[Site, str], Action]) -> None:
    path = site.running().volume(NAME)
    (site.folder / "link").symlink_to(site.target)
    (site.folder / "second").symlink_to(site.folder / "link" / path.name)
    define_guest(site, "vm1", file_disk(site.folder / "second"))
    refused(site, deed, "'vm1'", "disk vda")


@DEEDS
def test_bottom_of_a_chain_of_three(site: Site, deed: Callable[[Site, str], Action]) -> None:
    site.running().volume(NAME)
    site.volume("middle.qcow2", backing=NAME)
    top = site.volume("top.qcow2", backing="middle.qcow2")
    define_guest(site, "vm1", file_disk(top))
    refused(site, deed, "'vm1'", "disk vda", "as a backing store", "'middle.qcow2'")
    refused(site, deed, "'vm1'", "'top.qcow2'", name="middle.qcow2")


@DEEDS
def test_overlay_without_a_guest(site: Site, deed: Callable[[Site, str], Action]) -> None:
    site.running().volume(NAME)
    site.volume("top.qcow2", backing=NAME)
    refused(site, deed, "backing store of 'top.qcow2' of pool 'vm disk'")


@DEEDS
def test_disk_outside_of_all_pools_that_lies_on_it(site: Site, deed: Callable[[Site, str], Action]) -> None:
    path = site.running().volume(NAME)
    define_guest(site, "vm1", file_disk(overlay(site.folder / "outside.qcow2", path)))
    refused(site, deed, "'vm1'", "disk vda", "as a backing store")


def test_a_relative_backing_path_is_followed(site: Site) -> None:
    site.running().volume(NAME)
    (site.folder / "below").mkdir()
    outside = site.folder / "below" / "outside.qcow2"
    overlay(outside, Path("..") / site.target.name / NAME)
    define_guest(site, "vm1", file_disk(outside))
    refused(site, delete, "'vm1'", "disk vda", "as a backing store")


def test_two_siblings_are_both_named(site: Site) -> None:
    site.running().volume(NAME)
    for name in ("one", "two"):
        define_guest(site, f"vm-{name}", file_disk(site.volume(f"{name}.qcow2", backing=NAME)))
    refused(site, delete, "'vm-one'", "'vm-two'", "'one.qcow2'", "'two.qcow2'")


@pytest.mark.parametrize("role", ["kernel", "initrd", "dtb"])
def test_file_that_a_guest_boots_from(site: Site, role: str) -> None:
    path = site.running().volume("vmlinuz", format="raw")
    kernel = "" if role == "kernel" else "<kernel>/boot/vmlinuz</kernel>"
    define_guest(site, "vm1", os=f"{kernel}<{role}>{path}</{role}>")
    refused(site, delete, "'vm1'", role, name="vmlinuz")


def test_firmware_variables(site: Site) -> None:
    code = site.running().volume("code.fd", format="raw")
    variables = site.volume("vars.fd", format="raw")
    loader = f"<loader readonly='yes' type='pflash'>{code}</loader><nvram>{variables}</nvram>"
    define_guest(site, "vm1", os=loader)
    refused(site, delete, "'vm1'", "loader", name="code.fd")
    refused(site, delete, "'vm1'", "nvram", name="vars.fd")


def test_file_behind_persistent_memory(site: Site) -> None:
    path = site.running().volume("memory.raw", format="raw")
    memory = (
        f"<memory model='nvdimm'><source><path>{path}</path></source><target><size unit='MiB'>128</size>"
        "<node>0</node><label><size unit='KiB'>128</size></label></target></memory>"
    )
    plain = guest_xml("vm1", memory)
    room = "<maxMemory slots='4' unit='MiB'>2048</maxMemory><memory unit='MiB'>512</memory>"
    cells = "<cpu><numa><cell id='0' cpus='0' memory='512' unit='MiB'/></numa></cpu><devices>"
    with opened(site.daemon) as connection:
        connection.defineXML(
            plain.replace("<memory unit='MiB'>16</memory>", room).replace("<devices>", cells)
        )
    refused(site, delete, "'vm1'", "memory", name="memory.raw")


def test_disk_for_the_next_boot_alone(site: Site) -> None:
    now = site.running().volume("now.qcow2")
    later = site.volume(NAME)
    start_guest(site, "vm1", file_disk(now))
    define_guest(site, "vm1", file_disk(later, target="vdc"))
    refused(site, delete, "'vm1'", "disk vdc of next boot")
    refused(site, delete, "'vm1'", "disk vda", name="now.qcow2")


def test_disk_of_now_that_the_next_boot_has_no_more(site: Site) -> None:
    path = site.running().volume(NAME)
    start_guest(site, "vm1", file_disk(path))
    define_guest(site, "vm1")
    refused(site, delete, "'vm1'", "disk vda")


def test_disk_of_a_transient_guest(site: Site) -> None:
    path = site.running().volume(NAME)
    start_guest(site, "vm1", file_disk(path))
    site.daemon.virsh("undefine", "vm1")
    refused(site, delete, "'vm1'", "disk vda")


def test_old_file_of_an_external_snapshot(site: Site) -> None:
    path = site.running().volume(NAME)
    start_guest(site, "vm1", file_disk(path))
    new = site.folder / "outside.qcow2"
    site.daemon.virsh("snapshot-create-as", "vm1", "s1", "--disk-only", "--diskspec", f"vda,file={new}")
    refused(site, delete, "'vm1'", "disk vda")
    site.daemon.virsh("snapshot-delete", "vm1", "s1", "--metadata")
    site.daemon.virsh("destroy", "vm1")
    refused(site, delete, "'vm1'", "as a backing store")


def test_file_that_only_a_snapshot_needs(site: Site) -> None:
    path = site.running().volume(NAME)
    define_guest(site, "vm1", file_disk(path))
    new = site.folder / "outside.qcow2"
    site.daemon.virsh("snapshot-create-as", "vm1", "s1", "--disk-only", "--diskspec", f"vda,file={new}")
    define_guest(site, "vm1")
    refused(site, delete, "'vm1'", "snapshot s1")


def test_raw_disk_on_the_network_hides_nothing(site: Site) -> None:
    path = site.running().volume(NAME)
    source = "protocol='nbd' name='x'><host name='127.0.0.1' port='1'/></source"
    define_guest(site, "vm1", disk(source, type="network", format="raw").replace("/source/>", "/source>"))
    site.host.apply(delete(site, NAME))
    assert not path.exists()


def test_raw_disk_cannot_claim_a_backing_store(site: Site) -> None:
    """A guest may write a qcow2 header into its raw disk; what it claims is not believed."""
    path = site.running().volume(NAME)
    define_guest(site, "vm1", file_disk(overlay(site.folder / "liar", path), "raw"))
    [row] = site.host.disks().to_dict("records")
    assert row["chain"] == ()
    site.host.apply(delete(site, NAME))
    assert not path.exists()


def test_a_guest_that_is_gone_needs_nothing(site: Site) -> None:
    path = site.running().volume(NAME)
    define_guest(site, "vm1", file_disk(path))
    refused(site, delete, "'vm1'")
    site.daemon.virsh("undefine", "vm1")
    site.host.apply(delete(site, NAME))
    assert not path.exists()


def test_shrinking_under_overlays(site: Site) -> None:
    site.running().volume(NAME)
    site.volume("top.qcow2", backing=NAME)
    refused(site, lambda s, name: ResizeVolume(s.pool, name, MIB, shrink=True), "'top.qcow2'")


@pytest.mark.parametrize("size", [MIB, 64 * MIB])
def test_resizing_under_a_running_guest(site: Site, size: int) -> None:
    start_guest(site, "vm1", file_disk(site.running().volume(NAME)))
    refused(site, lambda s, name: ResizeVolume(s.pool, name, size, shrink=size == MIB), "'vm1'", "disk vda")


@pytest.mark.parametrize("word", ["", "Base.qcow2", " base.qcow2"])
@DEEDS
def test_without_the_word(site: Site, deed: Callable[[Site, str], Action], word: str) -> None:
    site.running().volume(NAME)

    def meek(site: Site, name: str) -> Action:
        action = deed(site, name)
        object.__setattr__(action, "confirm", word)
        return action

    refused(site, meek, "cannot be undone", "confirm='base.qcow2'")


def test_shrinking_without_the_word(site: Site) -> None:
    site.running().volume(NAME)
    refused(site, lambda s, name: ResizeVolume(s.pool, name, MIB), "shrink=True")


def test_a_guest_that_comes_between_plan_and_act(site: Site) -> None:
    path = site.running().volume(NAME)
    plan = site.host.plan(delete(site, NAME))
    assert not plan.problems
    define_guest(site, "late", file_disk(path))
    before = digest(path)
    with pytest.raises(Refused, match="'late'"):
        site.host.apply(plan)
    assert digest(path) == before


def test_what_a_suspended_guest_was_saved_with(site: Site) -> None:
    path = site.running().volume(NAME)
    start_guest(site, "vm1", file_disk(path))
    site.daemon.virsh("managedsave", "vm1")
    define_guest(site, "vm1")
    refused(site, delete, "'vm1'", "disk vda of saved state")


def test_a_disk_of_a_guest_with_its_memory_saved_keeps_its_size(site: Site) -> None:
    path = site.running().volume(NAME)
    start_guest(site, "vm1", file_disk(path))
    site.daemon.virsh("managedsave", "vm1")
    refused(site, lambda s, name: ResizeVolume(s.pool, name, 64 * MIB), "'vm1'", "memory saved")
