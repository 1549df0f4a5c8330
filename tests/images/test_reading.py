"""What images say of themselves, as frames: every image has a row, and reading leaves all as it was."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

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


def _digests(folder: Path) -> dict[str, tuple[str, int]]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(p): (hashlib.sha256(p.read_bytes()).hexdigest(), p.stat().st_mtime_ns) for p in files}


@pytest.fixture(autouse=True)
def untouched(tmp_path: Path) -> Iterator[Callable[[], None]]:
    """Have every test say when its images are ready; from then on none may change."""
    before: dict[str, tuple[str, int]] = {}

    def ready() -> None:
        before.update(_digests(tmp_path))

    yield ready
    if before:
        assert _digests(tmp_path) == before


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "images" / "a.qcow2"
    path.parent.mkdir()
    qemu_img.create(path, "qcow2", 8 * MIB)
    qemu_img.io(path, "qcow2", ["write -P 1 1M 1M"])
    return path


def _outside(tmp_path: Path) -> Path:
    path = tmp_path / "elsewhere" / "secret.raw"
    path.parent.mkdir()
    path.write_bytes(b"secret" * 100000)
    return path


def _patched(path: Path, start: int, value: int, length: int = 8) -> Path:
    data = bytearray(path.read_bytes())
    data[start : start + length] = value.to_bytes(length, "big")
    path.write_bytes(data)
    return path


_READ_ALL = """
import contextlib, sys, kvmnb
for function in (kvmnb.images.info, kvmnb.images.check, kvmnb.images.snapshots, kvmnb.images.map):
    with contextlib.suppress(kvmnb.KvmnbError):
        function(sys.argv[1], format=sys.argv[2])
"""


def _opened(path: Path, format: str) -> str:
    """Give what the kit and its programs open while they read an image, as strace tells it."""
    watch = ["strace", "-f", "-qq", "-e", "trace=open,openat", "--", sys.executable, "-c", _READ_ALL]
    return subprocess.run([*watch, path, format], check=True, capture_output=True, text=True).stderr


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


def _with_backing(path: Path, backing: str) -> Path:
    qemu_img.create(path, "qcow2", 8 * MIB)
    subprocess.run(["qemu-img", "rebase", "-u", "-f", "qcow2", "-b", backing, "-F", "raw", path], check=True)
    return path


def _with_data_file(path: Path, data: Path) -> Path:
    # Made beside it, then the name in its header is changed to one as long.
    beside = str(path.parent) + "/" + "d" * (len(str(data)) - len(str(path.parent)) - 1)
    qemu_img.create(path, "qcow2", 8 * MIB, {"data_file": beside})
    header = path.read_bytes()
    assert header.count(beside.encode()) == 1
    path.write_bytes(header.replace(beside.encode(), str(data).encode()))
    return path


def _with_extent(path: Path, data: Path) -> Path:
    path.write_text(
        f'# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\ncreateType="monolithicFlat"\n'
        f'RW 1000 FLAT "{data}" 0\n'
    )
    return path


@pytest.mark.skipif(shutil.which("strace") is None, reason="only strace tells what a program opens")
@pytest.mark.parametrize("kind", ["backing", "data", "extent"])
def test_no_file_outside_is_opened(
    image: Path, tmp_path: Path, kind: str, untouched: Callable[[], None]
) -> None:
    secret, path = _outside(tmp_path), image.with_name("bad.img")
    if kind == "backing":
        _with_backing(path, str(secret))
    elif kind == "data":
        _with_data_file(path, secret)
    else:
        _with_extent(path, secret)
    untouched()
    opened = _opened(path, "vmdk" if kind == "extent" else "qcow2")
    assert str(path) in opened
    assert str(secret) not in opened


def test_a_backing_store_elsewhere_is_shown_and_told(
    image: Path, tmp_path: Path, untouched: Callable[[], None]
) -> None:
    secret = _outside(tmp_path)
    path = _with_backing(image.with_name("bad.qcow2"), str(secret))
    untouched()
    found = kvmnb.images.info(path, format="qcow2")
    assert found["backing_path"].tolist() == [str(secret)]
    assert "was not opened" in found["warnings"][0][0]
    assert kvmnb.images.check(path, format="qcow2")["status"].tolist() == ["sound"]
    with pytest.raises(BadImage, match="in another folder"):
        kvmnb.images.map(path, "qcow2")
    assert kvmnb.images.map(path, "qcow2", whole_chain=False)["present"].tolist() == [False]


@pytest.mark.parametrize(
    "name", ["nbd:localhost:1", 'json:{"driver":"null-co"}', "ssh://host/x", "file:/etc/passwd"]
)
def test_a_backing_store_that_is_no_path_is_never_opened(
    image: Path, name: str, untouched: Callable[[], None]
) -> None:
    path = _with_backing(image.with_name("bad.qcow2"), name)
    untouched()
    found = kvmnb.images.info(path, format="qcow2")
    assert found["status"].tolist() == ["ok"]
    assert "was not opened" in found["warnings"][0][0]
    with pytest.raises(BadImage, match="no path of a file"):
        kvmnb.images.map(path, "qcow2")
    with pytest.raises(BadImage, match="no path of a file"):
        qemu_img.convert((path, "qcow2"), (path.with_name("copy"), "raw"))
    assert kvmnb.images.check(path, format="qcow2")["status"].tolist() == ["sound"]


def test_a_data_file_elsewhere_is_refused(image: Path, tmp_path: Path, untouched: Callable[[], None]) -> None:
    secret = _outside(tmp_path)
    path = _with_data_file(image.with_name("bad.qcow2"), secret)
    extent = _with_extent(image.with_name("bad.vmdk"), secret)
    untouched()
    found = kvmnb.images.info((path, "qcow2"), (extent, "vmdk"))
    assert found["data_file"].tolist() == [str(secret), pd.NA]
    assert found["status"].tolist() == ["ok", "refused"]
    assert kvmnb.images.check((path, "qcow2"), (extent, "vmdk"))["problem"].str.contains("stranger").all()
    with pytest.raises(BadImage, match="no file of its own folder"):
        kvmnb.images.map(path, "qcow2")
    with pytest.raises(BadImage, match="no file of its own folder"):
        qemu_img.convert((path, "qcow2"), (path.with_name("copy"), "raw"))


def _extension(kind: int, content: bytes) -> bytes:
    length = len(content)
    return kind.to_bytes(4, "big") + length.to_bytes(4, "big") + content.ljust(-(-length // 8) * 8, b"\0")


@pytest.mark.parametrize(
    "names",
    [
        ["beside.raw", "/etc/passwd"],
        ["/etc/passwd", "beside.raw"],
        ["beside.raw", "." + "/." * 600 + "/../../etc/passwd"],
        ["nbd:beside.raw"],
        [""],
        [],
    ],
)
def test_no_trick_with_the_name_of_a_data_file_goes_through(
    image: Path, names: list[str], untouched: Callable[[], None]
) -> None:
    data = bytearray(image.read_bytes())
    data[79] |= 4  # its data lies in a file of its own
    there = b"".join(_extension(0x44415441, name.encode()) for name in names)
    data[104 : 104 + len(there) + 8] = there + bytes(8)
    image.write_bytes(data)
    image.with_name("beside.raw").write_bytes(bytes(MIB))
    untouched()
    for read in (kvmnb.images.map, qemu_img.chain):
        with pytest.raises(BadImage, match="says that its data lies in"):
            read(image, "qcow2")
    assert kvmnb.images.check(image, format="qcow2")["status"].tolist() == ["cannot be checked"]


def test_no_trick_with_a_vmdk_goes_through(
    image: Path, tmp_path: Path, untouched: Callable[[], None]
) -> None:
    secret = _outside(tmp_path)
    head = '# Disk DescriptorFile\nCID=12345678\nparentCID=1\ncreateType="monolithicSparse"\n'
    texts = {
        "line": head + f'RW 1000 FLAT\n"{secret}" 0\n',
        "close": head + f'RW 1000FLAT"{secret}" 0\n',
        "open end": head + f'RW 1000 SPARSE "{secret}',
        "inner": head + 'RW 1000 SPARSE "inner.part"\n',
    }
    for name, text in texts.items():
        image.with_name(name).write_text(text)
    inner = b"KDMV" + bytes(24) + (1).to_bytes(8, "little")
    image.with_name("inner.part").write_bytes(inner.ljust(512, b"\0") + texts["line"].encode())
    parent = image.with_name("parent")
    parent.write_text(head + f'parentFileNameHint##{secret}"\n')
    untouched()
    found = kvmnb.images.info(*(image.with_name(name) for name in texts), format="vmdk")
    assert found["status"].tolist() == ["refused"] * 4
    with pytest.raises(BadImage, match="parent"):
        kvmnb.images.map(parent, "vmdk")


@pytest.mark.parametrize(("start", "name"), [(64, b"/etc/passwd"), (0, b"QED")])
def test_the_name_in_a_qed_header_is_read_as_qemu_does(
    image: Path, start: int, name: bytes, untouched: Callable[[], None]
) -> None:
    path = image.with_name("a.qed")
    qemu_img.create(path, "qed", MIB)
    data = bytearray(path.read_bytes())
    data[16] |= 1  # it has a backing store
    data[56:64] = start.to_bytes(4, "little") + len(name).to_bytes(4, "little")
    data[start : start + len(name)] = name
    path.write_bytes(data)
    untouched()
    said = subprocess.run(["qemu-img", "info", "-f", "qed", path], check=True, capture_output=True).stdout
    assert b"backing file: " + name in said
    assert kvmnb.images.info(path, format="qed")["backing_path"][0].endswith(name.decode())
    with pytest.raises(BadImage, match="would guess"):
        qemu_img.chain(path, "qed")


def test_a_chain_in_a_circle_or_without_a_format_ends(image: Path, untouched: Callable[[], None]) -> None:
    one, two, plain = (image.with_name(name) for name in ("one", "two", "plain"))
    for here, there in ((one, two), (two, one)):
        qemu_img.create(here, "qcow2", 8 * MIB)
        subprocess.run(
            ["qemu-img", "rebase", "-u", "-f", "qcow2", "-b", there, "-F", "qcow2", here], check=True
        )
    qemu_img.create(plain, "qcow2", 8 * MIB)
    data = bytearray(plain.read_bytes())
    data[8:20] = (600).to_bytes(8, "big") + len("a.qcow2").to_bytes(4, "big")
    data[600:607] = b"a.qcow2"
    plain.write_bytes(data)
    untouched()
    with pytest.raises(BadImage, match="circle"):
        kvmnb.images.map(one, "qcow2")
    with pytest.raises(BadImage, match="QEMU would guess"):
        kvmnb.images.map(plain, "qcow2")
    assert "would guess" in kvmnb.images.info(plain, format="qcow2")["warnings"][0][0]


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
