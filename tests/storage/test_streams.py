"""Transfers: every byte, every hole, and nothing half-made."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from kvmnb.errors import ActionFailed, KvmnbError
from kvmnb.storage.actions import CreateVolume, DownloadVolume, UploadVolume
from tests.storage.builders import MIB, Site, digest, state

_SIZE = 12 * MIB

#: Where the data lies in a file of `_SIZE`, as (start, length); all else is a hole.
LAYOUTS = {
    "all data": [(0, _SIZE)],
    "all hole": [],
    "hole at the start": [(8 * MIB, 4 * MIB)],
    "hole in the middle": [(0, MIB), (11 * MIB, MIB)],
    "hole at the end": [(0, MIB)],
    "islands": [(n * MIB, 4096) for n in range(1, 12, 2)],
    "off the grid": [(4097, 3), (5 * MIB - 1, 2)],
}
_LAYOUTS = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)


def _sparse(path: Path, layout: list[tuple[int, int]], size: int = _SIZE) -> Path:
    with path.open("wb") as file:
        file.truncate(size)
        for start, length in layout:
            file.seek(start)
            file.write(os.urandom(length))
    return path


def _taken(path: Path) -> int:
    return path.stat().st_blocks * 512


def _upload(site: Site, file: Path) -> UploadVolume:
    return UploadVolume(site.pool, "v.raw", str(file), confirm="v.raw")


@_LAYOUTS
def test_there_and_back(site: Site, layout: list[tuple[int, int]]) -> None:
    path = site.running().volume("v.raw", _SIZE, "raw")
    file = _sparse(site.folder / "file", layout)
    assert site.host.apply(_upload(site, file))["verified"].all()
    assert digest(path) == digest(file)
    assert _taken(path) <= _taken(file) + 256 * 1024

    back = site.folder / "back"
    assert site.host.apply(DownloadVolume(site.pool, "v.raw", str(back)))["verified"].all()
    assert back.stat().st_size == _SIZE
    assert digest(back) == digest(file)
    assert _taken(back) <= _taken(file) + 256 * 1024
    assert {entry.name for entry in site.folder.iterdir()} == {"file", "back", site.target.name}


@_LAYOUTS
def test_holes_overwrite_what_was_there(site: Site, layout: list[tuple[int, int]]) -> None:
    path = site.running().raw("v.raw", b"old" * 4 * MIB, _SIZE)
    file = _sparse(site.folder / "file", layout)
    assert site.host.apply(_upload(site, file))["verified"].all()
    assert digest(path) == digest(file)


def test_an_empty_file_changes_nothing(site: Site) -> None:
    path = site.running().raw("v.raw", b"old" * 100)
    before = digest(path)
    (site.folder / "file").touch()
    assert site.host.apply(_upload(site, site.folder / "file"))["verified"].all()
    assert digest(path) == before


def test_a_shorter_file_leaves_the_rest(site: Site) -> None:
    path = site.running().raw("v.raw", b"old" * 1000)
    (site.folder / "file").write_bytes(b"new")
    assert site.host.apply(_upload(site, site.folder / "file"))["verified"].all()
    assert path.read_bytes()[:9] == b"newoldold"


def test_an_empty_volume_is_an_empty_file(site: Site) -> None:
    site.running()
    (site.target / "empty").touch()
    site.refresh()
    back = site.folder / "back"
    assert site.host.apply(DownloadVolume(site.pool, "empty", str(back)))["verified"].all()
    assert back.stat().st_size == 0


@_LAYOUTS
def test_a_shorter_file_with_holes_leaves_the_rest(site: Site, layout: list[tuple[int, int]]) -> None:
    for old in (b"", b"old" * 5 * MIB):
        site.daemon.clean()
        path = site.running().raw("v.raw", old, 16 * MIB)
        before = path.read_bytes()
        file = _sparse(site.folder / "file", layout)
        assert site.host.apply(_upload(site, file))["verified"].all()
        assert path.read_bytes() == file.read_bytes() + before[_SIZE:]
        assert site.host.volumes()["capacity"].tolist() == [16 * MIB]


def test_an_image_is_moved_as_it_is(site: Site) -> None:
    path = site.running().volume("v.qcow2")
    back = site.folder / "back"
    site.host.apply(DownloadVolume(site.pool, "v.qcow2", str(back)))
    assert back.read_bytes() == path.read_bytes()


def test_progress_goes_up_to_the_whole(site: Site) -> None:
    site.running().volume("v.raw", _SIZE, "raw")
    file = _sparse(site.folder / "file", LAYOUTS["hole in the middle"])
    for action in (_upload(site, file), DownloadVolume(site.pool, "v.raw", str(site.folder / "back"))):
        told: list[tuple[int, int]] = []
        site.host.apply(action, lambda _words, told=told: lambda *step: told.append(step))  # type: ignore[misc]
        assert [done for done, _total in told] == sorted(done for done, _total in told)
        assert told[-1] == (_SIZE, _SIZE)


@pytest.mark.parametrize("error", [OSError("broken bar"), KvmnbError("a", "b")])
def test_a_reporter_that_fails_leaves_no_file(site: Site, error: Exception) -> None:
    site.running().raw("v.raw", os.urandom(MIB))

    def fail(_done: int, _total: int) -> None:
        raise error

    before = state(site)
    with pytest.raises(KvmnbError):
        site.host.apply(DownloadVolume(site.pool, "v.raw", str(site.folder / "back")), lambda _words: fail)
    assert state(site) == before


_INTERRUPTED = """
import os, signal, sys
import kvmnb
uri, kind, pool, file = sys.argv[1:]
action = {
    "up": lambda: kvmnb.UploadVolume(pool, "v.raw", file, confirm="v.raw"),
    "down": lambda: kvmnb.DownloadVolume(pool, "v.raw", file),
}[kind]()
def progress(words):
    def told(done, total):
        if done > total // 4 and not progress.sent:
            progress.sent = True
            os.kill(os.getpid(), signal.SIGINT)
    return told
progress.sent = False
host = kvmnb.connect(uri, readonly=False)
try:
    host.apply(action, progress)
except KeyboardInterrupt:
    print(*host.audit()["event"])
    print(host.volumes()["status"].tolist())
else:
    print("it was not interrupted")
"""


@pytest.mark.parametrize("kind", ["up", "down"])
def test_ctrl_c_ends_the_transfer(site: Site, kind: str) -> None:
    path = site.running().raw("v.raw", os.urandom(MIB), _SIZE)
    file = site.folder / "file"
    if kind == "up":
        _sparse(file, LAYOUTS["all data"])
    before = sorted(site.folder.rglob("*"))
    done = subprocess.run(
        [sys.executable, "-c", _INTERRUPTED, site.daemon.uri, kind, site.pool, str(file)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.splitlines() == ["intent failed", "['ok']"], done.stderr
    assert sorted(site.folder.rglob("*")) == before
    # The daemon holds the volume no more: it can be written to, whole.
    file = _sparse(site.folder / "other", LAYOUTS["all data"])
    site.host.apply(_upload(site, file))
    assert digest(path) == digest(file)


def test_a_file_that_shrinks_on_the_way_is_told(site: Site) -> None:
    site.running().volume("v.raw", _SIZE, "raw")
    file = _sparse(site.folder / "file", LAYOUTS["all data"])
    cut = threading.Event()

    def told(done: int, _total: int) -> None:
        if done > MIB and not cut.is_set():
            cut.set()
            os.truncate(file, 2 * MIB)

    with pytest.raises(ActionFailed):
        site.host.apply(_upload(site, file), lambda _words: told)
    assert cut.is_set()
    assert site.host.volumes()["status"].tolist() == ["ok"]


def test_a_file_that_appears_meanwhile_is_kept(site: Site) -> None:
    site.running().raw("v.raw", os.urandom(MIB), _SIZE)
    file = site.folder / "back"

    def told(_done: int, _total: int) -> None:
        file.write_text("mine")

    with pytest.raises(KvmnbError, match="exists"):
        site.host.apply(DownloadVolume(site.pool, "v.raw", str(file)), lambda _words: told)
    assert file.read_text() == "mine"
    assert {entry.name for entry in site.folder.iterdir()} == {"back", site.target.name}


def test_a_file_named_like_a_part_is_not_touched(site: Site) -> None:
    site.running().raw("v.raw", b"data")
    part = site.folder / ".back.part"
    part.write_text("mine")
    back = site.folder / "back"
    assert site.host.apply(DownloadVolume(site.pool, "v.raw", str(back)))["verified"].all()
    assert part.read_text() == "mine"
    assert {entry.name for entry in site.folder.iterdir()} == {"back", part.name, site.target.name}


@pytest.mark.parametrize("why", [errno.EPERM, errno.EOPNOTSUPP])
def test_a_file_system_without_hard_links(site: Site, monkeypatch: pytest.MonkeyPatch, why: int) -> None:
    path = site.running().raw("v.raw", b"data")
    back = site.folder / "back"

    def no_link(*_names: object) -> None:
        raise OSError(why, os.strerror(why))

    monkeypatch.setattr(os, "link", no_link)
    download = DownloadVolume(site.pool, "v.raw", str(back))

    def told(_done: int, _total: int) -> None:
        back.write_text("mine")

    with pytest.raises(KvmnbError, match="exists"):
        site.host.apply(download, lambda _words: told)
    assert back.read_text() == "mine"
    back.unlink()
    assert site.host.apply(download)["verified"].all()
    assert digest(back) == digest(path)
    assert {entry.name for entry in site.folder.iterdir()} == {"back", site.target.name}


def test_what_a_shorter_file_leaves_is_told(site: Site) -> None:
    site.running().raw("v.raw", b"old" * 1000)
    file = site.folder / "file"
    file.write_bytes(b"new")
    [step] = site.host.plan(_upload(site, file))
    assert f"{8 * MIB - 3} bytes of the old content" in str(step.warnings[0])
    assert "Wipe the volume first" in str(step.warnings[0])
    site.volume("empty.raw", 8 * MIB, "raw")
    [step] = site.host.plan(UploadVolume(site.pool, "empty.raw", str(file), confirm="empty.raw"))
    assert not step.problems


def test_ctrl_c_during_a_call_of_libvirt_is_heard_and_undone(site: Site) -> None:
    """Python hears the signal once the call has ended, so that what it made is there."""
    site.running()
    program = """
import os, signal, sys, threading, time
import kvmnb
uri, pool, path = sys.argv[1:]
host = kvmnb.connect(uri, readonly=False)
def strike():
    while not os.path.exists(path):
        time.sleep(0.0002)
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=strike).start()
try:
    host.apply(kvmnb.CreateVolume(pool, "new", 64 << 20, "qcow2", "falloc"))
except KeyboardInterrupt:
    print("interrupted")
"""
    path = site.target / "new"
    done = subprocess.run(
        [sys.executable, "-c", program, site.daemon.uri, site.pool, str(path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == "interrupted\n", done.stderr
    assert site.host.volumes().empty
    assert not path.exists()
    site.host.apply(CreateVolume(site.pool, "new", MIB))
