"""Nothing that a guest's definition names is deleted, wherever in it the name stands."""

from __future__ import annotations

import pytest

from tests.storage.builders import Site, define_guest, file_disk, guest_xml, opened, start_guest
from tests.storage.guarding import DEEDS, NAME, delete, refused

_QEMU = "xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'"


def _define_with_arguments(site: Site, *arguments: str) -> None:
    told = "".join(f"<qemu:arg value='{argument}'/>" for argument in arguments)
    xml = guest_xml("vm1").replace("<domain ", f"<domain {_QEMU} ")
    xml = xml.replace("</domain>", f"<qemu:commandline>{told}</qemu:commandline></domain>")
    with opened(site.daemon) as connection:
        connection.defineXML(xml)


@DEEDS
def test_firmware_variables_named_as_a_source(site: Site, deed: object) -> None:
    assert callable(deed)
    code = site.running().volume("code.fd", format="raw")
    variables = site.volume("vars.fd", format="raw")
    loader = f"<loader readonly='yes' type='pflash'>{code}</loader>"
    define_guest(site, "vm1", os=f"{loader}<nvram type='file'><source file='{variables}'/></nvram>")
    refused(site, deed, "'vm1'", "nvram", name="vars.fd")


def test_file_that_a_serial_port_writes_to(site: Site) -> None:
    path = site.running().volume("log.raw", format="raw")
    define_guest(site, "vm1", f"<serial type='file'><source path='{path}'/></serial>")
    refused(site, delete, "'vm1'", "serial", name="log.raw")


@pytest.mark.parametrize(
    "argument",
    [
        "if=none,file={},id=x",
        "file:{}",
        "{}",
        '{{"driver":"file","filename":"{}"}}',
        "anything{}anything",
        "file={},format=raw",
    ],
)
@pytest.mark.parametrize("name", ["log.raw", "a,b.raw"])
def test_argument_of_qemu_that_names_a_volume(site: Site, argument: str, name: str) -> None:
    path = str(site.running().volume(name, format="raw"))
    _define_with_arguments(site, "-drive", argument.format(path.replace(",", ",,")))
    refused(site, delete, "'vm1'", "qemu argument", name=name)


def test_argument_of_qemu_that_names_a_volume_by_a_link(site: Site) -> None:
    path = site.running().volume(NAME)
    (site.folder / "link").symlink_to(path)
    _define_with_arguments(site, "-drive", f"file={site.folder / 'link'},if=none")
    refused(site, delete, "'vm1'", "qemu argument")


def test_argument_of_qemu_that_names_two_volumes(site: Site) -> None:
    one, two = site.running().volume("a"), site.volume("a b")
    _define_with_arguments(site, "-x", f"{one}{two}", f"x{two}")
    refused(site, delete, "'vm1'", name="a")
    refused(site, delete, "'vm1'", name="a b")


def test_arguments_that_name_another_file_hinder_nothing(site: Site) -> None:
    path = site.running().volume(NAME)
    other = site.volume("other.qcow2")
    _define_with_arguments(site, "-drive", f"file={other},if=none", "-nodefaults")
    site.host.apply(delete(site, NAME))
    assert not path.exists()


def test_a_disk_is_named_once(site: Site) -> None:
    path = site.running().volume(NAME)
    define_guest(site, "vm1", file_disk(path))
    assert refused(site, delete, "disk vda").count("'vm1'") == 1


def test_memory_of_a_snapshot(site: Site) -> None:
    start_guest(site, "vm1", file_disk(site.running().volume(NAME)))
    memory, new = site.target / "memory.img", site.folder / "new.qcow2"
    site.daemon.virsh(
        "snapshot-create-as", "vm1", "s1", "--memspec", str(memory), "--diskspec", f"vda,file={new}"
    )
    site.refresh()
    refused(site, delete, "'vm1'", "memory of snapshot s1", name="memory.img")


def test_file_that_only_the_next_boot_writes_to(site: Site) -> None:
    path = site.running().volume("log.raw", format="raw")
    start_guest(site, "vm1")
    define_guest(site, "vm1", f"<serial type='file'><source path='{path}'/></serial>")
    refused(site, delete, "'vm1'", "serial of next boot", name="log.raw")
