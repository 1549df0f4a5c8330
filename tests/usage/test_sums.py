"""Whatever a host has: what its images take, and what no image explains, is what its pools say they take."""

from __future__ import annotations

from collections import defaultdict

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from kvmnb.images.headers import Qcow2
from kvmnb.storage.model import Guest, Inventory, Volume
from kvmnb.usage.joined import usage
from kvmnb.usage.overcommit import overcommit
from tests.usage.hosts import GIB, MIB, File, MadeUp, guest, made_up, pool

_SYSTEMS = 2


@st.composite
def hosts(draw: st.DrawFn) -> Inventory:
    """Give a host with pools on few file systems, hard links, chains, images outside, and gaps."""
    names = [f"p{number}" for number in range(draw(st.integers(1, 4)))]
    systems = {name: draw(st.integers(1, _SYSTEMS)) for name in names}
    inodes = [
        (system, inode, draw(st.integers(0, 40)) * MIB)
        for system in range(1, _SYSTEMS + 1)
        for inode in range(2, 7)
    ]
    files: dict[str, File] = {}
    listed: dict[str, tuple[Volume, ...]] = {}
    for name in names:
        own = [one for one in inodes if one[0] == systems[name]]
        chosen = draw(st.lists(st.sampled_from(own), max_size=6))
        listed[name] = tuple(_volume(draw, (name, at), one, files) for at, one in enumerate(chosen))
    for at, one in enumerate(draw(st.lists(st.sampled_from(inodes), max_size=2))):
        files[f"/out/{at}"] = File(*one[:2], 64 * MIB, one[2], header=Qcow2(64 * MIB, 1 << 16, 0, False))
    paths = sorted(files)
    several = st.lists(st.sampled_from(paths), max_size=3) if paths else st.just([])
    guests: list[Guest] = [guest(f"g{at}", *draw(several)) for at in range(draw(st.integers(0, 3)))]
    folders = {f"/{name}": system for name, system in systems.items()}
    if draw(st.booleans()):
        folders = {}  # a host of which only libvirt tells
    taken = [draw(st.integers(0, 300)) * MIB for _ in names]
    pools = [pool(name, amount) for name, amount in zip(names, taken, strict=True)]
    return made_up(pools, MadeUp(files, listed, tuple(guests), folders))


def _volume(
    draw: st.DrawFn, name: tuple[str, int], file: tuple[int, int, int], files: dict[str, File]
) -> Volume:
    (pool, at), (system, inode, taken) = name, file
    path = f"/{pool}/{at}"
    below = draw(st.sampled_from([None, *files])) if files else None
    files[path] = File(system, inode, 64 * MIB, taken, below, Qcow2(64 * MIB, 1 << 16, at % 2, False))
    if draw(st.integers(0, 9)) == 0:
        return Volume(pool, str(at), path, problem="it is broken")
    told = {"format": "qcow2", "capacity": 64 * MIB, "allocation": taken}
    return Volume(pool, str(at), path, backing_path=below, backing_format="qcow2", **told)  # type: ignore[arg-type]


@settings(max_examples=50, deadline=None)
@given(hosts())
def test_the_rows_of_a_pool_are_what_it_takes(seen: Inventory) -> None:
    frame = usage(seen)
    counted = frame[frame["counted_at"].isna()]
    for name, one in seen.pools.items():
        told = counted[counted["pool"] == name]
        assert (told["role"].isin(["unexplained", "unknown"]) & told["volume"].isna()).sum() == 1
        assert told["allocation"].sum() == one.allocation
        assert (told["role"] == "elsewhere").sum() <= 1


@settings(max_examples=50, deadline=None)
@given(hosts())
def test_a_file_is_counted_once_and_never_lost(seen: Inventory) -> None:
    frame = usage(seen)
    images = frame.dropna(subset="path")
    reader = seen.reader
    met: defaultdict[object, list[bool]] = defaultdict(list)
    for path, counted in zip(images["path"], images["counted_at"].isna(), strict=True):
        met[reader.identity(path)].append(bool(counted))
    assert all(sum(one) == 1 for one in met.values())
    for _, row in images[images["counted_at"].notna()].iterrows():
        assert reader.identity(row["path"]) == reader.identity(row["counted_at"])
    listed = {volume.path for volume in seen.volumes()}
    named = {disk.path for one in seen.guests() for disk in one.disks}
    assert listed | named <= set(images["path"])


@settings(max_examples=50, deadline=None)
@given(hosts())
def test_promises_are_those_of_the_images(seen: Inventory) -> None:
    frame = usage(seen)
    told = overcommit(seen)
    assert list(told["headroom"].dropna()) == sorted(told["headroom"].dropna())
    reader = seen.reader
    for row in told.to_dict("records"):
        own = frame[(frame["pool"] == row["pool"]) & frame["volume"].notna()].copy()
        own["file"] = [reader.identity(path) for path in own["path"]]
        own = own.drop_duplicates("file")
        if row["status"] != "ok":
            assert pd.isna(row["promised"])
            assert pd.isna(row["shortfall"])
            continue
        assert row["promised"] == own["promised"].sum()
        growth = (own["promised"] - own["allocation"]).clip(lower=0).sum()
        assert row["growth"] == growth
        assert row["shortfall"] >= max(0, growth - row["available"])
        assert row["volumes"] <= len(own)


def test_what_two_pools_of_one_file_system_promise_falls_on_both() -> None:
    thin = {"format": "qcow2", "capacity": 60 * GIB, "allocation": GIB}
    listed = {name: (Volume(name, "v", f"/{name}/v", **thin),) for name in ("a", "b")}  # type: ignore[arg-type]
    files = {f"/{name}/v": File(1, inode, GIB, GIB) for inode, name in enumerate("ab", 2)}
    seen = made_up([pool("a"), pool("b")], MadeUp(files, listed, (), {"/a": 1, "/b": 1}))
    told = overcommit(seen)
    assert list(told["ratio"]) == [1.2, 1.2]
    assert list(told["growth"]) == [59 * GIB] * 2
    assert list(told["shortfall"]) == [28 * GIB] * 2
    assert list(told["fills_alone"]) == [(), ()]
    assert all("'b' is on the same storage" in text for text in told["problem"][:1])
    apart = overcommit(made_up([pool("a"), pool("b")], MadeUp(files, listed, (), {"/a": 1, "/b": 2})))
    assert list(apart["ratio"]) == [0.6, 0.6]
    assert list(apart["shortfall"]) == [0, 0]


def test_one_volume_that_could_take_all_is_named_and_what_fills_first_stands_first() -> None:
    def volumes(name: str, *sizes: int) -> tuple[Volume, ...]:
        told = enumerate(sizes)
        return tuple(Volume(name, f"v{at}", f"/{name}/{at}", "file", "raw", size, 0) for at, size in told)

    listed = {"few": volumes("few", GIB), "big": volumes("big", 95 * GIB, GIB), "none": ()}
    folders = {"/few": 1, "/big": 2, "/none": 3}
    told = overcommit(made_up([pool(name) for name in listed], MadeUp({}, listed, (), folders)))
    assert list(told["pool"]) == ["big", "few", "none"]
    assert list(told["fills_alone"]) == [("v0",), (), ()]
    assert list(told["shortfall"]) == [6 * GIB, 0, 0]
    assert pd.isna(told["headroom"][2])
    assert list(told["volumes"]) == [2, 1, 0]


def test_a_volume_that_could_not_be_read_makes_the_promise_unknown() -> None:
    listed = {"a": (Volume("a", "v", "/a/v", problem="it is broken"),)}
    (row,) = overcommit(made_up([pool("a")], MadeUp({}, listed))).to_dict("records")
    assert row["status"] == "unreadable"
    assert row["problem"] == "what v may come to take is not known"
    assert pd.isna(row["promised"])
    assert row["available"] == 90 * GIB
