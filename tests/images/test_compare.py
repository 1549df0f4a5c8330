"""The comparison as a whole: a row for every candidate, as declared, and nothing left or touched."""

from __future__ import annotations

import os
import platform
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pytest

from kvmnb.errors import BadValue
from kvmnb.images.advice import advise, check_sayings
from kvmnb.images.candidates import choose
from kvmnb.images.compare import compare_formats
from kvmnb.images.installed import formats as known_formats
from kvmnb.schema import FEATURES, FORMATS, STAGES, WORKLOADS
from tests.images import by_hand
from tests.images.places import (
    GIB,
    HOSTILE,
    MIB,
    NOT_ROOT,
    children_of,
    contents,
    fill,
    small_disk,
)

PHASES = ("Creating and converting", "Sizes and features", "Throughput")

_ASKED = ("vpc", "qcow2", "luks", "dmg", "file", "qcow2:nonsense=1", "qcow2:cluster_size=3", "raw full")
_UNMADE = {
    "luks": "Parameter 'key-secret' is required for cipher",
    "dmg": "Format driver 'dmg' does not support image creation",
    "file": "'file' is no format of disk images",
    "qcow2 nonsense=1": "Invalid parameter 'nonsense'",
    "qcow2 cluster_size=3": "Cluster size must be a power of two between 512 and 2048k",
}


@dataclass
class Steps:
    """Keeps what is told of the steps: phase, done, total, when and by which thread."""

    act: Callable[[str, int, int], None] | None = None
    began: float = field(default_factory=time.monotonic)
    told: list[tuple[str, int, int, float, int]] = field(default_factory=list)

    def __call__(self, phase: str) -> Callable[[int, int], None]:
        def tell(done: int, total: int) -> None:
            self.told.append((phase, done, total, time.monotonic() - self.began, threading.get_ident()))
            if self.act:
                self.act(phase, done, total)

        return tell


@dataclass
class Done:
    """One comparison, and what was there before and after it."""

    frame: pd.DataFrame
    steps: Steps
    place: Path
    before: dict[str, tuple[str, int, int]]


def _of_user(place: Path) -> None:
    """Put a user's files into a place, with names such as the comparison's own have."""
    for name in ("image", "source.raw", "block", "vm1.qcow2", "-x", "part0"):
        (place / name).write_bytes(os.urandom(4096))
    (place / "lock").symlink_to("vm1.qcow2")
    (place / ".kvmnb-comparison").mkdir()


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """Compare once, in a place whose name holds every trap, beside a user's files."""
    place = tmp_path_factory.mktemp("place") / "".join(HOSTILE)
    place.mkdir()
    _of_user(place)
    before, steps = contents(place), Steps()
    frame = compare_formats(place, "64M", _ASKED, data="1M", progress=steps)
    return Done(frame, steps, place, before)


@pytest.fixture(scope="module")
def rows(done: Done) -> pd.DataFrame:
    return done.frame.set_index("candidate")


def test_every_candidate_is_a_row_in_order_raw_first(done: Done) -> None:
    names = [candidate.name for candidate in choose(_ASKED, known_formats())]
    assert done.frame["candidate"].tolist() == names
    assert names[0] == "raw"
    assert len(names) == len(_ASKED) + 1


def test_the_frame_is_as_declared(done: Done) -> None:
    empty = FORMATS.empty()
    assert done.frame.dtypes.to_dict() == empty.dtypes.to_dict()
    assert done.frame.columns.tolist() == empty.columns.tolist()
    told = done.frame.attrs
    assert set(told) == {"frame", *FORMATS.attrs}
    assert (told["where"], told["size"], told["data"]) == (str(done.place), 64 * MIB, MIB)
    assert (told["rounds"], told["host"]) == (3, platform.node())
    version = subprocess.run(["qemu-img", "--version"], capture_output=True, text=True, check=True).stdout
    assert f"version {told['qemu']} " in version
    findmnt = ["findmnt", "-n", "-o", "FSTYPE", "-T", str(done.place.parent)]
    assert subprocess.run(findmnt, capture_output=True, text=True, check=True).stdout == (
        told["filesystem"] + "\n"
    )
    assert abs((pd.Timestamp.now("UTC") - pd.Timestamp(told["read_at"])).total_seconds()) < 300


def test_what_cannot_be_made_says_why_and_knows_nothing(done: Done, rows: pd.DataFrame) -> None:
    problems = rows["problem"].dropna().to_dict()
    assert problems == _UNMADE
    assert (rows.loc[list(_UNMADE), "status"] == "cannot be created").all()
    assert (rows.drop(list(_UNMADE))["status"] == "ok").all()
    unknown = [*FEATURES, *WORKLOADS, "virtual_size", "create_seconds", "created_allocated", "cache"]
    assert rows.loc[list(_UNMADE), unknown].isna().all(axis=None)


def test_nothing_said_names_the_comparison_s_own_files(done: Done) -> None:
    text = done.frame.drop(columns="host").to_json(force_ascii=False, default_handler=str)
    text += advise(done.frame).to_json() + check_sayings(done.frame).to_json()
    for own in ("/proc/", "kvmnb-comparison", "part0", done.place.parent.name):
        assert own not in text, own


def test_sizes_and_features_are_there(rows: pd.DataFrame) -> None:
    measured = rows[rows["status"] == "ok"]
    for stage in ("created", "written", "discarded"):
        assert measured[[f"{stage}_apparent", f"{stage}_allocated"]].notna().all(axis=None)
    assert measured[list(FEATURES)].notna().all(axis=None)
    qcow2 = measured.loc["qcow2"]
    assert qcow2[[f"{stage}_allocated" for stage in STAGES]].notna().all()
    assert qcow2[list(FEATURES)].all()
    assert (qcow2["cipher"], qcow2["created_apparent"]) == ("luks", 196616)
    assert measured.loc["raw full"]["created_allocated"] >= 64 * MIB
    raw = measured.loc["raw"]
    assert raw["created_allocated"] <= 16 << 10
    assert raw["reasons"][0] == (
        "snapshots: Could not create snapshot 'before': -95 (Operation not supported)"
    )
    assert (measured[["create_seconds", "convert_seconds"]] > 0).all(axis=None)


def test_a_size_that_a_format_rounds_is_shown_as_it_is(rows: pd.DataFrame, tmp_path: Path) -> None:
    image = tmp_path / "image"
    by_hand.img("create", "-q", "-f", "vpc", image, "64M")
    rounded = by_hand.info("vpc", image)["virtual-size"]
    assert rounded != 64 * MIB
    assert rows.loc["vpc", "virtual_size"] == rounded
    assert rows.loc["qcow2", "virtual_size"] == 64 * MIB


def test_throughput_has_its_spread_and_raw_is_one(rows: pd.DataFrame) -> None:
    measured = rows[rows["status"] == "ok"]
    for workload in WORKLOADS:
        ratio, low, high = (measured[f"{workload}{end}"] for end in ("", "_low", "_high"))
        assert ((low <= ratio) & (ratio <= high) & (low > 0)).all()
        assert (measured[f"{workload}_rate"] > 0).all()
        assert (ratio["raw"], low["raw"], high["raw"]) == (1, 1, 1)
    assert measured["cache"].isin(["none", "writeback"]).all()


def test_nothing_is_left_and_nothing_was_touched(done: Done) -> None:
    assert contents(done.place) == done.before
    assert children_of(os.getpid()) == []


def test_progress_begins_at_once_with_nothing_done_and_reaches_its_end(done: Done) -> None:
    told = done.steps.told
    assert tuple(dict.fromkeys(phase for phase, *_ in told)) == PHASES
    for phase in PHASES:
        steps = [(step, total) for name, step, total, *_ in told if name == phase]
        total = steps[0][1]
        assert steps == [(step, total) for step in range(total + 1)]
    assert told[0][3] < 1
    assert {thread for *_, thread in told} == {threading.get_ident()}


def test_advice_of_a_real_comparison(done: Done) -> None:
    sayings = check_sayings(done.frame).set_index("saying")["holds"]
    assert not sayings["raw takes all its space at once"]
    assert sayings["raw has no snapshots"]
    assert sayings["qcow2 grows as it is used"]
    assert sayings["qcow2 has snapshots"]
    assert pd.isna(sayings["qcow is dead"])
    chosen = advise(done.frame).set_index("need")["choose"]
    assert chosen["you want snapshots inside the image"] == ("qcow2",)
    assert chosen["the space must be there, whatever others take"] == ("raw full",)
    assert chosen["another hypervisor must read it"] == ("vpc",)
    assert chosen["nothing else decides"] == ("qcow2",)


def test_a_size_beyond_a_formats_most_is_a_row(tmp_path: Path) -> None:
    frame = compare_formats(tmp_path, "3T", ["vpc"], data="1M")
    assert frame["status"].tolist() == ["ok", "cannot be created"]
    assert frame["problem"].tolist()[1] == "The image size is too large for file format 'vpc'"
    assert frame["virtual_size"].tolist()[0] == 3 << 40
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("size", "data", "formats", "said"),
    [
        (0, "1M", None, "0 bytes cannot be compared"),
        (-1, "1M", None, "negative"),
        ("1X", "1M", None, "unknown unit"),
        (513, "1M", None, "513 bytes cannot be compared"),
        ("16E", "1M", None, "too large"),
        (2**63, "1M", None, "too large"),
        ("64M", "65M", None, "cannot be written to"),
        ("64M", MIB + 1, None, "cannot be written to"),
        ("64M", "1M", ["qcow3"], "knows no format 'qcow3'"),
        ("64M", "1M", ["qcow2:data_file=/etc/hostname"], "'data_file'"),
        ("64T", "64T", None, "Comparing them needs"),
    ],
)
def test_what_will_not_do_is_said_before_anything_is_written(
    tmp_path: Path, size: int | str, data: int | str, formats: list[str] | None, said: str
) -> None:
    before, steps = tmp_path.stat().st_mtime_ns, Steps()
    with pytest.raises(BadValue, match=said):
        compare_formats(tmp_path, size, formats, data=data, progress=steps)
    assert (tmp_path.stat().st_mtime_ns, steps.told) == (before, [])


def test_a_disk_that_the_file_system_cannot_hold_is_named(tmp_path: Path) -> None:
    probe = tmp_path / "probe"
    try:
        with probe.open("wb") as file:
            file.truncate(64 << 40)
    except OSError:
        pass
    else:
        pytest.skip("this file system holds files of 64 TiB")
    finally:
        probe.unlink()
    with pytest.raises(BadValue, match=r"A raw disk of 64 TiB .* File too large"):
        compare_formats(tmp_path, "64T", ["raw"], data="1M")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("error", [KeyboardInterrupt, BrokenPipeError])  # the second from a broken callback
def test_nothing_is_left_when_it_is_stopped(tmp_path: Path, phase: str, error: type[BaseException]) -> None:
    def stop(now: str, done: int, total: int) -> None:
        if now == phase and done == 1:
            assert len(list(tmp_path.iterdir())) == 1
            raise error

    # Encryption is under way in a thread when the second phase is stopped.
    formats = ["qcow2"] if phase == PHASES[1] else ["raw"]
    with pytest.raises(error):
        compare_formats(tmp_path, "64M", formats, data="1M", progress=Steps(stop))
    assert list(tmp_path.iterdir()) == []
    assert children_of(os.getpid()) == []
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ThreadPool")]


@NOT_ROOT
def test_too_little_space_costs_only_those_that_take_all_at_once(tmp_path: Path) -> None:
    size, least = 700 * MIB, []
    with small_disk(tmp_path / "small", size) as place:

        def look(phase: str, done: int, total: int) -> None:
            told = os.statvfs(place)
            least.append(told.f_bavail * told.f_frsize)

        frame = compare_formats(place, "1G", ["raw falloc", "qcow2 full"], data="1M", progress=Steps(look))
        assert list(place.iterdir()) == []
        with pytest.raises(BadValue, match="Comparing them needs"):
            compare_formats(place, "64M", data="64M")
    assert frame["status"].tolist() == ["ok", "no space", "no space"]
    assert frame["problem"].str.startswith("it takes all of its space at once: 1.07 GiB, of which").sum() == 2
    assert frame.loc[1:, ["created_allocated", *FEATURES, *WORKLOADS]].isna().all(axis=None)
    assert frame.loc[0, "sequential_read"] == 1
    assert min(least) > 400 * MIB


@NOT_ROOT
@pytest.mark.parametrize("phase", PHASES)
def test_a_disk_that_fills_up_meanwhile_makes_rows(tmp_path: Path, phase: str) -> None:
    with small_disk(tmp_path / "small", 700 * MIB) as place:

        def take(now: str, done: int, total: int) -> None:
            if now == phase and done == 0:
                fill(place)

        steps = Steps(take)
        frame = compare_formats(place, "64M", ["qcow2"], data="1M", progress=steps)
        assert [path.name for path in place.iterdir()] == ["filler"]
    status = "ok" if phase == PHASES[2] else "no space"
    assert frame["status"].tolist() == [status] * 2
    assert frame[list(WORKLOADS)].isna().all(axis=None)
    if phase == PHASES[1]:
        assert frame["written_allocated"].isna().all()
        assert frame["create_seconds"].notna().all()
    if phase == PHASES[2]:
        assert frame["written_allocated"].notna().all()
        assert frame["cache"].isna().all()
        for reasons in frame["reasons"]:
            assert reasons[-1].startswith("throughput: ")
            assert "No space left" in reasons[-1]
    assert {(done, total) for now, done, total, *_ in steps.told if now == phase} >= {
        (total, total) for now, done, total, *_ in steps.told if now == phase
    }


def test_a_gigabyte_is_asked_for_without_being_taken(tmp_path: Path) -> None:
    least = []

    def look(phase: str, done: int, total: int) -> None:
        [own] = tmp_path.iterdir()
        least.append(sum(path.stat().st_blocks for path in own.rglob("*")) * 512)

    frame = compare_formats(tmp_path, GIB, "raw", data="1M", progress=Steps(look))
    assert frame["created_apparent"].tolist() == [GIB]
    assert max(least) < 400 * MIB
