"""Mounting a guest: reading changes nothing, what was written is there, and no end leaves anything behind."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

import kvmnb
from kvmnb.errors import BadValue, KvmnbError, MountLost, NotFound, Refused, StillInUse
from kvmnb.guests import guard, holders, mounting, mounts
from kvmnb.guests.guard import began
from kvmnb.guests.mounts import mounts_folder
from tests.guests import tree
from tests.guests.house import House

_CHILD = """
import sys, time, kvmnb
host = kvmnb.connect(sys.argv[1], readonly=False)
print("asked", flush=True)
with kvmnb.mount(host, "vm1", readonly=False) as root:
    (root / "etc/by-child").write_text("all of it")
    print(root, flush=True)
    time.sleep(600)
"""


def _child(house: House) -> subprocess.Popen[str]:
    """Start a process that mounts a guest for writing, writes, and then waits to be ended."""
    return subprocess.Popen(
        [sys.executable, "-c", _CHILD, house.daemon.uri],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(kvmnb.__file__).parent.parent,
    )


def _serving(folder: Path) -> list[str]:
    """Give the processes that serve or guard mounts in a folder, and their appliances' QEMU."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in command and process.name != str(os.getpid()):
            found.append(f"{process.name} {command}")
    return [one for one in found if "libvirtd" not in one and "daemon_keeper" not in one]


def _until(house: House) -> None:
    """Wait until nothing serves this host's guests any more."""
    deadline = time.monotonic() + 60
    while _serving(house.folder.parent):
        assert time.monotonic() < deadline, _serving(house.folder.parent)
        time.sleep(0.1)


def _read(house: House, path: str) -> str:
    """Read a file of the guest anew, from its image and by another way than a mount."""
    target = house.daemon.home / "read"
    target.mkdir(exist_ok=True)
    kvmnb.copy_out(house.host, "vm1", path, target)
    copy = target / Path(path).name
    text = copy.read_text()
    copy.unlink()
    return text


def _leave_in_a_fork(root: Path) -> None:
    """Leave the block of the one mount in a process that was forked within it; it must not unmount it."""
    (about,) = mounts.listed()
    child = os.fork()
    if child == 0:
        try:
            mounting.leave(about)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert root.is_mount()


@contextmanager
def _copy_of_mounts(root: Path) -> Iterator[None]:
    """Have a process whose mount namespace is its own, and has a copy of a mount, as a container may."""
    command = ["unshare", "--mount", "--propagation=private", "sleep", "600"]
    with subprocess.Popen(command) as other:
        while not guard.mounted(str(root), str(other.pid)) or list(holders.elsewhere(str(root))) == []:
            time.sleep(0.02)
        yield
        assert other.poll() is None  # it has only lost the mount
        other.kill()


def test_reading_changes_nothing(house: House) -> None:
    house.guest("vm1")
    house.guest("dirty", "dirty.raw")
    before = house.sums()
    with kvmnb.connect(house.daemon.uri) as host, kvmnb.mount(host, "vm1") as root:
        assert (root / "etc/hostname").read_text() == "vm1.example\n"
        names = [os.fsencode(entry.name) for entry in (root / "hostile").iterdir()]
        assert sorted(names) == sorted(tree.NAMES)
        assert (root / "boot/lost+found").is_dir()  # its own layout: the boot partition as well
        assert kvmnb.inside(root, "/etc/localtime").read_text() == "the guest's own zone\n"
        with pytest.raises(OSError, match="Read-only") as refused:
            (root / "etc/new").write_text("new")
        assert refused.value.errno == errno.EROFS
        row = kvmnb.mounts().iloc[0]
        assert (row["guest"], row["status"], row["path"]) == ("vm1", "mounted", str(root))
        assert row["owner"] == os.getpid()
        assert row["readonly"]
        assert list((root.parent / "scratch").iterdir()) != []  # it goes with the rest
        with pytest.raises(Refused, match="mounted already"), kvmnb.mount(house.host, "vm1", readonly=False):
            pass
    assert kvmnb.mounts().empty
    assert not root.exists()
    assert list(mounts_folder().iterdir()) == []
    with kvmnb.mount(house.host, "dirty", "/dev/sda") as root:
        assert (root / "note").read_text() == "written before the power went\n"
    assert house.sums() == before
    assert _serving(house.folder.parent) == []


def test_what_was_written_is_there_each_time(house: House) -> None:
    image = house.guest("vm1")
    for number in range(2):
        with (
            ExitStack() as others,
            kvmnb.mount(house.host, "vm1", "/dev/centos/root", readonly=False) as root,
        ):
            if number == 0:
                _leave_in_a_fork(root)
            if number == 1 and os.geteuid() == 0:  # nobody else may take a mount out of such a namespace
                others.enter_context(_copy_of_mounts(root))
            written = root / "etc/note"
            assert number == 0 or written.read_text() == f"change {number - 1}\n" * 1000
            written.write_text(f"change {number}\n" * 1000)
            worker = int(kvmnb.mounts().iloc[0]["worker"])
        assert began(worker) == ""  # the block has ended, and so has what writes to the image
        subprocess.run(["qemu-img", "check", "-q", "-f", "qcow2", image], check=True)
    assert _read(house, "/etc/note") == "change 1\n" * 1000


def test_a_killed_kernel_unmounts_by_itself(house: House) -> None:
    image = house.guest("vm1")
    with _child(house) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "asked\n"
        root = child.stdout.readline().strip()
        row = kvmnb.mounts().iloc[0]
        assert (row["path"], row["owner"], row["status"]) == (root, child.pid, "mounted")
        with pytest.raises(Refused, match=str(child.pid)):
            kvmnb.unmount(root)
        child.kill()
    _until(house)
    assert kvmnb.mounts().empty
    subprocess.run(["qemu-img", "check", "-q", "-f", "qcow2", image], check=True)
    assert _read(house, "/etc/by-child") == "all of it"


@pytest.mark.parametrize("signal_", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("after", [0.0, 3.0])
def test_an_end_during_the_start_leaves_nothing(house: House, signal_: signal.Signals, after: float) -> None:
    house.guest("vm1")
    with _child(house) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        assert child.stdout.readline() == "asked\n"
        deadline = time.monotonic() + 20
        while not [one for one in _serving(house.folder.parent) if "guard.py" in one]:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(after)
        child.send_signal(signal_)
        said = child.stderr.read()
        assert child.wait(30) != 0
        assert signal_ is signal.SIGKILL or "KeyboardInterrupt" in said
    _until(house)
    assert kvmnb.mounts().empty
    if signal_ is signal.SIGINT:
        assert list(mounts_folder().iterdir()) == []


def test_a_killed_appliance_is_said(house: House) -> None:
    house.guest("vm1")
    with (  # noqa: PT012 - it is the end of the block that raises
        pytest.raises(MountLost, match=r"appliance has ended; .*may be missing"),
        kvmnb.mount(house.host, "vm1", readonly=False) as root,
    ):
        (root / "etc/note").write_text("note")
        worker = int(kvmnb.mounts().iloc[0]["worker"])
        for process in guard.group(worker):
            if (Path("/proc") / str(process) / "comm").read_text().startswith("qemu"):
                os.kill(process, signal.SIGKILL)
    assert guard.group(worker) == []
    assert kvmnb.mounts().empty


def test_a_killed_guestmount_is_said(house: House) -> None:
    house.guest("vm1")
    with (  # noqa: PT012 - it is the end of the block that raises
        pytest.raises(MountLost, match=r"killed by signal 9.*may be missing") as lost,
        kvmnb.mount(house.host, "vm1", readonly=False) as root,
    ):
        (root / "etc/note").write_text("note")
        worker = int(kvmnb.mounts().iloc[0]["worker"])
        os.kill(worker, signal.SIGKILL)
        _wait_for_death(root, worker)
        assert kvmnb.mounts().iloc[0]["status"] == "dead"
        (root / "etc/note").read_text()
    assert guard.group(worker) == []  # its QEMU has ended too, so that the guest may be started
    assert isinstance(lost.value.__context__, OSError)
    assert lost.value.__context__.errno in {errno.ENOTCONN, errno.ECONNABORTED}
    assert kvmnb.mounts().empty
    assert not root.exists()
    _until(house)


def _wait_for_death(root: Path, worker: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            root.stat()
        except OSError:
            if not began(worker):
                return
        time.sleep(0.05)
    raise AssertionError("the mount did not die")


def test_a_full_disk_and_then_an_open_file(house: House) -> None:
    house.guest("vm1")
    opened = None
    holder = rf"process {os.getpid()}\).*etc/hostname"
    with (  # noqa: PT012 - it is the end of the block that raises
        pytest.raises(StillInUse, match=holder) as used,
        kvmnb.mount(house.host, "vm1", readonly=False) as root,
    ):
        with pytest.raises(OSError, match="No space left") as full:
            (root / "data/much").write_bytes(bytes(96 << 20))
        assert full.value.errno == errno.ENOSPC
        opened = (root / "etc/hostname").open()
    assert "kvmnb.unmount" in used.value.remedy
    assert opened is not None
    assert kvmnb.mounts().iloc[0]["status"] == "mounted"
    with pytest.raises(StillInUse):
        kvmnb.unmount(root)
    opened.close()
    assert list(kvmnb.unmount(root)["status"]) == ["finished"]
    assert kvmnb.mounts().empty
    assert not root.exists()
    _until(house)
    with pytest.raises(NotFound, match="none is mounted"):
        kvmnb.unmount(root)


def test_a_change_during_the_start_is_seen(house: House) -> None:
    house.guest("vm1")

    def change() -> None:
        time.sleep(2)  # the appliance takes longer
        house.kinds.overlay("above.qcow2", "vm1.qcow2", "qcow2")

    other = threading.Thread(target=change)
    other.start()
    entered = False
    with pytest.raises(Refused, match=r"above\.qcow2"), kvmnb.mount(house.host, "vm1", readonly=False):
        entered = True
    other.join()
    assert not entered
    assert kvmnb.mounts().empty
    assert list(mounts_folder().iterdir()) == []
    assert _serving(house.folder.parent) == []


def test_a_disk_that_names_a_file_of_this_machine(house: House) -> None:
    secret = house.folder / "secret.raw"
    shutil.copyfile(house.images / "blank.raw", secret)
    hostile = house.kinds.overlay("hostile.raw", "secret.raw")  # what a guest has written to its raw disk
    house.kinds.guest("hostile", (hostile.name, "raw"))
    with pytest.raises(KvmnbError), kvmnb.mount(house.host, "hostile", "/dev/sda"):
        pass


def test_what_can_be_chosen_is_said(house: House) -> None:
    house.guest("blank", "blank.raw")
    with pytest.raises(NotFound, match=r"No one system.*/dev/sda \(ext4\)"), kvmnb.mount(house.host, "blank"):
        pass
    absent = r"no file system '/dev/sda9'.*/dev/sda \(ext4\)"
    with pytest.raises(NotFound, match=absent) as missing, kvmnb.mount(house.host, "blank", "/dev/sda9"):
        pass
    assert missing.value.remedy.startswith("choose")
    with pytest.raises(BadValue), kvmnb.mount(house.host, "blank", "/dev/sda:/:x"):
        pass
    assert kvmnb.mounts().empty
    assert list(mounts_folder().iterdir()) == []
