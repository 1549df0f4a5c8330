"""The pool-setup runbook, run headless, takes down what it made and nothing else, or stops at the start."""

from __future__ import annotations

from pathlib import Path

import pytest

from kvmnb import runbook
from kvmnb.errors import RunbookFailed
from tests.daemon import Daemon


def _run(daemon: Daemon, record: Path, **parameters: object) -> None:
    runbook.run(
        "01_pool_setup",
        {"target": str(daemon.folder / "vmdisk"), **parameters},
        record=record,
        uri=daemon.uri,
    )


def _pools(daemon: Daemon) -> list[str]:
    return daemon.virsh("pool-list", "--all", "--name").split()


def test_nothing_is_left(clean_daemon: Daemon, tmp_path: Path) -> None:
    _run(clean_daemon, tmp_path / "record.ipynb")
    assert _pools(clean_daemon) == []
    assert not (clean_daemon.folder / "vmdisk").exists()


def test_a_folder_that_was_there_stays(clean_daemon: Daemon, tmp_path: Path) -> None:
    folder = clean_daemon.folder / "vmdisk"
    folder.mkdir()
    _run(clean_daemon, tmp_path / "record.ipynb")
    assert _pools(clean_daemon) == []
    assert folder.is_dir()


def test_a_pool_that_was_there_stays_as_it_was(clean_daemon: Daemon, tmp_path: Path) -> None:
    folder = clean_daemon.folder / "vmdisk"
    folder.mkdir()
    clean_daemon.virsh("pool-define-as", "vmdisk", "dir", "--target", str(folder))
    before = clean_daemon.virsh("pool-list", "--all")
    _run(clean_daemon, tmp_path / "record.ipynb")
    assert clean_daemon.virsh("pool-list", "--all") == before
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"capacity": "0"}, "capacity"),
        ({"capacity": "10X"}, "10X"),
        ({"pool": "a/b"}, "a/b"),
        ({"volume": "-x"}, "-x"),
        ({"target": "relative"}, "relative"),
    ],
)
def test_a_bad_parameter_stops_it_before_anything_is_changed(
    clean_daemon: Daemon, tmp_path: Path, parameters: dict[str, str], said: str
) -> None:
    with pytest.raises(RunbookFailed, match=said):
        _run(clean_daemon, tmp_path / "record.ipynb", **parameters)
    assert _pools(clean_daemon) == []
    assert not (clean_daemon.folder / "vmdisk").exists()
