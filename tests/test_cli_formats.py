"""The command that compares formats: what it prints, and that it leaves nothing however it is ended."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from kvmnb.cli import main
from kvmnb.guests.holders import holders_of
from kvmnb.images.compare import compare_formats
from kvmnb.schema import FORMATS
from tests.images.places import children_of, contents, wait_for

_SMALL = ["--size", "64M", "--data", "1M", "--formats"]

#: What lies in the comparison's folder while each of its phases is under way.
_PHASES = {"creating": "part*", "features": "tmp*/image", "throughput": "throughput/image0"}


@contextmanager
def _comparing(place: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start the command in a process of its own; it is gone at the end whatever happens."""
    command = [sys.executable, "-m", "kvmnb", "formats", "--in", str(place), *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _begun(place: Path, process: subprocess.Popen[bytes], phase: str) -> None:
    """Wait until a phase is under way."""

    def there() -> bool:
        assert process.poll() is None, "it ended too soon"
        with suppress(OSError):  # what is looked at may be removed in that moment
            return any(place.glob(f".kvmnb-comparison-*/{_PHASES[phase]}"))
        return False

    wait_for(there)


def test_the_report_says_where_what_and_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine").write_text("mine")
    before = contents(tmp_path)
    assert main(["formats", "--in", str(tmp_path), *_SMALL, "raw;dmg;vmdk:subformat=streamOptimized"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    lines = printed.out.splitlines()
    assert lines[0].startswith(f"Disks of 64 MiB with 1 MiB of data, in {tmp_path} (")
    titles = ("What it takes", "What it can do", "Throughput", "What is said", "Choose this when")
    assert [line for line in lines if line.startswith(titles)] == [
        line for title in titles for line in lines if line.startswith(title)
    ]
    assert sum("dmg: cannot be created (Format driver 'dmg' does not" in line for line in lines) == 3
    assert sum(line.startswith("vmdk subformat=streamOptimized") for line in lines) == 3
    assert "kvmnb-comparison" not in printed.out
    assert "/proc/" not in printed.out
    assert contents(tmp_path) == before


@pytest.mark.parametrize("form", ["csv", "json"])
def test_programs_get_the_whole_frame(tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str) -> None:
    assert main(["formats", "--in", str(tmp_path), "--format", form, *_SMALL, "raw"]) == 0
    printed = capsys.readouterr().out
    rows = json.loads(printed) if form == "json" else list(csv.DictReader(io.StringIO(printed)))
    assert [row["candidate"] for row in rows] == ["raw"]
    assert set(rows[0]) == set(FORMATS.names)
    assert int(rows[0]["created_apparent"]) == 64 << 20


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--size", "1X"], "has the unknown unit 'X'. Write"),
        (["--size", "0"], "cannot be compared. Give one from"),
        (["--data", "2G"], "cannot be written to 1 GiB"),
        (["--formats", "raw,qcow3"], "knows no format 'qcow3'. Choose from raw"),
        (["--formats", "raw,"], "A format is a name, not ''"),
        (["--in", "/nowhere/at\x1b[31m all"], r"'/nowhere/at\x1b[31m all' does not exist"),
    ],
)
def test_what_will_not_do_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["formats", *words]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert said in printed.err
    assert printed.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_terminal_sees_how_far_it_is(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    command = [sys.executable, "-m", "kvmnb", "formats", "--in", str(tmp_path), *_SMALL, "raw"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs) as process:
        os.close(theirs)
        seen = b""
        with suppress(OSError):  # the terminal has been left
            while piece := os.read(ours, 4096):
                seen += piece
    os.close(ours)
    assert process.returncode == 0
    for phase in (b"Creating and converting", b"Sizes and features", b"Throughput"):
        assert phase + b": 100%" in seen


@pytest.mark.parametrize("phase", _PHASES)
def test_ctrl_c_leaves_nothing(tmp_path: Path, phase: str) -> None:
    (tmp_path / "mine").write_text("mine")
    before = contents(tmp_path)
    names = "qcow2" if phase == "features" else "raw"  # encryption takes long enough to be met
    with _comparing(tmp_path, *_SMALL, names) as process:
        _begun(tmp_path, process, phase)
        process.send_signal(signal.SIGINT)
        if phase == "features":  # a program must end first, and the impatient press it again
            time.sleep(0.1)
            process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    # The second may come when all is done but for Python's own end.
    assert process.returncode in ({130, -signal.SIGINT} if phase == "features" else {130})
    assert (out, err) == (b"", b"")
    assert contents(tmp_path) == before
    assert children_of(process.pid) == []


def test_what_is_told_to_ignore_a_closed_terminal_goes_on(tmp_path: Path) -> None:
    command = ["nohup", sys.executable, "-m", "kvmnb", "formats", "--in", str(tmp_path), *_SMALL, "raw"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _begun(tmp_path, process, "throughput")
        process.send_signal(signal.SIGHUP)
    assert process.returncode == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_request_to_end_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    with _comparing(tmp_path, *_SMALL, "raw") as process:
        _begun(tmp_path, process, "throughput")
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (128 + number, b"", b"")
    assert list(tmp_path.iterdir()) == []
    assert children_of(process.pid) == []


def test_what_a_killed_run_left_is_removed_by_the_next_and_a_living_one_is_left_alone(tmp_path: Path) -> None:
    with _comparing(tmp_path, *_SMALL, "raw") as killed, _comparing(tmp_path, *_SMALL, "raw") as living:
        for process in (killed, living):
            _begun(tmp_path, process, "creating")
        wait_for(lambda: len(list(tmp_path.iterdir())) == 2)
        killed.kill()
        killed.communicate()
        # A child that has not become its program yet holds the folder too.
        wait_for(lambda: not all([*holders_of(folder)] for folder in tmp_path.iterdir()))
        frame = compare_formats(tmp_path, "64M", ["raw"], data="1M")
        out, err = living.communicate(timeout=30)
    assert frame["status"].tolist() == ["ok"]
    assert (living.returncode, err) == (0, b"")
    assert b"Choose this when" in out
    assert list(tmp_path.iterdir()) == []
