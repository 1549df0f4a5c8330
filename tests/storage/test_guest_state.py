"""Defining guests from files that change or are odd; starting those whose memory was saved."""

from __future__ import annotations

from pathlib import Path

import pytest

from kvmnb.errors import ActionFailed, Refused
from kvmnb.storage.actions import DefineGuest, ShutOffGuest, StartGuest
from kvmnb.storage.streams import silent
from tests.storage.builders import Site, define_guest, guest_xml, opened, start_guest


def _define(folder: Path, content: bytes) -> DefineGuest:
    file = folder / "guest.xml"
    file.write_bytes(content)
    return DefineGuest("vm1", str(file))


def test_a_definition_that_is_no_utf_8_is_refused(site: Site, tmp_path: Path) -> None:
    text = guest_xml("vm1").replace("<os>", "<title>caf\xe9</title><os>")
    latin = f"<?xml version='1.0' encoding='iso-8859-1'?>{text}".encode("latin-1")
    with pytest.raises(Refused, match="cannot be read as XML in UTF-8"):
        site.host.apply(_define(tmp_path, latin))
    assert site.host.guests().empty
    site.host.apply(_define(tmp_path, text.encode()))
    assert site.host.guests()["name"].tolist() == ["vm1"]


def test_a_definition_that_is_too_large_is_refused(site: Site, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="larger than"):
        site.host.apply(_define(tmp_path, guest_xml("vm1").encode() + b" " * (1 << 20)))
    assert site.host.guests().empty


def test_a_file_that_changes_meanwhile_defines_no_other_guest(site: Site, tmp_path: Path) -> None:
    define_guest(site, "other")
    before = site.daemon.virsh("dumpxml", "other")
    action = _define(tmp_path, guest_xml("other").replace("16</memory>", "32</memory>").encode())
    with opened(site.daemon) as connection, pytest.raises(ValueError, match="defines a guest 'other'"):
        action.run(connection, silent)
    assert site.daemon.virsh("dumpxml", "other") == before


def test_a_start_that_uses_up_saved_memory_is_not_undone(site: Site) -> None:
    start_guest(site, "vm1")
    site.daemon.virsh("managedsave", "vm1")
    plan = site.host.plan([StartGuest("vm1")])
    assert ["no undo" in one.reason for one in plan[0].warnings] == [True]
    assert "virsh managedsave vm1" in plan[0].warnings[0].remedy
    done = site.host.apply(plan)
    assert site.host.undo(done).actions == ()
    site.host.apply(ShutOffGuest("vm1", confirm="vm1"))
    started = site.host.apply(StartGuest("vm1"))
    assert site.host.undo(started, confirm="vm1").actions == (ShutOffGuest("vm1", confirm="vm1"),)


def test_two_guests_of_one_disk_do_not_run_together(site: Site) -> None:
    """What QEMU's own lock refuses is told, and nothing is half started."""
    image = site.folder / "shared.raw"
    image.write_bytes(bytes(1 << 20))
    disk = (
        f"<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{image}'/>"
        "<target dev='vda' bus='virtio'/></disk>"
    )
    start_guest(site, "vm1", disk)
    define_guest(site, "vm2", disk)
    with pytest.raises(ActionFailed, match=r"(?s)vm2.*nothing was changed"):
        site.host.apply(StartGuest("vm2"))
    assert site.host.guests().set_index("name")["state"].to_dict() == {"vm1": "running", "vm2": "shut off"}
