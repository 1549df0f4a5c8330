"""What is read of the guests' file systems equals what virt-df reads, and what cannot be read is said."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest

import kvmnb
from kvmnb.errors import NotFound
from kvmnb.guests import frames
from kvmnb.guests.appliance import ask, settings
from kvmnb.guests.reading import Contents, side_by_side
from kvmnb.host import Host
from kvmnb.schema import DF, FILESYSTEMS
from tests.daemon import Daemon
from tests.guests import kinds
from tests.guests.holding import holding
from tests.guests.kinds import Kinds

#: The frame of the first reading, and what was told of its progress.
First = tuple[pd.DataFrame, list[tuple[int, int, str]]]

#: What a reading frame must never do without.
_SOUND = ["many", "lvm", "twin", "chain"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


@pytest.fixture(scope="module")
def guests(daemon: Daemon, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kinds]:
    """Guests with file systems of every kind; made once, since an appliance takes its time."""
    made = kinds.make(tmp_path_factory.mktemp("kinds"), daemon)
    kinds.make_broken(made)
    yield made
    daemon.clean()


@pytest.fixture(scope="module")
def host(daemon: Daemon, guests: Kinds) -> Iterator[Host]:
    with kvmnb.connect(daemon.uri) as opened:
        yield opened


def _sums(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.suffix in {".raw", ".qcow2"}
    }


@pytest.fixture(scope="module")
def first(host: Host, guests: Kinds) -> First:
    """The first reading of all guests, with what was told of its progress; it must change no image."""
    before = _sums(guests.folder)
    told: list[tuple[int, int, str]] = []
    frame = host.df(progress=lambda _words: lambda *said: told.append(said))
    assert _sums(guests.folder) == before
    return frame, told


@pytest.fixture(scope="module")
def second(host: Host, first: First) -> list[Contents]:
    """The second reading: what is not certain is not remembered, and takes an appliance again."""
    return host.contents(host.inventory())


@pytest.fixture(scope="module")
def systems(host: Host, second: list[Contents]) -> pd.DataFrame:
    """All file systems."""
    return frames.filesystems(second, host.inventory())


def _virt_df(daemon: Daemon, names: list[str]) -> dict[tuple[str, str], tuple[int, int, int, float]]:
    found = {}
    for name in names:
        done = subprocess.run(
            ["virt-df", "--csv", "-c", daemon.uri, "-d", name],
            check=True,
            capture_output=True,
            text=True,
            env=os.environ | settings() | {"LC_ALL": "C"},
            timeout=240,
        )
        for row in csv.DictReader(io.StringIO(done.stdout)):
            sizes = (int(row["1K-blocks"]), int(row["Used"]), int(row["Available"]))
            found[row["VirtualMachine"], row["Filesystem"]] = (*sizes, float(row["Use%"]))
    return found


def test_it_is_what_virt_df_says(first: First, daemon: Daemon, guests: Kinds) -> None:
    frame = first[0]
    told = _virt_df(daemon, ["many", "lvm"])
    told |= {("twin", name): sizes for (guest, name), sizes in told.items() if guest == "lvm"}
    told |= {("chain", name): sizes for (_, name), sizes in told.items() if name.startswith("/dev/sda")}
    ours = frame[frame["guest"].isin(_SOUND) & (frame["status"] == "ok")]
    names = list(zip(ours["guest"], ours["filesystem"], strict=True))
    assert sorted(names) == sorted(told)
    assert len(names) == len(set(names)) == 12
    for row in ours.to_dict("records"):
        blocks, used, available, use = told[row["guest"], row["filesystem"]]
        assert row["capacity"] // 1024 == blocks
        assert -(-row["used"] // 1024) in {used, used + 1}
        assert row["available"] // 1024 == available
        assert row["use"] * 100 == pytest.approx(use, abs=0.06)


def test_every_kind_is_there(first: First) -> None:
    frame = first[0]
    many = frame[frame["guest"] == "many"].set_index("filesystem")
    assert many["type"].to_dict() == {
        "/dev/sda1": "ext4",
        "/dev/sda2": "xfs",
        "/dev/sda3": "swap",
        "/dev/sda4": "unknown",
        "/dev/sdb1": "vfat",
        "/dev/sdb2": "ntfs",
        "/dev/sdb3": "btrfs",
        "/dev/sdc": "ext4",
    }
    assert many["status"].drop(["/dev/sda3", "/dev/sda4"]).eq("ok").all()
    assert many.loc["/dev/sda3", "status"] == "swap"
    assert many.loc["/dev/sda4", "status"] == "unknown"
    assert (many.loc[many["status"] == "ok", "used"] >= 5 << 20).all()


def test_the_frames_are_as_declared(first: First, systems: pd.DataFrame, guests: Kinds) -> None:
    frame, told = first
    assert tuple(frame.columns) == DF.names
    assert tuple(systems.columns) == FILESYSTEMS.names
    assert frame.dtypes.to_dict() == DF.empty().dtypes.to_dict()
    assert systems.dtypes.to_dict() == FILESYSTEMS.empty().dtypes.to_dict()
    assert set(frame["guest"]) == set(guests.names)
    assert told[0][:2] == (0, len(guests.names))
    assert told[-1] == (len(guests.names), len(guests.names), "")


def test_a_volume_group_over_two_disks(systems: pd.DataFrame) -> None:
    systems = systems[systems["guest"] == "lvm"].set_index("filesystem")
    root = systems.loc["/dev/centos/root"]
    assert root["parents"] == ("/dev/centos", "/dev/sda", "/dev/sdb")
    assert root["disks"] == ("vda", "vdb")
    assert root["mountpoints"] == ("/",)
    assert root["system"] == "CentOS Linux 7 (Core)"
    assert systems.loc["/dev/centos/my-home", "mountpoints"] == ("/home",)


def test_twins_with_one_uuid_are_kept_apart(systems: pd.DataFrame) -> None:
    uuids = systems[systems["filesystem"] == "/dev/centos/root"].groupby("uuid")["guest"].agg(set)
    assert uuids.tolist() == [{"lvm", "twin"}]


@pytest.mark.parametrize(
    ("guest", "disk", "status", "said"),
    [
        ("locked away", "vda", "encrypted", "key"),
        ("locked away", "vdb", "corrupt", "cannot be mounted"),
        ("locked away", "vdc", "unknown", "no type"),
        ("locked away", "vdd", "unknown", "no type"),  # and not what its own header names
        ("half", "vda", "incomplete", "volume group"),
        ("half", "vdb", "missing disk", "gone.raw"),
        ("liar", "vda", "broken chain", "liar.qcow2"),
        ("diskless", "", "no disk", "no disk"),
    ],
)
def test_what_cannot_be_read_is_said(
    systems: pd.DataFrame, guest: str, disk: str, status: str, said: str
) -> None:
    rows = systems[systems["guest"] == guest]
    row = rows[[disk in disks if disk else not disks for disks in rows["disks"]]]
    assert set(row["status"]) == {status}
    assert said in row["reason"].iloc[0]


def test_the_second_time_what_is_certain_is_remembered(
    first: First, second: list[Contents], host: Host
) -> None:
    again = frames.df(second, host.inventory())
    sources = again.dropna(subset="source").groupby("guest")["source"].agg(set)
    remembered = [*_SOUND, "half"]
    # A mount that failed may succeed the next time.
    assert sources.to_dict() == {name: {"cache"} for name in remembered} | {"locked away": {"appliance"}}
    before = first[0].drop(columns=["source", "read_at"])
    pd.testing.assert_frame_equal(again.drop(columns=["source", "read_at"]), before)


def test_a_change_below_the_chain_is_seen(first: object, host: Host, guests: Kinds) -> None:
    os.utime(guests.path("mbr.raw"))
    assert set(host.df("chain")["source"]) == {"appliance"}
    assert set(host.df("chain")["source"]) == {"cache"}


def test_an_appliance_that_takes_too_long_is_said(
    host: Host, guests: Kinds, monkeypatch: pytest.MonkeyPatch
) -> None:
    defaults = {**(ask.__kwdefaults__ or {}), "patience": 1.0}  # a real appliance starts in no second
    monkeypatch.setattr(ask, "__kwdefaults__", defaults)
    (row,) = host.df("lvm", fresh=True).to_dict("records")
    assert row["status"] == "timed out"
    assert "less busy" in row["reason"]
    assert pd.isna(row["capacity"])
    assert pd.isna(row["used"])


def test_another_program_that_writes_is_said_and_not_remembered(host: Host, guests: Kinds) -> None:
    with holding(guests.path("mbr.raw")):  # below the chain's two overlays: QEMU refuses it
        (row,) = host.df("chain", fresh=True).to_dict("records")
    assert row["status"] == "locked"
    assert str(guests.path("mbr.raw")) in row["reason"]
    assert pd.isna(row["capacity"])

    os.utime(guests.path("pv2.raw"))
    with holding(guests.path("pv1.raw")):  # libguestfs reads it nevertheless
        frame = host.df("lvm")
    assert frame["filesystem"].tolist() == ["/dev/centos/my-home", "/dev/centos/root"]
    assert set(frame["status"]) == {"locked"}
    assert frame["reason"].str.contains("pv1.raw").all()
    assert set(host.df("lvm")["source"]) == {"appliance"}  # it was not remembered


class _EnoughError(Exception):
    """What a caller raises who wants no more."""


def _below(process: int) -> dict[int, str]:
    """Give the names of all processes that one has started, and those started, by their ids."""
    found: dict[int, str] = {}
    for folder in Path(f"/proc/{process}/task").glob("[0-9]*"):
        with suppress(OSError):
            for child in map(int, (folder / "children").read_text().split()):
                found[child] = Path(f"/proc/{child}/comm").read_text().strip()
                found |= _below(child)
    return found


@pytest.mark.parametrize("stopped", [KeyboardInterrupt, _EnoughError])
def test_who_is_told_may_stop_it_and_nothing_is_left(
    host: Host, first: object, stopped: type[BaseException]
) -> None:
    before, seen, said = _below(os.getpid()), dict[int, str](), list[float]()

    def tell(*_told: object) -> None:
        said.append(time.monotonic())
        now = _below(os.getpid())
        seen.update(now)
        if sum(name.startswith("qemu-system") for name in now.values()) >= side_by_side():
            raise stopped

    with pytest.raises(stopped):
        host.df(fresh=True, progress=lambda _words: tell)
    assert time.monotonic() - said[-1] < 2
    assert max(later - one for one, later in pairwise(said)) < 1
    began = time.monotonic()  # a killed process takes a moment to end; one that is never waited for stays
    while any(Path(f"/proc/{one}").exists() for one in seen.keys() - before.keys()):
        assert time.monotonic() - began < 5
        time.sleep(0.05)


def test_an_unknown_guest_is_said(host: Host) -> None:
    with pytest.raises(NotFound, match="no guest 'nobody'"):
        host.df("nobody")
