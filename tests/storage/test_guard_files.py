"""A volume is guarded under every name of its file, and as the data of an image that says so."""

from __future__ import annotations

import os
import subprocess

from kvmnb.storage.actions import DeleteVolume
from tests.storage.builders import Site, define_guest, file_disk, overlay, qemu_img
from tests.storage.guarding import DEEDS, NAME, delete, refused, wipe


def test_guest_that_knows_the_file_by_a_hard_link(site: Site) -> None:
    path = site.running().volume(NAME)
    alias = site.folder / "alias.qcow2"
    os.link(path, alias)
    define_guest(site, "vm1", file_disk(alias))
    refused(site, wipe, "'vm1'", "disk vda")


@DEEDS
def test_external_data_file_of_a_guests_image(site: Site, deed: object) -> None:
    assert callable(deed)
    data, top = site.running().target / "data.raw", site.target / "top.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", "-o", f"data_file={data},data_file_raw=on", top, "8M")
    site.refresh()
    define_guest(site, "vm1", file_disk(top))
    refused(site, deed, "'vm1'", "disk vda", name="data.raw")


def test_external_data_file_of_an_image_without_a_guest(site: Site) -> None:
    data, top = site.running().target / "data.raw", site.target / "top.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", "-o", f"data_file={data}", top, "8M")
    site.refresh()
    refused(site, delete, "holds the data of", "'top.qcow2'", name="data.raw")


def test_external_data_file_that_is_named_relative_to_its_image(site: Site) -> None:
    top = site.running().target / "top.qcow2"
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-o", "data_file=data.raw", top.name, "8M"],
        check=True,
        cwd=site.target,
    )
    site.refresh()
    define_guest(site, "vm1", file_disk(top))
    refused(site, delete, "'vm1'", name="data.raw")


def test_external_data_file_whose_name_cannot_be_read(site: Site) -> None:
    site.running().volume(NAME)
    top = site.target / "top.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", "-o", f"data_file={site.target / 'data.raw'}", top, "8M")
    image = bytearray(top.read_bytes())
    image[72] |= 0x10  # a feature that no QEMU knows, beside that of the external data file
    top.write_bytes(image)
    site.refresh()
    define_guest(site, "vm1", file_disk(top))
    refused(site, delete, "cannot be known", "'vm1'", "its data in another file")


def test_header_that_breaks_libvirts_xml_is_a_row_and_hinders_nothing_else(site: Site) -> None:
    base = site.running().volume("base.qcow2")
    plain = site.volume("plain.qcow2")
    hostile = overlay(site.target / "hostile.qcow2", base)
    hostile.write_bytes(hostile.read_bytes().replace(b"base.qcow2", b"ba\x1b[2J.qcow"))
    site.refresh()

    frame = site.host.volumes().set_index("name")

    assert frame["status"].to_dict() == {
        "base.qcow2": "ok",
        "hostile.qcow2": "unreadable",
        "plain.qcow2": "ok",
    }
    site.host.apply(DeleteVolume(site.pool, "plain.qcow2", confirm="plain.qcow2"))
    assert not plain.exists()
    # A guest on it makes it matter what lies below, and that is not known.
    define_guest(site, "vm1", file_disk(hostile))
    refused(site, delete, "cannot be known", "'vm1'", name="base.qcow2")
