"""Values to libvirt's XML and back; what libvirt itself writes and takes is the measure."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from xml.etree import ElementTree as ET

import libvirt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmnb.storage.actions import NEEDS, DefinePool
from kvmnb.storage.guest_xml import read_arguments, read_disks, read_guest_files
from kvmnb.storage.model import Disk, PoolSpec, Volume
from kvmnb.storage.xml import (
    POOL_PATHS,
    clone_xml,
    find,
    pool_xml,
    put,
    read_pool,
    read_volume,
    volume_xml,
)
from tests.storage.builders import MIB, Site, opened

_DATA = Path(__file__).parents[1] / "data"
_IQN = "iqn.2013-06.org.example"

SPECS = {
    spec.type: spec
    for spec in (
        PoolSpec("vmdisk", "dir", target="/data/vm files"),
        PoolSpec(
            "vmdisk",
            "fs",
            target="/data/vmfs",
            source_dev="/dev/disk/by-label/vmdata",
            source_format="ext4",
        ),
        PoolSpec(
            "shared",
            "netfs",
            target="/data/shared",
            source_host="nas.example.org",
            source_path="/export/vm",
            source_format="nfs",
        ),
        PoolSpec("vmdata", "logical", target="/dev/vg0", source_name="vg0", source_dev="/dev/sdb"),
        PoolSpec("parts", "disk", target="/dev", source_dev="/dev/sdb", source_format="gpt"),
        PoolSpec(
            "san",
            "iscsi",
            target="/dev/disk/by-path",
            source_host="san.example.org",
            source_dev=f"{_IQN}:store",
            source_initiator=f"{_IQN}:host1",
            auth_type="chap",
            auth_username="libvirt",
            secret_usage="san",  # noqa: S106 - the name of a secret
        ),
        PoolSpec(
            "san",
            "iscsi-direct",
            source_host="san.example.org",
            source_dev=f"{_IQN}:store",
            source_initiator=f"{_IQN}:host1",
        ),
    )
}
_TYPES = pytest.mark.parametrize("kind", sorted({*NEEDS, *SPECS}))


def _plain(xml: str) -> str:
    """Write XML so that two texts of the same meaning are the same."""
    root = ET.fromstring(xml)
    for element in list(root.iter()):
        element[:] = sorted(element, key=lambda child: child.tag)
    return ET.canonicalize(ET.tostring(root, encoding="unicode"), strip_text=True)


def _recorded(name: str) -> str:
    return (_DATA / name).read_text()


@_TYPES
def test_a_pool_is_written_as_its_golden_file(kind: str) -> None:
    assert pool_xml(SPECS[kind]) + "\n" == _recorded(f"pools/{kind}.xml")


def test_there_is_no_golden_file_without_a_pool() -> None:
    assert {path.stem for path in (_DATA / "pools").iterdir()} == set(SPECS)


@_TYPES
def test_a_pool_is_read_as_it_was_written(kind: str) -> None:
    assert read_pool(pool_xml(SPECS[kind])) == (SPECS[kind], True, "")


@_TYPES
def test_virsh_would_write_the_same(site: Site, kind: str) -> None:
    line = DefinePool(**asdict(SPECS[kind])).command()
    assert _plain(site.daemon.virsh(*line[1:], "--print-xml")) == _plain(pool_xml(SPECS[kind]))


@_TYPES
def test_libvirt_takes_it_and_gives_it_back(site: Site, kind: str) -> None:
    with opened(site.daemon) as connection:
        raw = connection.storagePoolDefineXML(pool_xml(SPECS[kind]), libvirt.VIR_STORAGE_POOL_DEFINE_VALIDATE)
        for flags in (0, libvirt.VIR_STORAGE_XML_INACTIVE):
            assert read_pool(raw.XMLDesc(flags)) == (SPECS[kind], True, raw.UUIDString())


@pytest.mark.parametrize("kind", ["fs", "netfs", "logical", "disk"])
def test_a_format_that_libvirt_adds_by_itself_is_none(site: Site, kind: str) -> None:
    spec = replace(SPECS[kind], source_format="")
    with opened(site.daemon) as connection:
        dumped = connection.storagePoolDefineXML(pool_xml(spec), 0).XMLDesc(0)
    assert "<format" in dumped
    assert read_pool(dumped)[:2] == (spec, True)


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("dir", "features/cow/@state", "no"),
        ("dir", "target/permissions/label", "system_u:object_r:virt_image_t:s0"),
        ("netfs", "source/protocol/@ver", "4"),
        ("netfs", "source/vendor/@name", "Acme"),
        ("iscsi", "source/host/@port", "3261"),
        ("logical", "source/product/@name", "x"),
    ],
)
def test_what_a_spec_cannot_say_makes_it_unfaithful(site: Site, kind: str, path: str, value: str) -> None:
    root = ET.fromstring(pool_xml(SPECS[kind]))
    put(root, path, value)
    with opened(site.daemon) as connection:
        flags = libvirt.VIR_STORAGE_POOL_DEFINE_VALIDATE
        raw = connection.storagePoolDefineXML(ET.tostring(root, encoding="unicode"), flags)
        spec, faithful, _uuid = read_pool(raw.XMLDesc(libvirt.VIR_STORAGE_XML_INACTIVE))
    assert spec == SPECS[kind]
    assert not faithful
    assert not site.host.inventory().pools[spec.name].faithful


def test_a_second_device_makes_it_unfaithful() -> None:
    root = ET.fromstring(pool_xml(SPECS["logical"]))
    source = root.find("source")
    assert source is not None
    ET.SubElement(source, "device", path="/dev/sdc")
    spec, faithful, _uuid = read_pool(ET.tostring(root, encoding="unicode"))
    assert spec == SPECS["logical"]
    assert not faithful


def test_every_field_of_a_pool_has_a_place() -> None:
    assert set(POOL_PATHS) == set(asdict(SPECS["dir"]))


_XML_TEXT = st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\ufffe\uffff"))


@given(st.fixed_dictionaries({name: _XML_TEXT.map(str.strip) for name in POOL_PATHS}))
def test_any_text_comes_back(values: dict[str, str]) -> None:
    spec = PoolSpec(**values)
    found, faithful, _uuid = read_pool(pool_xml(spec))
    assert faithful
    assert found == spec or spec.source_format in {"auto", "lvm2", "unknown"}


@given(_XML_TEXT.map(str.strip).filter(bool), st.integers(0, 2**63 - 1), _XML_TEXT.map(str.strip))
def test_any_volume_comes_back(name: str, size: int, backing: str) -> None:
    xml = volume_xml(name, size, allocation=0, format="qcow2", backing_path=backing, backing_format="raw")
    found = read_volume("p", xml)
    assert (found.name, found.capacity, found.allocation) == (name, size, 0)
    assert (found.backing_path, found.backing_format) == ((backing, "raw") if backing else (None, None))
    assert read_volume("p", clone_xml(xml, "<copy>")) == replace(found, name="<copy>")


_FILE = Volume(
    pool="p",
    name="base.qcow2",
    path="/data/pool one/base.qcow2",
    type="file",
    format="qcow2",
    capacity=8 * MIB,
    allocation=200704,
    physical=196616,
    mode="0600",
    owner=0,
    group=0,
    modified=1795565970_000000001,
    accessed=1795565970_896997826,
    changed=1795565971_500000000,
)


@pytest.mark.parametrize(
    ("file", "volume"),
    [
        ("base", _FILE),
        (
            "top",
            replace(
                _FILE,
                name="top.qcow2",
                path="/data/pool one/top.qcow2",
                backing_path="/data/pool one/base.qcow2",
                backing_format="qcow2",
            ),
        ),
        (
            "r",
            replace(
                _FILE,
                name="r.raw",
                path="/data/pool one/r.raw",
                format="raw",
                allocation=0,
                physical=8 * MIB,
            ),
        ),
        (
            "block",
            replace(
                _FILE,
                name="vm1",
                path="/dev/vg0/vm1",
                type="block",
                format=None,
                allocation=8 * MIB,
                physical=8 * MIB,
                group=6,
            ),
        ),
    ],
)
def test_a_recorded_volume_is_read(file: str, volume: Volume) -> None:
    assert read_volume("p", _recorded(f"volumes/{file}.xml")) == volume


def test_a_volume_without_anything_is_read() -> None:
    assert read_volume("p", "<volume><name>x</name></volume>") == Volume("p", "x")


def test_the_disks_of_a_running_guest_are_read() -> None:
    root = ET.fromstring(_recorded("guests/running.xml"))
    assert read_disks(root, "now") == (
        Disk(
            "vda",
            bus="virtio",
            format="qcow2",
            path="/data/pool one/top.qcow2",
            below=("/data/pool one/base.qcow2",),
            where="now",
        ),
        Disk("vdb", bus="virtio", type="volume", format="raw", pool="p", volume="r.raw", where="now"),
        Disk("sda", device="cdrom", bus="sata", readonly=True, where="now"),
    )
    assert read_guest_files(root) == (("resource", "/machine"), ("emulator", "/usr/bin/qemu-system-x86_64"))


def test_a_disk_on_the_network_is_read() -> None:
    root = ET.fromstring(_recorded("guests/network.xml"))
    assert read_disks(root) == (Disk("vdd", bus="virtio", type="network", format="raw"),)


def test_files_below_and_beside_a_disk_are_read() -> None:
    root = ET.fromstring(
        "<domain><os><kernel>/k</kernel><initrd>/i</initrd><nvram template='/t'>/n</nvram></os><devices>"
        "<disk type='block' device='lun'><source dev='/dev/sdb'/><target dev='sda' bus='scsi'/>"
        "<backingStore type='file'><source file='/one'/><backingStore type='block'><source dev='/two'/>"
        "<backingStore/></backingStore></backingStore>"
        "<mirror type='file'><source file='/three'/></mirror></disk></devices></domain>"
    )
    [found] = read_disks(root)
    assert (found.path, found.device, found.below) == ("/dev/sdb", "lun", ("/one", "/two", "/three"))
    assert read_guest_files(root) == (
        ("kernel", "/k"),
        ("initrd", "/i"),
        ("nvram", "/n"),
        ("nvram template", "/t"),
    )


def test_every_other_path_of_a_guest_is_read() -> None:
    root = ET.fromstring(
        "<domain xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><title>no/path</title>"
        "<os><nvram type='file'><source file='/n'/></nvram><acpi><table>/a</table></acpi></os>"
        "<sysinfo><entry name='x' file='/s'/></sysinfo><devices><emulator>/e</emulator>"
        "<serial type='file'><source path='/log'/></serial>"
        "<disk type='file'><source file='/d'><reservations><source path='/r'/></reservations></source></disk>"
        "</devices><qemu:commandline><qemu:arg value='-drive'/><qemu:arg value='if=none,file=/x,,y,id=z'/>"
        "<qemu:env name='LOG' value='/v'/></qemu:commandline></domain>"
    )
    assert set(read_guest_files(root)) == {
        ("nvram", "/n"),
        ("acpi", "/a"),
        ("sysinfo", "/s"),
        ("emulator", "/e"),
        ("serial", "/log"),
        ("disk", "/r"),
        ("qemu argument", "/x,y"),
        ("qemu argument", "/v"),
    }
    assert read_arguments(root) == ("if=none,file=/x,,y,id=z", "/v")


@pytest.mark.parametrize(
    ("path", "value"), [("a", "1"), ("a/b", "2"), ("a/b/@c", "3"), ("@d", "4"), ("e/f/g/@h", "<&'\">")]
)
def test_what_is_put_at_a_path_is_found_there(path: str, value: str) -> None:
    root = ET.Element("root")
    assert find(root, path) is None
    put(root, path, value)
    put(root, "a/other", "x")
    assert find(root, path) == value
