"""The folder that a comparison works in: where it may be, and that nothing of it is left."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from kvmnb.errors import BadValue
from kvmnb.images import workspace as room
from kvmnb.images.workspace import filesystem, folder, require_space, workspace
from tests.images.places import HOSTILE, MIB, NOT_ROOT, contents, fill, small_disk

_WAITING = """
import sys, time
from kvmnb.images.workspace import folder, workspace
with workspace(folder(sys.argv[1])) as own:
    (own / "image").write_bytes(b"x")
    print("there", flush=True)
    time.sleep(60)
"""


def _waiting(place: Path) -> subprocess.Popen[str]:
    """Start a process that holds a workspace, as a comparison does."""
    held = subprocess.Popen([sys.executable, "-c", _WAITING, place], stdout=subprocess.PIPE, text=True)
    assert held.stdout is not None
    assert held.stdout.readline() == "there\n"
    held.stdout.close()
    return held


def _kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_place_may_be_called_anything(tmp_path: Path, name: str) -> None:
    place = tmp_path / name
    place.mkdir()
    assert folder(place) == place
    with workspace(place) as own:
        assert own.is_dir()
        (own / "image").write_bytes(b"x")
        [hidden] = place.iterdir()
        assert hidden.name.startswith(".kvmnb-comparison-")
        assert stat.S_IMODE(hidden.stat().st_mode) == 0o700
        assert (hidden / "image").read_bytes() == b"x"
        assert not set(str(own)) & set(" '\",:%\n*~")
    assert list(place.iterdir()) == []


def test_a_place_may_be_relative_a_link_or_begin_at_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real" / "-x").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert folder("real") == folder("link") == folder("~/link") == tmp_path / "real"
    assert folder("real/../link/-x") == tmp_path / "real" / "-x"
    assert folder(".") == tmp_path
    monkeypatch.chdir("real")
    assert folder("-x") == tmp_path / "real" / "-x"


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("", "empty text"),
        ("missing", "does not exist"),
        ("file", "is no folder"),
        ("file/below", "does not exist"),
        ("dangling", "does not exist"),
        ("loop", "cannot be looked at|does not exist"),
        ("a\0b", "cannot be looked at|does not exist"),
        ("~nobody-of-this-name/x", "cannot be looked at"),
        ("x" * 300, "cannot be looked at"),
    ],
)
def test_what_is_no_place_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("dangling").symlink_to("nowhere")
    Path("loop").symlink_to("loop")
    before = contents(tmp_path)
    with pytest.raises(BadValue, match=said):
        folder(where)
    assert contents(tmp_path) == before


@NOT_ROOT
def test_a_place_that_may_not_be_written_to_is_named(tmp_path: Path) -> None:
    with (
        small_disk(tmp_path / "frozen", MIB, "ro") as place,
        pytest.raises(BadValue, match="may not be written to"),
    ):
        folder(place)


@NOT_ROOT
def test_a_full_place_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", MIB, "nr_inodes=3") as place:
        with pytest.raises(BadValue, match=r"needs 2 MiB, and .* has 1 MiB free"):
            require_space(place, 2 * MIB, "It")
        fill(place)
        with pytest.raises(BadValue, match="No space left"), workspace(place):
            raise AssertionError("there is no room for the folder's lock")
        assert [path.name for path in place.iterdir()] == ["filler"]
        assert filesystem(place) == "tmpfs"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_nothing_is_left_however_it_ends(tmp_path: Path, error: type[BaseException]) -> None:
    def fail() -> None:
        with workspace(tmp_path) as own:
            (own / "deep" / "down").mkdir(parents=True)
            (own / "deep" / "image").touch()
            raise error

    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(error):
        fail()
    assert list(tmp_path.iterdir()) == []
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_what_a_killed_process_left_is_removed_and_what_one_at_work_has_is_not(tmp_path: Path) -> None:
    killed, living = _waiting(tmp_path), _waiting(tmp_path)
    try:
        assert len(list(tmp_path.iterdir())) == 2
        _kill(killed)
        with workspace(tmp_path) as own, workspace(tmp_path) as other:
            assert len(list(tmp_path.iterdir())) == 3
            assert not own.samefile(other)
        [left] = tmp_path.iterdir()
        assert (left / "image").read_bytes() == b"x"
    finally:
        _kill(living)
    with workspace(tmp_path):
        assert len(list(tmp_path.iterdir())) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_was_never_locked_goes_once_it_is_old(tmp_path: Path) -> None:
    young, old, used = (tmp_path / f".kvmnb-comparison-{name}" for name in ("young", "old", "used"))
    for made in (young, old, used):
        made.mkdir()
    (used / "file").touch()
    for made in (old, used):
        os.utime(made, (0, 0))
    with workspace(tmp_path):
        assert young.exists()
        assert not old.exists()
        assert (used / "file").exists()  # it is not known whose it is


@NOT_ROOT
def test_a_trap_of_another_user_is_left_alone(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "lock").touch()
    place = tmp_path / "place"
    place.mkdir()
    (place / ".kvmnb-comparison-link").symlink_to(theirs)
    pipe = place / ".kvmnb-comparison-pipe"
    pipe.mkdir()
    os.mkfifo(pipe / "lock")  # whoever opens it to read would wait for ever
    with workspace(place):
        assert (theirs / "lock").exists()
    foreign = place / ".kvmnb-comparison-foreign"
    foreign.mkdir()
    (foreign / "lock").touch()
    os.chown(foreign, 12345, -1)
    with workspace(place):
        assert (foreign / "lock").exists()


def test_a_folder_that_is_swept_before_it_is_locked_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = room._locked
    swept: list[Path] = []

    def late(place: Path) -> tuple[Path, int]:
        made = lock(place)
        if not swept:
            swept.append(made[0])
            shutil.rmtree(made[0])
        return made

    monkeypatch.setattr(room, "_locked", late)
    with workspace(tmp_path) as own:
        (own / "image").touch()
        assert len(list(tmp_path.iterdir())) == 1
    assert swept
    assert list(tmp_path.iterdir()) == []
