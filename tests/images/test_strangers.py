"""An image of a stranger has no other file of the host opened, whatever its header names."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import kvmnb
from kvmnb.errors import BadImage
from kvmnb.images import qemu_img

MIB = 1 << 20


def _outside(tmp_path: Path) -> Path:
    path = tmp_path / "elsewhere" / "secret.raw"
    path.parent.mkdir()
    path.write_bytes(b"secret" * 100000)
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
