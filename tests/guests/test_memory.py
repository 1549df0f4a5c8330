"""What is remembered of a guest's disks is given again only while nothing of it has changed."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from kvmnb.guests import memory
from kvmnb.guests.disks import GuestDisk
from kvmnb.guests.health import findings

_ROWS = [{"disks": ["vda"], "status": "ok", "reason": None}]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def _remembered(tmp_path: Path, *options: str) -> tuple[GuestDisk, ...]:
    image = tmp_path / "image.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *options, image, "1M"], check=True)
    disks = (GuestDisk("vda", str(image), "qcow2"),)
    memory.keep(disks, memory.before(disks), _ROWS, 1)
    assert memory.recall(disks) == (_ROWS, 1)
    return disks


def test_data_in_a_file_beside_the_image_is_watched_too(tmp_path: Path) -> None:
    data = tmp_path / "data.raw"
    disks = _remembered(tmp_path, "-o", f"data_file={data},data_file_raw=on")
    os.utime(data)
    assert memory.recall(disks) is None


def test_another_libguestfs_is_asked_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = tmp_path / "supermin.d"
    part.touch()
    monkeypatch.setattr(
        memory, "_PARTS", (os.path.relpath(part, "/usr/lib"),)
    )  # as if it were installed there
    disks = _remembered(tmp_path)
    os.utime(part, (1, 1))
    assert memory.recall(disks) is None


@pytest.mark.parametrize("told", ["", "\0", "[]", '{"rows": 5, "read_at": 1}', '{"rows": [7], "read_at": 1}'])
def test_what_is_broken_is_not_recalled(tmp_path: Path, told: str) -> None:
    disks = _remembered(tmp_path)
    (kept,) = (tmp_path / "cache" / "kvmnb" / "guests").iterdir()
    assert json.loads(kept.read_text())["rows"] == _ROWS
    kept.write_text(told)
    assert memory.recall(disks) is None


def test_a_cache_folder_that_is_not_there_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIBGUESTFS_CACHEDIR", str(tmp_path / "nowhere"))
    (found,) = [one for one in findings() if one[0] == "appliance cache"]
    assert found[1] is None
    assert "nowhere" in str(found[3])
