"""The frames of a host: their shape whatever there is, and virsh's own figures."""

from __future__ import annotations

import json
from collections.abc import Callable

import pandas as pd
import pytest

from kvmnb.host import Host, connect
from kvmnb.schema import DISKS, GUESTS, POOLS, VOLUMES, Frame
from kvmnb.storage import frames
from kvmnb.storage.inventory import LiveReader
from kvmnb.storage.model import Guest, Inventory, Pool, PoolSpec, Volume
from tests.storage.builders import MIB, Site, define_guest, disk, file_disk, start_guest

_FRAMES: list[tuple[Frame, Callable[[Host], pd.DataFrame]]] = [
    (POOLS, Host.pools),
    (VOLUMES, Host.volumes),
    (GUESTS, Host.guests),
    (DISKS, Host.disks),
]
_EACH = pytest.mark.parametrize(("frame", "read"), _FRAMES, ids=[frame.name for frame, _ in _FRAMES])


def _is_declared(found: pd.DataFrame, frame: Frame) -> None:
    empty = frame.empty()
    assert list(found.columns) == list(empty.columns)
    assert found.dtypes.to_dict() == empty.dtypes.to_dict()
    for column in frame.columns:
        if column.dtype == "texts":
            assert all(isinstance(value, tuple) or value is pd.NA for value in found[column.name])
    assert set(found.attrs) >= {"frame", "host", "uri", "read_at"}
    assert pd.Timestamp(json.loads(json.dumps(found.attrs))["read_at"]).tz is not None


@_EACH
def test_a_made_up_host(frame: Frame, read: Callable[[Host], pd.DataFrame]) -> None:
    with connect("test:///default") as host:
        _is_declared(read(host), frame)


@_EACH
def test_a_host_with_nothing(site: Site, frame: Frame, read: Callable[[Host], pd.DataFrame]) -> None:
    found = read(site.host)
    assert found.empty
    _is_declared(found, frame)


@_EACH
def test_a_host_with_something(site: Site, frame: Frame, read: Callable[[Host], pd.DataFrame]) -> None:
    site.running().volume("base.qcow2")
    start_guest(site, "vm1", file_disk(site.volume("top.qcow2", backing="base.qcow2")))
    found = read(site.host)
    assert not found.empty
    _is_declared(found, frame)
    assert set(found["status"]) == {"ok"}
    assert found["problem"].isna().all()
    assert not found.drop(columns=["problem"]).isna().all(axis=None)


@_EACH
def test_the_method_says_what_its_columns_mean(frame: Frame, read: Callable[[Host], pd.DataFrame]) -> None:
    told = " ".join((read.__doc__ or "").split())
    for column in frame.columns:
        assert f"* ``{column.name}``" in told
        assert " ".join(column.meaning.split()) in told


def test_figures_are_virshs(site: Site) -> None:
    site.running().volume("v.qcow2", 12 * MIB)
    site.raw("v.raw", b"x" * MIB)
    for row in site.host.volumes().to_dict("records"):
        told = _told(site, "vol-info", "--pool", site.pool, "--bytes", str(row["name"]))
        assert (told["Capacity"], told["Allocation"]) == (
            f"{row['capacity']} bytes",
            f"{row['allocation']} bytes",
        )
        told = _told(site, "vol-info", "--pool", site.pool, "--bytes", "--physical", str(row["name"]))
        assert told["Physical"] == f"{row['physical']} bytes"
    [row] = site.host.pools().to_dict("records")
    told = _told(site, "pool-info", "--bytes", site.pool)
    assert told["Capacity"] == str(row["capacity"])
    assert told["State"] == row["state"]
    assert told["UUID"] == row["uuid"]
    assert row["allocation"] + row["available"] == row["capacity"]


def _told(site: Site, *command: str) -> dict[str, str]:
    lines = site.daemon.virsh(*command).splitlines()
    pairs = (line.partition(":") for line in lines if ":" in line)
    return {key.strip(): value.strip() for key, _colon, value in pairs}


def test_disks_are_virshs(site: Site) -> None:
    path = site.running().volume("v.qcow2")
    site.volume("w.qcow2")
    by_name = disk(f"pool='{site.pool}' volume='w.qcow2'", type="volume", target="vdb")
    empty = "<disk type='file' device='cdrom'><target dev='sda' bus='sata'/></disk>"
    define_guest(site, "vm1", file_disk(path), by_name, empty)
    listed = [
        line.split(maxsplit=3)
        for line in site.daemon.virsh("domblklist", "vm1", "--details").splitlines()[2:]
    ]
    rows = site.host.disks().to_dict("records")
    assert [row["target"] for row in rows] == [line[2] for line in listed if line]
    assert [(row["type"], row["device"]) for row in rows] == [(line[0], line[1]) for line in listed if line]
    assert rows[0]["path"] == listed[0][3]
    assert [row["volume"] for row in rows[:2]] == ["v.qcow2", "w.qcow2"]
    assert rows[1]["capacity"] == 8 * MIB
    assert rows[2]["status"] == "no medium"


def test_a_pool_that_does_not_run_is_a_row(site: Site) -> None:
    site.built()
    [row] = site.host.volumes().to_dict("records")
    assert (row["pool"], row["status"]) == (site.pool, "pool not running")
    assert "start it" in row["problem"]
    for name in ("name", "capacity", "chain", "used_by", "overlays"):
        assert pd.isna(row[name])
    [pool] = site.host.pools().to_dict("records")
    assert pool["state"] == "inactive"
    for name in ("capacity", "allocation", "available", "volumes"):
        assert pd.isna(pool[name])


class _Unreadable(LiveReader):
    """Libvirt can read all that the tests can make, so what cannot be read is told of here."""

    def guests(self) -> tuple[Guest, ...]:
        return (Guest("vm1", state="unreadable", snapshots=None, problem="out of memory"),)

    def volumes(self, pool: str) -> tuple[Volume, ...]:
        return (Volume(pool, "", problem="out of memory"), Volume(pool, "v", problem="no rights"))


def test_what_cannot_be_read_is_a_row_with_its_reason(site: Site) -> None:
    broken = Pool(PoolSpec("b", type=""), "unreadable", None, None, faithful=False, problem="no rights")
    pools = {"a": Pool(PoolSpec("a"), "running"), "b": broken}
    seen = Inventory(_Unreadable(site.host._connection), pools)
    for build, frame, problems in (
        (frames.pools, POOLS, [None, "no rights"]),
        (frames.volumes, VOLUMES, ["out of memory", "no rights", "pool 'b' is unreadable"]),
        (frames.guests, GUESTS, ["out of memory"]),
        (frames.disks, DISKS, ["out of memory"]),
    ):
        found = build(seen)
        _is_declared(found, frame)
        for problem, told in zip(problems, found["problem"], strict=True):
            assert pd.isna(told) if problem is None else problem in told
        assert [status == "ok" for status in found["status"]] == [problem is None for problem in problems]


def test_frames_of_several_hosts_can_be_put_together(site: Site) -> None:
    site.running().volume("v")
    host = site.host
    for read in (host.pools, host.volumes, host.guests, host.disks):
        both = pd.concat([read(), read()])
        assert (both["host"] == host.name).all(), read
    assert set(host.volumes()["host"]) == {host.name}
