"""The guests for trying things out are real, whole and removed by one call; and nothing is half made."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import libvirt
import pytest

import kvmnb
from kvmnb import demo
from kvmnb.errors import NotFound, ReadOnly, Refused
from kvmnb.guests.appliance import settings
from kvmnb.host import Host
from kvmnb.storage.guest_xml import DEMO
from tests.daemon import Daemon
from tests.guests.running import connected, wait_off
from tests.plugin import RunningPool
from tests.storage.builders import Site, define_guest


@pytest.fixture
def host(clean_daemon: Daemon) -> Iterator[Host]:
    with kvmnb.connect(clean_daemon.uri, readonly=False) as opened:
        yield opened


def _guestfish(image: Path, *commands: str, write: bool = False) -> str:
    """Look into an image, or change it, with a program of libguestfs's own."""
    how = "--rw" if write else "--ro"
    done = subprocess.run(
        ["guestfish", how, "--format=qcow2", "-a", image, "-i"],
        input="\n".join(commands),
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | settings(),
    )
    return done.stdout


def test_a_broken_guest_does_not_start_until_it_is_mended(
    host: Host, pool: RunningPool, daemon: Daemon
) -> None:
    told: list[tuple[int, int]] = []
    guests = demo.create_guest(
        host, "vm1", broken=True, boots=True, progress=lambda _words: lambda *steps: told.append(steps)
    )
    assert guests["name"].tolist() == ["vm1"]
    assert guests["state"].tolist() == ["shut off"]
    assert told == [(number, 5) for number in range(1, 6)]
    volumes = {one.name: one for one in host.inventory().volumes()}
    assert set(volumes) == {"vm1.qcow2", "vm1.vmlinuz", "vm1.initrd"}
    assert volumes["vm1.qcow2"].capacity == 2 << 30
    assert (volumes["vm1.qcow2"].allocation or 0) < 20 << 20
    for name in volumes:
        with pytest.raises(Refused, match="used by guest 'vm1'"):
            host.apply(kvmnb.DeleteVolume(pool.name, name, confirm=name))

    host.apply(kvmnb.StartGuest("vm1"))
    wait_off(daemon, "vm1")

    image = pool.target / "vm1.qcow2"
    said = _guestfish(
        image,
        "list-filesystems",
        "vfs-uuid /dev/sda1",
        "cat /etc/fstab",
        "cat /etc/hostname",
        "mount-ro /dev/sda1 /boot",  # its fstab does not find it
        "cat /boot/grub2/grub.cfg",
        "cat /var/log/messages",
        "cat /var/log/boot.log",
        "ll /home/centos",
    )
    assert re.findall(r"^(/dev/\S+: \w+)$", said, re.MULTILINE) == [
        "/dev/sda1: xfs",
        "/dev/centos/root: xfs",
        "/dev/centos/swap: swap",
    ]
    (wrong,) = re.findall(r"^UUID=(\S+) /boot", said, re.MULTILINE)
    (right,) = re.findall(r"^([0-9a-f-]{36})$", said, re.MULTILINE)
    assert sum(a != b for a, b in zip(wrong, right, strict=True)) == 1
    assert said.count("Dependency failed for /boot.") >= 4  # planted in both logs, and of the start just now
    assert f"fs-uuid --set=root {right}" in said
    assert "emergency mode" in said

    mended = f"/dev/mapper/centos-root / xfs defaults 0 0\\nUUID={right} /boot xfs defaults 0 0\\n"
    _guestfish(image, f'write /etc/fstab "{mended}"', write=True)
    host.apply(kvmnb.StartGuest("vm1"))
    connected(daemon, "vm1")
    with pytest.raises(Refused, match="'vm1'"):
        demo.create_guest(host, "vm1")
    report = demo.remove_guest(host, "vm1")  # running as it is
    assert report["outcome"].unique().tolist() == ["done"]
    assert host.guests().empty
    assert list(pool.target.iterdir()) == []
    with pytest.raises(NotFound):
        demo.remove_guest(host, "vm1")


_INTERRUPTED = """
import os, sys
import kvmnb
from kvmnb import demo
host = kvmnb.connect(sys.argv[1], readonly=False)
def steps(done, total):
    print(done, flush=True)
demo.create_guest(host, "vm1", progress=lambda words: steps)
"""


def test_ctrl_c_leaves_nothing(host: Host, pool: RunningPool, daemon: Daemon, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _INTERRUPTED, daemon.uri],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(tmp_path), "LIBGUESTFS_CACHEDIR": settings()["LIBGUESTFS_CACHEDIR"]},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "1\n"  # the appliance runs
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    _out, said = process.communicate(timeout=30)
    assert time.monotonic() - began < 5
    assert "KeyboardInterrupt" in said
    assert list(tmp_path.iterdir()) == []
    assert host.guests().empty
    assert list(pool.target.iterdir()) == []
    assert str(tmp_path) not in subprocess.check_output(["ps", "-eo", "args"], text=True)


def _quickly(host: Host, folder: Path, *, file: str) -> None:
    """Do what `create_guest` does once the files are made, with files that took no appliance."""
    files = {}
    for ending in ("qcow2", "vmlinuz"):
        files[ending] = folder / ending
        files[ending].write_bytes(b"x" * 512)
    definition = folder / "guest.xml"
    definition.write_text(file)
    demo._store(host, "vm1", "vmdisk", files, definition)


def test_a_failing_definition_leaves_nothing(host: Host, pool: RunningPool, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="defines a guest 'other'"):
        _quickly(host, tmp_path, file="<domain type='qemu'><name>other</name></domain>")
    assert list(pool.target.iterdir()) == []
    assert host.volumes().empty


def test_a_volume_that_appears_meanwhile_is_not_written(
    host: Host, pool: RunningPool, tmp_path: Path
) -> None:
    host.apply(kvmnb.CreateVolume(pool.name, "vm1.vmlinuz", 512, format="raw"))
    (pool.target / "vm1.vmlinuz").write_bytes(b"mine" * 128)
    with pytest.raises(Refused, match=r"vm1\.vmlinuz"):
        _quickly(host, tmp_path, file="<domain type='qemu'><name>vm1</name></domain>")
    assert [path.name for path in pool.target.iterdir()] == ["vm1.vmlinuz"]
    assert (pool.target / "vm1.vmlinuz").read_bytes() == b"mine" * 128


def test_nothing_is_begun_that_cannot_be_done(host: Host, pool: RunningPool, daemon: Daemon) -> None:
    with pytest.raises(NotFound, match="Choose one of: vmdisk"), _soon():
        demo.create_guest(host, pool="absent")
    with pytest.raises(Refused, match="a/b"), _soon():
        demo.create_guest(host, "a/b")
    with kvmnb.connect(daemon.uri) as reading, pytest.raises(ReadOnly), _soon():
        demo.create_guest(reading)
    host.apply(kvmnb.CreateVolume(pool.name, "vm1.qcow2", 2 << 30))
    with pytest.raises(Refused, match=r"has a volume 'vm1\.qcow2' already"), _soon():
        demo.create_guest(host)
    host.apply(kvmnb.StopPool(pool.name))
    with pytest.raises(NotFound, match="No pool of type dir is running"), _soon():
        demo.create_guest(host)


class _soon:  # noqa: N801 - used like a function
    """Sees that what is refused is refused before an appliance is started."""

    def __enter__(self) -> None:
        self._began = time.monotonic()

    def __exit__(self, *_exception: object) -> None:
        assert time.monotonic() - self._began < 3


def test_another_guest_is_not_removed(host: Host, pool: RunningPool, daemon: Daemon) -> None:
    define_guest(Site(daemon, host), "other")
    host.apply(kvmnb.CreateVolume(pool.name, "data", 1 << 20))
    note = f"<d:demo xmlns:d='{DEMO}' uuid='{{}}'><d:volume pool='vmdisk' name='data'/></d:demo>"
    xml = daemon.virsh("dumpxml", "other")
    copied = note.format("00000000-0000-0000-0000-000000000001")
    connection = libvirt.open(daemon.uri)
    try:
        for noted in ("", f"<metadata>{copied}</metadata>"):  # a copy's UUID is not the original's
            connection.defineXML(xml.replace("</domain>", f"{noted}</domain>"))
            with pytest.raises(Refused, match="was not made by"):
                demo.remove_guest(host, "other")
    finally:
        connection.close()
    assert host.guests()["name"].tolist() == ["other"]
    assert host.volumes()["name"].tolist() == ["data"]
