"""What images say of themselves, as frames: every image has a row, and reading leaves all as it was."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import kvmnb
from kvmnb.errors import BadImage, BadValue, KvmnbError
from kvmnb.images import look, qemu_img
from kvmnb.images.headers import FORMATS
from kvmnb.schema import EXTENTS, IMAGES, MEASURES, SNAPSHOTS, SOUNDNESS

MIB = 1 << 20

#: Names that a folder may bring along.
NAMES = (
    "a b.qcow2",
    "q'\"<&]]>",
    "-x",
    "a:b.qcow2",
    "json:{}",
    "a,b=c,,d",
    "two\nlines",
    "$(touch x)",
    "\udcff\udcee",
)


def _patched(path: Path, start: int, value: int, length: int = 8) -> Path:
    data = bytearray(path.read_bytes())
    data[start : start + length] = value.to_bytes(length, "big")
    path.write_bytes(data)
    return path


def test_info_tells_what_lies_there(image: Path, untouched: Callable[[], None]) -> None:
    top = image.with_name("top.qcow2")
    qemu_img.create(top, "qcow2", None, backing=(str(image), "qcow2"))
    qemu_img.snapshot(image, "qcow2", "create", "s1")
    untouched()
    found = kvmnb.images.info(image, (top, "qcow2"), format="qcow2")
    assert tuple(found.columns) == IMAGES.names
    assert found["virtual_size"].tolist() == [8 * MIB] * 2
    assert found["apparent_size"].tolist() == [image.stat().st_size, top.stat().st_size]
    assert found["allocated_size"].tolist() == [p.stat().st_blocks * 512 for p in (image, top)]
    assert found["snapshots"].tolist() == [("s1",), ()]
    assert found["backing_path"][1] == str(image)
    assert found["status"].tolist() == ["ok", "ok"]
    assert found["warnings"].tolist() == [(), ()]


def test_every_image_that_cannot_be_read_is_a_row_with_its_reason(
    image: Path, tmp_path: Path, untouched: Callable[[], None]
) -> None:
    cut = tmp_path / "cut.qcow2"
    cut.write_bytes(image.read_bytes()[:70])
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "other.qcow2").write_bytes(b"QED\0" + bytes(1000))
    huge = _patched(_copy(image, tmp_path / "huge.qcow2"), 24, 2**64 - 512)
    absurd = _patched(_copy(image, tmp_path / "absurd.qcow2"), 36, 2**32 - 1, 4)
    untouched()
    paths: list[str | Path] = [
        cut,
        tmp_path / "pipe",
        tmp_path / "other.qcow2",
        huge,
        absurd,
        tmp_path / "absent",
        tmp_path,
        "a\0",
    ]
    found = kvmnb.images.info(*paths, image, format="qcow2")
    assert found["path"].tolist() == [str(path) for path in paths[:-1]] + [f"{Path.cwd()}/a\0", str(image)]
    said = "unreadable/no image/another format/unreadable/unreadable/missing/no image/missing/ok"
    assert found["status"].tolist() == said.split("/")
    assert found["virtual_size"].isna().tolist() == [True] * 8 + [False]
    assert found["problem"].isna().tolist() == [False] * 8 + [True]
    assert "looks" not in found["problem"][0]
    assert "but as qed" in found["problem"][2]
    assert "too" in found["problem"][3]
    checked = kvmnb.images.check(*paths, image, format="qcow2")
    assert checked["status"].tolist() == ["cannot be checked"] * 8 + ["sound"]


def _copy(source: Path, target: Path) -> Path:
    target.write_bytes(source.read_bytes())
    return target


@pytest.mark.parametrize("function", ["info", "check", "snapshots", "map"])
def test_the_format_must_be_said(image: Path, function: str, untouched: Callable[[], None]) -> None:
    untouched()
    read = getattr(kvmnb.images, function)
    with pytest.raises(BadValue, match=r"was not said.*look like qcow2"):
        read(image)
    with pytest.raises(BadValue, match="'nbd' is no format"):
        read(image, format="nbd")


def test_a_raw_image_with_a_header_inside_stays_raw(image: Path, untouched: Callable[[], None]) -> None:
    untouched()
    found = kvmnb.images.info(image, format="raw")
    assert found["virtual_size"][0] == image.stat().st_size
    assert found["backing_path"].isna().all()
    assert "look like qcow2" in found["warnings"][0][0]


@pytest.mark.parametrize("name", NAMES)
def test_no_name_is_too_hostile(
    image: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch, untouched: Callable[[], None]
) -> None:
    path = image.rename(image.with_name(name))
    untouched()
    monkeypatch.chdir(path.parent)
    for given in (str(path), name):  # also as it is said inside its folder
        assert kvmnb.images.info(given, format="qcow2")["status"].tolist() == ["ok"]
        assert kvmnb.images.check(given, format="qcow2")["status"].tolist() == ["sound"]
        assert kvmnb.images.snapshots(given, "qcow2").empty
        assert kvmnb.images.map(given, "qcow2")["data"].tolist() == [False, True, False]


def test_a_frame_of_volumes_is_taken_as_it_is(image: Path, untouched: Callable[[], None]) -> None:
    untouched()
    volumes = pd.DataFrame({"path": [str(image), str(image), pd.NA], "format": ["qcow2", pd.NA, "raw"]})
    found = kvmnb.images.info(volumes)
    assert found["status"].tolist() == ["ok", "unreadable"]
    assert "is not known" in found["problem"][1]
    with pytest.raises(BadValue, match="no columns path and format"):
        kvmnb.images.info(pd.DataFrame())


def test_nothing_asked_for_keeps_the_columns() -> None:
    assert tuple(kvmnb.images.info().columns) == IMAGES.names
    assert tuple(kvmnb.images.check().columns) == SOUNDNESS.names


def test_the_map_names_the_layer_of_each_stretch(image: Path, untouched: Callable[[], None]) -> None:
    top = image.with_name("top.qcow2")
    qemu_img.create(top, "qcow2", None, backing=(str(image), "qcow2"))
    qemu_img.io(top, "qcow2", ["write -P 2 4M 1M"])
    untouched()
    found = kvmnb.images.map(top, "qcow2")
    assert tuple(found.columns) == EXTENTS.names
    held = found[found["data"]]
    assert held["layer"].tolist() == [str(image), str(top)]
    assert held["start"].tolist() == [MIB, 4 * MIB]
    assert held["length"].tolist() == [MIB, MIB]
    assert held["depth"].tolist() == [1, 0]
    assert found[~found["data"]]["layer"].isna().all()
    assert found["length"].sum() == 8 * MIB


def test_a_map_without_end_is_ended(
    image: Path, monkeypatch: pytest.MonkeyPatch, untouched: Callable[[], None]
) -> None:
    untouched()
    monkeypatch.setattr(look, "LONGEST_MAP", 100)  # one of a million stretches takes long to make
    with pytest.raises(BadImage, match="in a million pieces"):
        kvmnb.images.map(image, "qcow2")


def test_a_map_that_takes_too_long_is_ended(tmp_path: Path, untouched: Callable[[], None]) -> None:
    path = tmp_path / "large.qed"
    qemu_img.create(path, "qed", 64 << 40)
    untouched()
    with pytest.raises(KvmnbError, match="did not end within"):
        kvmnb.images.map(path, "qed", seconds=0.001)


def test_snapshots_have_their_names_and_times(image: Path, untouched: Callable[[], None]) -> None:
    before = pd.Timestamp.now("UTC")
    for name in ("one", "two & three"):
        qemu_img.snapshot(image, "qcow2", "create", name)
    untouched()
    found = kvmnb.images.snapshots(image, "qcow2")
    assert tuple(found.columns) == SNAPSHOTS.names
    assert found["name"].tolist() == ["one", "two & three"]
    assert found["id"].tolist() == ["1", "2"]
    assert found["state_size"].tolist() == [0, 0]
    assert found["taken"].between(before - pd.Timedelta("2s"), pd.Timestamp.now("UTC")).all()


@pytest.mark.parametrize("read", [kvmnb.images.snapshots, kvmnb.images.map])
def test_of_one_image_the_reason_is_an_error(
    tmp_path: Path, read: Callable[[Path, str], pd.DataFrame]
) -> None:
    with pytest.raises(BadImage, match="There is nothing at"):
        read(tmp_path / "absent", "qcow2")
    with pytest.raises(BadImage, match="can be no path"):
        read(tmp_path / ("x" * 5000), "qcow2")
    (tmp_path / "a").write_bytes(bytes(1000))
    with pytest.raises(KvmnbError, match="does not begin as a qcow2 image"):
        read(tmp_path / "a", "qcow2")


def test_leaks_and_corruption_are_told_apart(image: Path, untouched: Callable[[], None]) -> None:
    data = bytearray(image.read_bytes())
    table = int.from_bytes(data[int.from_bytes(data[48:56], "big") :][:8], "big")
    leaking, broken = image.with_name("leaking"), image.with_name("broken")
    changed = data.copy()
    changed[table + 2 * 40 : table + 2 * 40 + 2] = b"\0\1"  # cluster 40 counts as taken, by nothing
    leaking.write_bytes(changed.ljust(41 * 65536, b"\0"))
    changed = data.copy()
    changed[table : table + 2] = b"\0\0"  # the header's own cluster counts as free
    broken.write_bytes(changed)
    untouched()
    found = kvmnb.images.check(image, leaking, broken, (image, "raw"), format="qcow2")
    assert found["status"].tolist() == ["sound", "leaks", "corrupt", "cannot be checked"]
    assert found["leaks"].tolist() == [0, 1, 0, pd.NA]
    assert found["corruptions"][2] >= 1
    assert "does not support checks" in found["problem"][3]


def test_an_image_that_another_program_writes_to_can_be_looked_at_but_not_checked(image: Path) -> None:
    writer = subprocess.Popen(
        ["qemu-io", "-f", "qcow2", str(image)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert writer.stdout is not None
        assert writer.stdout.read(8) == b"qemu-io>"
        assert kvmnb.images.info(image, format="qcow2")["status"].tolist() == ["ok"]
        assert len(kvmnb.images.map(image, "qcow2")) == 3
        (problem,) = kvmnb.images.check(image, format="qcow2")["problem"]
    finally:
        writer.communicate(b"quit\n", timeout=20)
    assert f"{str(image)!r} is open in another program" in problem


def test_measure_has_a_row_for_every_format() -> None:
    whole = kvmnb.images.measure("1G", options={})
    assert tuple(whole.columns) == MEASURES.names
    assert tuple(whole["format"]) == FORMATS
    found = whole.set_index("format").to_dict("index")
    assert found["raw"]["required"] == 1 << 30
    assert found["raw"]["required"] < found["qcow2"]["fully_allocated"]
    assert pd.isna(found["vmdk"]["required"])
    assert "cannot tell it for vmdk" in found["vmdk"]["problem"]
    small = kvmnb.images.measure("1G", "qcow2", {"cluster_size": "512"})
    assert small["required"][0] > found["qcow2"]["required"]
    assert "zz" in kvmnb.images.measure("1G", ["qcow2"], {"zz": "1"})["problem"][0]


@pytest.mark.parametrize("function", ["info", "check", "snapshots", "map"])
@pytest.mark.parametrize("given", [None, 5, b"/x", ["/x"], pd.Series(["/x"]), ("/x",), ("/x", "raw", "y")])
def test_what_is_no_image_is_said_to_be_none(function: str, given: object) -> None:
    with pytest.raises(BadValue, match=r"is no (path of an image|image with its format)"):
        getattr(kvmnb.images, function)(given, format="qcow2")


def test_a_frame_with_a_path_that_is_none_is_refused(image: Path) -> None:
    frame = pd.DataFrame({"path": [str(image), 5], "format": ["qcow2", "raw"]})
    with pytest.raises(BadValue, match="5 is no path of an image"):
        kvmnb.images.info(frame)


@pytest.mark.parametrize("function", ["check", "map"])
@pytest.mark.parametrize("seconds", [-1, 0, "x", None, float("nan"), float("inf"), 1e12, True])
def test_a_time_that_cannot_be_waited_is_refused(image: Path, function: str, seconds: object) -> None:
    with pytest.raises(BadValue, match="is no time to wait"):
        getattr(kvmnb.images, function)(image, format="qcow2", seconds=seconds)


def test_measure_takes_options_as_an_image_does() -> None:
    told = [
        kvmnb.images.measure("1G", "qcow2", options)["fully_allocated"][0]
        for options in ("cluster_size=65536,extended_l2=on", {"cluster_size": 65536, "extended_l2": True})
    ]
    assert told[0] == told[1] > kvmnb.images.measure("1G", "qcow2")["fully_allocated"][0]


@pytest.mark.parametrize(
    ("formats", "options"), [(5, ""), (None, ""), (["nope"], ""), ([5], ""), ("raw", 7), ("raw", "x")]
)
def test_measure_refuses_what_it_cannot_read(formats: Any, options: Any) -> None:  # noqa: ANN401 - wrong on purpose
    with pytest.raises(BadValue):
        kvmnb.images.measure("1G", formats, options)
