"""The format-comparison runbook, run headless, leaves nothing in the place, or stops at the start."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from kvmnb import runbook
from kvmnb.errors import RunbookFailed
from tests import notebooks

_QUICK = {"size": "64M", "data": "1M", "formats": "qcow2, vdi"}


def _place(folder: Path) -> Path:
    place = folder / "a place, with 'quotes'"
    place.mkdir()
    (place / "mine.raw").write_bytes(b"mine" * 1000)
    return place


def _content(place: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in place.iterdir()}


def test_it_runs_without_a_daemon_and_leaves_nothing(tmp_path: Path) -> None:
    place, record = _place(tmp_path), tmp_path / "record.ipynb"
    before = _content(place)
    runbook.run(
        "02_format_comparison",
        {"place": str(place), **_QUICK},
        record=record,
        uri=f"qemu:///system?socket={tmp_path}/absent",
    )
    assert _content(place) == before
    said = "".join(notebooks.texts(notebooks.read(record)))
    assert "left behind: nothing" in said
    assert "Disks of 64 MiB with 1 MiB of data" in said


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"size": "10X"}, "cannot be compared here"),
        ({"data": "2G"}, "cannot be compared here"),
        ({"formats": "qcow2, nonsense"}, "cannot be compared here"),
        ({"place": "/absent/folder"}, "cannot be compared here"),
    ],
)
def test_a_bad_parameter_stops_it_before_anything_is_written(
    tmp_path: Path, parameters: dict[str, str], said: str
) -> None:
    place, record = _place(tmp_path), tmp_path / "record.ipynb"
    before = _content(place)
    with pytest.raises(RunbookFailed, match=said):
        runbook.run("02_format_comparison", {"place": str(place), **_QUICK, **parameters}, record=record)
    assert _content(place) == before
