"""What crashes leave is listed and can be cleared."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import kvmnb
from kvmnb.guests import guard, holders, mounts
from kvmnb.guests.guard import began
from tests.guests.house import House

_CHILD = """
import sys, time, kvmnb
from kvmnb.guests.mounts import OWN
host = kvmnb.connect(sys.argv[1], readonly=False)
with kvmnb.mount(host, "vm1", "/dev/sda1", readonly=False) as root:
    (root / "note").write_text("note")
    ((worker, guard),) = OWN.values()
    print(guard.pid, worker.pid, flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("left", ["stale", "dead"])
def test_what_a_crash_of_everything_leaves(house: House, left: str) -> None:
    image = house.guest("vm1")
    with subprocess.Popen(
        [sys.executable, "-c", _CHILD, house.daemon.uri],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(kvmnb.__file__).parent.parent,
    ) as child:
        assert child.stdout is not None
        guard, worker = map(int, child.stdout.readline().split())
        os.kill(guard, signal.SIGKILL)
        child.kill()
    if left == "dead":
        os.kill(worker, signal.SIGKILL)
        deadline = time.monotonic() + 30
        while began(worker):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    row = kvmnb.mounts().iloc[0]
    assert (row["status"], row["device"], row["readonly"]) == (left, "/dev/sda1", False)
    assert "kvmnb.unmount" in row["reason"]
    assert left in repr(kvmnb.show(kvmnb.mounts()))
    cleared = kvmnb.unmount(row["path"]).iloc[0]
    if left == "dead":
        assert cleared["status"] == "lost"
        assert "may be missing" in cleared["reason"]
    else:
        assert cleared["status"] == "unmounted"
        assert kvmnb.ls(house.host, "vm1", "/note", "/dev/sda1").iloc[0]["size"] == len("note")
        subprocess.run(["qemu-img", "check", "-q", "-f", "qcow2", image], check=True)
    assert kvmnb.mounts().empty
    assert not Path(row["path"]).exists()


def test_what_has_ended_is_no_mount(house: House) -> None:
    folder = mounts.mounts_folder() / "old"
    (folder / "root").mkdir(parents=True)
    about = mounts.Mounted(str(folder), "vm1", "", True, (), 0, 1, "never", 2, "never")
    mounts.note(about)
    (mounts.mounts_folder() / "broken").mkdir()
    (mounts.mounts_folder() / "broken/mount.json").write_text("{")
    assert list(mounts.listed()) == [about]
    assert kvmnb.mounts().empty
    forgotten = mounts.mounts_folder() / "forgotten"
    (forgotten / "root").mkdir(parents=True)
    os.utime(forgotten, (0, 0))
    mounts.sweep()
    assert not folder.exists()
    assert not forgotten.exists()
    assert (mounts.mounts_folder() / "broken").exists()  # it may be just being written


def test_its_place_is_the_users_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert mounts.mounts_folder() == tmp_path / "kvmnb/mounts"
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "nowhere"))
    assert not mounts.mounts_folder().is_relative_to("/tmp")  # noqa: S108 - where others could make it first
    (tmp_path / "link").symlink_to(tmp_path)  # the kernel knows mounts by their paths without links
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "link"))
    assert mounts.mounts_folder() == tmp_path / "kvmnb/mounts"


@pytest.mark.parametrize("ready", [False, True])
def test_the_guard_ends_what_starts_and_spares_what_finishes(tmp_path: Path, ready: bool) -> None:
    root = tmp_path / "mount/root"
    root.mkdir(parents=True)
    (tmp_path / "mount/mount.json").write_text(json.dumps({"ready": ready}))
    waiting = [sys.executable, "-c", "import time; time.sleep(600)"]
    reading, writing = os.pipe()
    program = [sys.executable, "-I", guard.__file__, str(reading), str(root)]
    with (
        subprocess.Popen(waiting) as owner,
        subprocess.Popen([*waiting, "--no-fork", str(root)], start_new_session=True) as worker,
        subprocess.Popen([*program, str(owner.pid), "/nowhere"], pass_fds=[reading]) as watch,
    ):
        with pytest.raises(subprocess.TimeoutExpired):
            watch.wait(0.5)
        owner.kill()  # this process holds the pipe open, as one may that the owner had forked
        if ready:
            with pytest.raises(subprocess.TimeoutExpired):
                worker.wait(3)
            worker.kill()
        assert worker.wait(10) == -signal.SIGKILL
        assert watch.wait(10) == 0
    os.close(reading)
    os.close(writing)
    assert not root.parent.exists()


def test_who_holds_a_folder_is_named(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"], cwd=tmp_path) as sleeper:
        assert any(f"sleep (process {sleeper.pid})" in one for one in holders.holders_of(tmp_path))
        sleeper.kill()
    assert list(holders.holders_of(tmp_path)) == []
