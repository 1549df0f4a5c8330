"""The tests' own daemon: it serves, it is separate, and nothing is left of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import untouched
from tests.daemon import Daemon, VirshError

pytestmark = pytest.mark.daemon

_GUEST = """
<domain type='qemu'>
  <name>sleeper</name>
  <uuid>6c4bc4a0-7d4c-4f6e-8f7c-0d8b8a3e5a11</uuid>
  <memory unit='MiB'>32</memory>
  <os><type arch='x86_64'>hvm</type></os>
</domain>
"""

_OWNER = """
import sys, time
from tests.daemon import Daemon
daemon = Daemon()
guest = daemon.folder / "guest.xml"
guest.write_text(sys.argv[1])
daemon.virsh("create", str(guest))
print(daemon.pid, daemon.folder.parent, flush=True)
time.sleep(600)
"""


@pytest.fixture
def other() -> Iterator[Daemon]:
    with Daemon() as daemon:
        yield daemon


def _start_guest(daemon: Daemon) -> None:
    definition = daemon.folder / "guest.xml"
    definition.write_text(_GUEST)
    daemon.virsh("create", str(definition))


def _make_pool(daemon: Daemon, name: str = "vmdisk") -> None:
    target = daemon.folder / name
    daemon.virsh("pool-define-as", "--name", name, "--type", "dir", "--target", str(target))
    daemon.virsh("pool-build", name)
    daemon.virsh("pool-start", name)


def _processes(folder: Path) -> list[str]:
    """Give the daemons and guests that belong to the folder, by what they see or were told."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            name = (process / "comm").read_text().strip()
            where = (process / "mountinfo").read_text() + (process / "cmdline").read_text()
        except OSError:  # it ended in between, or is another user's
            continue
        if folder.name in where and name.startswith(("libvirtd", "qemu", "python")):
            found.append(name)
    return found


def _wait_until_gone(folder: Path) -> None:
    deadline = time.monotonic() + 30
    while folder.exists() or _processes(folder):
        assert time.monotonic() < deadline, f"{folder} and {_processes(folder)} are still there"
        time.sleep(0.05)


def test_it_answers_and_has_nothing(clean_daemon: Daemon) -> None:
    assert clean_daemon.virsh("pool-list", "--all", "--name").split() == []
    assert clean_daemon.virsh("list", "--all", "--name").split() == []


def test_virsh_raises_what_it_said(clean_daemon: Daemon) -> None:
    with pytest.raises(VirshError, match="no storage pool with matching name 'absent'"):
        clean_daemon.virsh("pool-info", "absent")


def test_a_pool_is_seen_by_no_other_daemon(clean_daemon: Daemon, other: Daemon) -> None:
    _make_pool(clean_daemon)
    assert clean_daemon.virsh("pool-list", "--name").split() == ["vmdisk"]
    assert other.virsh("pool-list", "--all", "--name").split() == []


def test_a_restart_keeps_pools_guests_and_uri(clean_daemon: Daemon) -> None:
    _make_pool(clean_daemon)
    _start_guest(clean_daemon)
    uri, pid = clean_daemon.uri, clean_daemon.pid
    clean_daemon.restart()
    assert clean_daemon.uri == uri
    assert clean_daemon.pid != pid
    assert clean_daemon.virsh("pool-list", "--all", "--name").split() == ["vmdisk"]
    assert clean_daemon.virsh("list", "--name").split() == ["sleeper"]


def test_clean_removes_all_that_a_test_left(daemon: Daemon) -> None:
    _make_pool(daemon)
    daemon.virsh("vol-create-as", "vmdisk", "left.qcow2", "1M", "--format", "qcow2")
    _make_pool(daemon, "stopped")
    daemon.virsh("pool-destroy", "stopped")
    transient = daemon.folder / "transient"
    transient.mkdir()
    daemon.virsh("pool-create-as", "--name", "transient", "--type", "dir", "--target", str(transient))
    _start_guest(daemon)
    daemon.virsh("define", str(daemon.folder / "guest.xml"))
    daemon.halt()

    daemon.clean()

    assert daemon.virsh("pool-list", "--all", "--name").split() == []
    assert daemon.virsh("list", "--all", "--name").split() == []
    assert list(daemon.folder.iterdir()) == []


def test_nothing_is_left_after_stop() -> None:
    with Daemon() as daemon:
        _start_guest(daemon)
        base = daemon.folder.parent
        assert {"libvirtd", "qemu-system-x86"} <= set(_processes(base))
    assert not base.exists()
    assert _processes(base) == []


def test_nothing_is_left_after_a_failure() -> None:
    bases = []

    def fail() -> None:
        with Daemon() as daemon:
            bases.append(daemon.folder.parent)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    [base] = bases
    assert not base.exists()
    assert _processes(base) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_when_the_owner_dies(number: signal.Signals) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", _OWNER, _GUEST],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=Path(__file__).parent.parent,
    )
    with owner:
        assert owner.stdout is not None
        pid, base = owner.stdout.readline().split()
        assert Path("/proc", pid).exists()
        owner.send_signal(number)
    _wait_until_gone(Path(base))


def test_a_folder_whose_keeper_was_killed_is_removed_by_the_next_start() -> None:
    daemon = Daemon()
    _start_guest(daemon)
    base = daemon.folder.parent
    assert daemon._keeper is not None
    daemon._keeper.kill()
    daemon._keeper.communicate()
    old = time.time() - 3600
    os.utime(base, (old, old))
    with Daemon():
        assert not base.exists()
    _wait_until_gone(base)


def test_a_change_at_the_users_daemon_is_told(other: Daemon) -> None:
    _make_pool(other)
    _make_pool(other, "kept")
    other.virsh("vol-create-as", "vmdisk", "a.raw", "1M")
    before = untouched.snapshot(other.uri)
    assert untouched.differences(before, untouched.snapshot(other.uri)) == []

    other.virsh("vol-create-as", "vmdisk", "b.raw", "1M")
    other.virsh("vol-delete", "a.raw", "--pool", "vmdisk")
    other.virsh("pool-autostart", "kept")
    _start_guest(other)

    said = untouched.differences(before, untouched.snapshot(other.uri))
    assert said[:3] == ["volume vmdisk/a.raw is gone", "guest sleeper is new", "volume vmdisk/b.raw is new"]
    assert said[3].startswith("pool kept changed\n")
    assert len(said) == 4


_CHANGE_IN_A_SESSION = """
import sys
import pytest
from tests import untouched
uri, file = sys.argv[1:]
untouched.answering = lambda: [uri]
sys.exit(pytest.main(["-q", "-c", "pyproject.toml", "-p", "no:cacheprovider", file]))
"""


@pytest.mark.parametrize(("word", "status"), [("pool-define", 1), ("pool-dumpxml", 0)])
def test_a_change_at_the_users_daemon_fails_the_session(
    other: Daemon, tmp_path: Path, word: str, status: int
) -> None:
    argument = "kept"
    if word == "pool-define":
        argument = str(tmp_path / "pool.xml")
        Path(argument).write_text("<pool type='dir'><name>new</name><target><path>/x</path></target></pool>")
    _make_pool(other, "kept")
    test = tmp_path / "test_change.py"
    test.write_text(
        "import subprocess\n"
        "def test_change():\n"
        f"    subprocess.run(['virsh', '-c', {other.uri!r}, {word!r}, {argument!r}], check=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", _CHANGE_IN_A_SESSION, other.uri, str(test)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent.parent,
    )
    assert "1 passed" in done.stdout
    assert done.returncode == status
    assert ("pool new is new" in done.stdout) == bool(status)
