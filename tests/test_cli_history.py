"""The commands ``kvmnb sample`` and ``kvmnb history``."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from kvmnb.cli import main
from kvmnb.cli.history import _FRAMES
from kvmnb.samples.reading import STORED, history
from tests.daemon import Daemon
from tests.plugin import RunningPool
from tests.samples.making import NOON, data_files, put

KVMNB = [sys.executable, "-m", "kvmnb"]


def run(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    """Run the command; give its exit code and what it printed."""
    code = main([str(word) for word in words])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_the_frames_are_those_of_a_store() -> None:
    assert set(_FRAMES) == set(STORED)


def test_a_sample_is_taken_and_shown(
    clean_daemon: Daemon, pool: RunningPool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ("--store", tmp_path, "--format", "json")
    code, out, err = run(capsys, "sample", *place, "--connect", clean_daemon.uri)
    assert (code, err) == (0, "")
    row = json.loads(out)[0]
    code, out, _ = run(capsys, "history", "list", *place)
    assert code == 0
    assert [(one["host"], one["samples"], one["uri"]) for one in json.loads(out)] == [
        (row["host"], 1, clean_daemon.uri)
    ]
    code, out, _ = run(capsys, "history", "show", "pools", "--since", "1h", *place)
    assert [(one["name"], one["sample"]) for one in json.loads(out)] == [(pool.name, row["sample"])]


def test_a_daemon_that_does_not_answer_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    uri = f"qemu+unix:///system?socket={tmp_path}/absent"
    code, out, err = run(capsys, "sample", "--store", tmp_path / "store", "--connect", uri)
    assert (code, out) == (1, "")
    assert "Could not connect" in err
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_goes_on_until_a_signal(clean_daemon: Daemon, tmp_path: Path, number: signal.Signals) -> None:
    words = ["sample", "--every", "0.2s", "--no-inside", "--store", str(tmp_path)]
    with subprocess.Popen(
        [*KVMNB, *words, "--connect", clean_daemon.uri],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        lines = [running.stdout.readline() for _ in range(3)]
        running.send_signal(number)
        more, errors = running.communicate(timeout=60)
    assert running.returncode == 0
    assert errors == ""
    told = [*lines, *more.splitlines()]
    assert history("samples", tmp_path)["sample"].tolist() == [
        line.partition("sample ")[2].partition(",")[0] for line in told
    ]
    assert list((tmp_path / ".parts").iterdir()) == []


def test_a_daemon_that_is_away_for_a_while_is_told_and_tried_again(
    clean_daemon: Daemon, tmp_path: Path
) -> None:
    link = tmp_path / "socket"
    uri = clean_daemon.uri.partition("=")[0] + f"={link}"
    words = ["sample", "--every", "0.1s", "--no-inside", "--store", str(tmp_path / "store"), "--connect", uri]
    with subprocess.Popen(
        [*KVMNB, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert "Could not connect" in running.stderr.readline()
        link.symlink_to(clean_daemon.uri.partition("=")[2])
        assert "sample" in running.stdout.readline()
        running.terminate()
        running.communicate(timeout=60)
    assert running.returncode == 0
    assert len(history("samples", tmp_path / "store")) >= 1


def test_a_frame_is_shown_with_its_times(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for hour, host in enumerate("ab"):
        put(tmp_path, NOON + timedelta(hours=hour), host=host)
    code, out, err = run(capsys, "history", "show", "volumes", "--store", tmp_path, "--tz", "Europe/Berlin")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].split()[:3] == ["sampled_at", "host", "pool"]
    assert lines[1].startswith("2024-11-25 13:00:00 CET  a")
    assert len(lines) == 5
    _, out, _ = run(capsys, "history", "show", "volumes", "--store", tmp_path, "--host", "b", "--every", "1d")
    assert len(out.splitlines()) == 3


def test_what_cannot_be_read_is_told_beside_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path, NOON)
    data_files(tmp_path / "volumes")[0].write_bytes(b"x")
    put(tmp_path, NOON)
    code, out, err = run(capsys, "history", "show", "volumes", "--store", tmp_path)
    assert code == 1
    assert len(out.splitlines()) == 3
    assert str(tmp_path) in err


def test_compacting_and_pruning_tell_what_they_did(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        put(tmp_path, NOON)
    code, out, _ = run(capsys, "history", "compact", "--store", tmp_path)
    assert code == 0
    assert len(out.splitlines()) == 5
    code, out, _ = run(capsys, "history", "prune", "--keep", "30d", "--store", tmp_path)
    assert code == 0
    assert len(out.splitlines()) == 5
    assert data_files(tmp_path) == []
    code, out, _ = run(capsys, "history", "prune", "--keep", "30d", "--store", tmp_path)
    assert (code, "no rows" in out) == (0, True)


@pytest.mark.parametrize(
    "words",
    [
        ["sample", "--every", "5"],
        ["sample", "--every", "5M"],
        ["history"],
        ["history", "prune"],
        ["history", "prune", "--keep", "1y"],
        ["history", "show", "ls"],
    ],
)
def test_wrong_usage_is_said(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "error" in capsys.readouterr().err


def test_a_store_without_a_name_is_not_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for words in (["sample", "--no-inside", "--connect", "test:///default"], ["history", "list"]):
        assert main([*words, "--store", ""]) == 1
        assert "The store of samples has no name. Name a folder" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_is_not_there_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for what in (["list"], ["compact"], ["prune", "--keep", "1d"], ["show", "pools"]):
        code, _, err = run(capsys, "history", *what, "--store", tmp_path / "absent")
        assert code == 1
        assert "There is no store of samples" in err
