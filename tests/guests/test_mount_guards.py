"""What stands in the way of writing into a guest; no appliance is started for any of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

import kvmnb
from kvmnb.errors import BadValue, NotFound, ReadOnly, Refused
from kvmnb.guests import mounts
from kvmnb.guests.disks import GuestDisk
from kvmnb.guests.guard import began
from kvmnb.guests.mount_guards import problems
from kvmnb.guests.mounting import look, refuse_mounted
from kvmnb.host import Host
from tests.daemon import Daemon
from tests.guests.holding import holding
from tests.guests.kinds import Kinds


@pytest.fixture
def host(clean_daemon: Daemon) -> Iterator[Host]:
    with kvmnb.connect(clean_daemon.uri, readonly=False) as opened:
        yield opened


@pytest.fixture
def kinds(clean_daemon: Daemon) -> Kinds:
    """Give a folder with an empty image, and the guest ``vm1`` that has it."""
    made = Kinds(clean_daemon.folder, clean_daemon)
    _image(made.path("one.qcow2"))
    made.guest("vm1", ("one.qcow2", "qcow2"))
    return made


def _image(path: Path) -> None:
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "1M"], check=True)


def _why(host: Host, guest: str) -> str:
    """Give why writing is refused; empty where it is not. Reading must always be allowed."""
    look(host, guest, readonly=True)
    try:
        look(host, guest, readonly=False)
    except Refused as refused:
        return str(refused)
    return ""


def test_a_guest_that_is_off_may_be_written(host: Host, kinds: Kinds) -> None:
    assert _why(host, "vm1") == ""


def test_a_host_for_reading_is_not_written(host: Host, kinds: Kinds, clean_daemon: Daemon) -> None:
    with kvmnb.connect(clean_daemon.uri) as reading, pytest.raises(ReadOnly, match="readonly=False"):
        look(reading, "vm1", readonly=False)
    with pytest.raises(NotFound, match="vm1"):
        look(host, "vm2", readonly=True)


def test_a_running_guest(host: Host, kinds: Kinds) -> None:
    kinds.daemon.virsh("start", "vm1")
    assert "'vm1' is running" in _why(host, "vm1")
    kinds.daemon.virsh("suspend", "vm1")
    assert "'vm1' is paused" in _why(host, "vm1")
    kinds.daemon.virsh("destroy", "vm1")
    assert _why(host, "vm1") == ""


def test_a_saved_guest(host: Host, kinds: Kinds) -> None:
    kinds.daemon.virsh("start", "vm1")
    kinds.daemon.virsh("managedsave", "vm1")
    assert "memory saved" in _why(host, "vm1")


@pytest.mark.parametrize("how", ["same", "symbolic", "hard"])
def test_another_running_guest_with_the_image(host: Host, kinds: Kinds, how: str) -> None:
    name = "one.qcow2" if how == "same" else "other.qcow2"
    if how == "symbolic":
        kinds.path(name).symlink_to(kinds.path("one.qcow2"))
    if how == "hard":
        kinds.path(name).hardlink_to(kinds.path("one.qcow2"))
    kinds.guest("vm2", (name, "qcow2"))
    assert _why(host, "vm1") == ""
    kinds.daemon.virsh("start", "vm2")
    assert "guest 'vm2'" in _why(host, "vm1")


def test_a_hard_link_elsewhere_may_have_something_on_it(host: Host, kinds: Kinds) -> None:
    elsewhere = kinds.folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "one.qcow2").hardlink_to(kinds.path("one.qcow2"))
    assert "hard links in other folders" in _why(host, "vm1")


def test_a_base_is_never_written_but_its_overlays_are(host: Host, kinds: Kinds) -> None:
    for name in ("left", "right"):
        kinds.overlay(f"{name}.qcow2", "one.qcow2", "qcow2")
        kinds.guest(name, (f"{name}.qcow2", "qcow2"))
    assert "as a backing store" in _why(host, "vm1") or "lies below" in _why(host, "vm1")
    assert _why(host, "left") == ""  # what lies beside it is off, and its own writes never reach the base
    kinds.daemon.virsh("start", "right")
    assert "guest 'right'" in _why(host, "left")


def test_a_base_of_an_image_that_no_guest_has(host: Host, kinds: Kinds) -> None:
    kinds.overlay("above.qcow2", "one.qcow2", "qcow2")
    assert "above.qcow2" in _why(host, "vm1")


def test_the_base_of_its_own_snapshot(host: Host, kinds: Kinds) -> None:
    kinds.daemon.virsh("snapshot-create-as", "vm1", "s1", "--disk-only")
    shutil.copyfile(kinds.path("one.qcow2"), kinds.path("kept"))
    assert _why(host, "vm1") == ""  # the overlay is written to
    kinds.guest("vm2", ("one.qcow2", "qcow2"))  # what lies below it is not
    assert "one.qcow2" in _why(host, "vm2")


def test_what_cannot_be_known_is_refused(host: Host, kinds: Kinds) -> None:
    kinds.guest("odd", ("one.qcow2", "qcow2"))
    kinds.overlay("broken.qcow2", "one.qcow2", "qcow2")
    kinds.guest("broken", ("broken.qcow2", "raw"))
    kinds.path("text.qcow2").write_text("no image")
    kinds.guest("blind", ("text.qcow2", "qcow2"))
    assert "cannot be known" in _all(host, "vm1")


def _all(host: Host, guest: str) -> str:
    with pytest.raises(Refused) as refused:
        look(host, guest, readonly=False)
    return " ".join(str(problem) for problem in refused.value.problems)


def test_a_missing_disk(host: Host, kinds: Kinds) -> None:
    kinds.path("one.qcow2").unlink()
    with pytest.raises(Refused, match="there is nothing at"):
        look(host, "vm1", readonly=True)
    kinds.guest("bare")
    with pytest.raises(Refused, match="no disk of its own"):
        look(host, "bare", readonly=True)


def test_a_crashed_guest_may_have_its_disks_open(host: Host, kinds: Kinds) -> None:
    seen, guest, disks = look(host, "vm1", readonly=False)
    crashed = replace(guest, state="crashed")
    (found,) = problems(seen, crashed, disks, readonly=False)
    assert "'vm1' is crashed" in found.reason
    assert list(problems(seen, crashed, disks, readonly=True)) == []


def test_a_guest_of_another_daemon(host: Host, kinds: Kinds) -> None:
    kinds.path("two.raw").write_bytes(bytes(1 << 20))
    kinds.guest("vm2", ("two.raw", "raw"))
    _, _, disks = look(host, "vm2", readonly=False)
    with holding(kinds.path("two.raw")):
        refuse_mounted(disks, readonly=True)
        with pytest.raises(Refused, match=r"Another program has .*two\.raw open for writing"):
            refuse_mounted(disks, readonly=False)
    refuse_mounted(disks, readonly=False)


@contextmanager
def _may_only_read(disks: tuple[GuestDisk, ...]) -> Iterator[None]:
    """Have images that may not be written to: by another real user, for to root nothing is forbidden."""
    if os.geteuid() != 0:
        for disk in disks:
            Path(disk.path).chmod(0o400)
        yield
        return
    os.setresuid(65534, 0, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


def test_a_file_that_may_only_be_read(host: Host, kinds: Kinds) -> None:
    _, _, disks = look(host, "vm1", readonly=False)
    with _may_only_read(disks):
        refuse_mounted(disks, readonly=True)
        with pytest.raises(Refused, match="may not write to"):
            refuse_mounted(disks, readonly=False)


def test_one_that_is_being_mounted_under_another_name(
    host: Host, kinds: Kinds, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    kinds.path("other.qcow2").hardlink_to(kinds.path("one.qcow2"))
    folder = mounts.mounts_folder() / "first"
    folder.mkdir(parents=True)
    images = (str(kinds.path("other.qcow2")),)
    about = mounts.Mounted(
        str(folder), "vm2", "", False, images, time.time_ns(), os.getpid(), began(os.getpid())
    )
    mounts.note(about)
    assert about.status == "starting"
    _, _, disks = look(host, "vm1", readonly=True)
    refuse_mounted(disks, readonly=True, folder=str(folder))
    with pytest.raises(Refused, match="'vm2' is starting already"):
        refuse_mounted(disks, readonly=True)


@pytest.mark.parametrize("device", ["sda1", "/dev/sda1:/", "/dev/sda1\n", "/dev/sda\0", Path("/dev/sda1")])
def test_what_is_no_device(host: Host, kinds: Kinds, device: str) -> None:
    with pytest.raises(BadValue, match="is no device"), kvmnb.mount(host, "vm1", device):
        pass
