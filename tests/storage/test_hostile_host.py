"""What a host may bring along, however odd, is shown, and stands in the way of nothing else."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from kvmnb.storage.actions import DeleteVolume
from kvmnb.storage.model import FILE_GONE
from tests.storage.builders import Site, define_guest, file_disk, overlay, qemu_img


def _put(site: Site, name: bytes, content: bytes = b"x") -> None:
    Path(os.fsdecode(os.fsencode(site.target) + b"/" + name)).write_bytes(content)


def test_a_name_that_is_not_utf8_is_a_row_with_its_reason(site: Site) -> None:
    site.running().volume("plain.qcow2")
    _put(site, b"Fran\xe7ais <&]]>.iso")
    site.refresh()

    frame = site.host.volumes().set_index("name")

    assert set(frame.index) == {"plain.qcow2", r"Fran\xe7ais <&]]>.iso"}
    assert frame["status"].to_dict() == {"plain.qcow2": "ok", r"Fran\xe7ais <&]]>.iso": "unreadable"}
    assert "not UTF-8" in str(frame.loc[r"Fran\xe7ais <&]]>.iso", "problem"])
    assert frame.loc[r"Fran\xe7ais <&]]>.iso", "physical"] == 1


def test_a_name_that_is_not_utf8_does_not_stop_other_volumes_from_being_deleted(site: Site) -> None:
    path = site.running().volume("plain.qcow2")
    _put(site, b"\xff")
    site.refresh()
    site.host.apply(DeleteVolume(site.pool, "plain.qcow2", confirm="plain.qcow2"))
    assert not path.exists()


def test_a_header_that_is_not_utf8_is_a_row_with_its_reason(site: Site) -> None:
    base = site.running().volume("base.qcow2")
    hostile = overlay(site.target / "hostile.qcow2", base)
    image = hostile.read_bytes()
    hostile.write_bytes(image.replace(b"base.qcow2", b"\xff\x01<&]]>\n2"))
    site.refresh()

    frame = site.host.volumes().set_index("name")

    assert frame.loc["hostile.qcow2", "status"] == "unreadable"
    assert frame.loc["hostile.qcow2", "format"] == "qcow2"
    assert not frame.loc["hostile.qcow2", "chain_known"]
    assert frame.loc["base.qcow2", "status"] == "ok"


def test_a_file_that_is_gone_and_whose_name_is_not_utf8_is_a_row(site: Site) -> None:
    site.running().volume("kept.qcow2")
    _put(site, b"\xff\xe7.raw")
    site.refresh()
    Path(os.fsdecode(os.fsencode(site.target) + b"/\xff\xe7.raw")).unlink()
    frame = site.host.volumes().set_index("name")
    assert frame["status"].to_dict() == {r"\xff\xe7.raw": "unreadable", "kept.qcow2": "ok"}
    assert frame.loc[r"\xff\xe7.raw", "problem"] == FILE_GONE
    assert frame.loc[r"\xff\xe7.raw", "path"] == rf"{site.target}/\xff\xe7.raw"
    usage = site.host.usage(inside=False).set_index("volume")
    assert usage["allocation"].isna()[r"\xff\xe7.raw"]


def test_a_file_that_is_gone_is_a_row_with_its_reason(site: Site) -> None:
    site.running().volume("kept.qcow2")
    site.volume("gone.qcow2").unlink()
    frame = site.host.volumes().set_index("name")
    assert frame["status"].to_dict() == {"gone.qcow2": "unreadable", "kept.qcow2": "ok"}
    assert frame.loc["gone.qcow2", "problem"]
    assert frame.loc["gone.qcow2", ["capacity", "allocation", "physical"]].isna().all()


def test_a_volume_whose_file_is_gone_can_be_deleted_and_stands_in_the_way_of_no_other(site: Site) -> None:
    site.running().volume("kept.qcow2")
    site.volume("gone.qcow2").unlink()
    define_guest(site, "vm1", file_disk(site.target / "gone.qcow2"))
    site.host.apply(DeleteVolume(site.pool, "kept.qcow2", confirm="kept.qcow2"))
    site.daemon.virsh("undefine", "vm1")
    site.host.apply(DeleteVolume(site.pool, "gone.qcow2", confirm="gone.qcow2"))
    assert site.host.volumes().empty
    assert site.host.pools()["volumes"].tolist() == [0]


def test_a_folder_that_is_gone_leaves_rows(site: Site) -> None:
    site.running().volume("a.qcow2")
    shutil.rmtree(site.target)
    [row] = site.host.volumes().to_dict("records")
    assert (row["name"], row["status"]) == ("a.qcow2", "unreadable")
    assert site.host.pools()["status"].tolist() == ["ok"]


def test_an_image_that_claims_to_be_its_own_base_is_a_row(site: Site) -> None:
    path = site.running().volume("loop.qcow2")
    qemu_img("rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b", path, path)
    site.refresh()
    [row] = site.host.volumes().to_dict("records")
    assert not row["chain_known"]
    assert "circle" in row["problem"]


def test_a_closed_host_opens_again(site: Site) -> None:
    site.running()
    site.host.close()
    assert site.host.pools()["name"].tolist() == [site.pool]
    site.host.close()
    site.host.close()
