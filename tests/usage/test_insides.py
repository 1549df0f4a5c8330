"""What is told of a guest's inside is what virt-df tells; what is reclaimable is what a trim gives back."""

from __future__ import annotations

import csv
import io
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import kvmnb
from kvmnb.guests.appliance import interpreter, settings
from tests.daemon import Daemon, program
from tests.guests.kinds import Kinds
from tests.storage.builders import MIB, qemu_img
from tests.usage.hosts import rows

_WORKER = Path(__file__).with_name("insides_worker.py")

#: The disks in the guest's order, with their formats.
_DISKS = {
    "thin.raw": "raw",
    "image.qcow2": "qcow2",
    "full.raw": "raw",
    "top.qcow2": "qcow2",
    "pv1.qcow2": "qcow2",
    "pv2.qcow2": "qcow2",
}

#: What ext4 and xfs of these sizes keep for a journal and their own tables, neither used nor free.
_TABLES = 16 * MIB


@dataclass(frozen=True)
class Told:
    """What the kit and virt-df tell, and what each disk took before and after a trim."""

    frame: pd.DataFrame
    virt_df: str
    before: dict[str, int]
    after: dict[str, int]

    def row(self, name: str) -> dict[Any, Any]:
        return {Path(str(path)).name: row for path, row in rows(self.frame, "path").items()}[name]

    def given_back(self, name: str) -> int:
        return self.before[name] - self.after[name]


@pytest.fixture(scope="module")
def folder(daemon: Daemon) -> Iterator[Path]:
    folder = daemon.folder / "insides"
    folder.mkdir()
    yield folder
    daemon.clean()


def _work(task: str, folder: Path) -> None:
    disks = [f"{folder / name}:{kind}" for name, kind in _DISKS.items()]
    subprocess.run([interpreter(), "-I", str(_WORKER), task, *disks], check=True, env=os.environ | settings())


def _taken(folder: Path) -> dict[str, int]:
    os.sync()
    return {name: (folder / name).stat().st_blocks * 512 for name in _DISKS}


def _make(folder: Path) -> None:
    """Make the disks; one is an overlay of a file system with a file in it, one takes all of itself."""
    (folder / "tree").mkdir()
    (folder / "tree" / "old").write_bytes(b"o" * 20 * MIB)
    for name, size in {"thin.raw": "400M", "full.raw": "96M", "base.raw": "160M"}.items():
        qemu_img("create", "-f", "raw", folder / name, size)
    for name, size in {"image.qcow2": "500M", "pv1.qcow2": "100M", "pv2.qcow2": "100M"}.items():
        qemu_img("create", "-f", "qcow2", folder / name, size)
    mkfs = program("mkfs.ext4", "e2fsprogs")
    subprocess.run([mkfs, "-q", "-d", folder / "tree", folder / "base.raw"], check=True)
    qemu_img("create", "-f", "qcow2", "-b", folder / "base.raw", "-F", "raw", folder / "top.qcow2")
    _work("fill", folder)
    with (folder / "full.raw").open("r+b") as file:  # only now, since making a file system trims
        os.posix_fallocate(file.fileno(), 0, 96 * MIB)


@pytest.fixture(scope="module")
def told(daemon: Daemon, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Make the guest, read it, have virt-df read it, and trim it."""
    _make(folder)
    Kinds(folder, daemon).guest("vm", *_DISKS.items())
    with pytest.MonkeyPatch.context() as patch, kvmnb.connect(daemon.uri) as host:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        words = ["virt-df", "--csv", "-c", daemon.uri, "-d", "vm"]
        environment = os.environ | settings() | {"LC_ALL": "C"}
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as beside:
            before, frame = _taken(folder), host.usage()
            virt_df, _ = beside.communicate()
    _work("trim", folder)
    return Told(frame, virt_df, before, _taken(folder))


def test_what_is_used_is_what_virt_df_says(told: Told) -> None:
    # By their sizes, since it may call them by other letters when the machine is busy.
    rows = csv.DictReader(io.StringIO(told.virt_df))
    virt_df = {int(row["1K-blocks"]): int(row["Used"]) for row in rows}
    assert len(virt_df) == 5
    devices = {
        "thin.raw": "/dev/sda1",
        "image.qcow2": "/dev/sdb1",
        "full.raw": "/dev/sdc",
        "top.qcow2": "/dev/sdd",
    }
    for name, device in devices.items():
        row = told.row(name)
        used = virt_df[(row["used"] + row["free"]) // 1024]
        assert -(-row["used"] // 1024) in {used, used + 1}
        assert device in row["filesystems"]
        assert row["status"] == "ok"


@pytest.mark.parametrize("name", list(_DISKS))
def test_what_a_trim_gives_back_is_within_the_bounds(told: Told, name: str) -> None:
    row = told.row(name)
    assert row["allocation"] == told.before[name]
    assert row["reclaimable_least"] <= told.given_back(name) <= row["reclaimable_most"]


@pytest.mark.parametrize(("name", "removed"), [("thin.raw", 30), ("image.qcow2", 30), ("top.qcow2", 20)])
def test_a_trim_gives_back_what_was_removed(told: Told, name: str, removed: int) -> None:
    assert told.given_back(name) == pytest.approx(removed * MIB, abs=2 * MIB)


@pytest.mark.parametrize("name", ["thin.raw", "image.qcow2"])
def test_the_estimate_is_near(told: Told, name: str) -> None:
    more = told.row(name)["reclaimable"] - told.given_back(name)
    assert 0 <= more <= _TABLES


def test_of_a_disk_that_is_taken_whole_it_is_certain(told: Told) -> None:
    row = told.row("full.raw")
    assert row["allocation"] >= 96 * MIB
    assert row["reclaimable_least"] == row["reclaimable"] == row["reclaimable_most"] == row["free"]
    assert told.given_back("full.raw") == pytest.approx(row["free"], rel=0.01)


def test_of_an_overlay_the_estimate_is_cautious(told: Told) -> None:
    row = told.row("top.qcow2")
    assert row["reclaimable"] == row["allocation"] - row["used"]
    assert 0 < row["reclaimable"] < told.given_back("top.qcow2")
    base = told.row("base.raw")
    assert (base["role"], base["used"], base["reclaimable"], base["promised"]) == ("backing", None, None, 0)


def test_what_lies_on_two_disks_is_not_split(told: Told) -> None:
    for name, other in (("pv1.qcow2", "vde"), ("pv2.qcow2", "vdf")):
        row = told.row(name)
        assert row["status"] == "spread"
        assert row["used"] is row["free"] is row["reclaimable"] is None
        assert "/dev/vg/data lies on vde, vdf together" in row["problem"]
        assert row["target"] == other
