"""qemu-img as functions: what is said of an image is what lies there, and a failure says why."""

from __future__ import annotations

from pathlib import Path

import pytest

from kvmnb.errors import BadValue, ProgramFailed
from kvmnb.images import qemu_img

MIB = 1 << 20


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disk,1.qcow2"  # a comma, which separates options
    qemu_img.create(path, "qcow2", 64 * MIB)
    return path


def test_info_is_what_lies_there(image: Path) -> None:
    told = qemu_img.info(image, "qcow2")
    assert (told.format, told.virtual_size, told.cluster_size) == ("qcow2", 64 * MIB, 65536)
    assert told.apparent_size == image.stat().st_size
    assert told.allocated_size == image.stat().st_blocks * 512
    assert (told.backing_path, told.snapshots, told.dirty, told.corrupt) == (None, (), False, False)


def test_an_overlay_names_its_backing_store(image: Path, tmp_path: Path) -> None:
    top = tmp_path / "top.qcow2"
    qemu_img.create(top, "qcow2", None, backing=(str(image), "qcow2"))
    told = qemu_img.info(top, "qcow2")
    assert (told.virtual_size, told.backing_path, told.backing_format) == (64 * MIB, str(image), "qcow2")


def test_written_data_is_allocated_and_discarded_data_given_back(image: Path) -> None:
    before = qemu_img.info(image, "qcow2").allocated_size or 0
    qemu_img.io(image, "qcow2", ["write -P 0xaa 0 8M"])
    full = qemu_img.info(image, "qcow2").allocated_size or 0
    qemu_img.io(image, "qcow2", ["discard 0 8M"], discard=True)
    after = qemu_img.info(image, "qcow2").allocated_size or 0
    assert full - before >= 8 * MIB
    assert after < before + MIB


def test_a_snapshot_brings_back_what_was(image: Path) -> None:
    qemu_img.io(image, "qcow2", ["write -P 1 0 1M"])
    qemu_img.snapshot(image, "qcow2", "create", "before")
    qemu_img.io(image, "qcow2", ["write -P 2 0 1M"])
    assert qemu_img.info(image, "qcow2").snapshots == ("before",)
    qemu_img.snapshot(image, "qcow2", "apply", "before")
    qemu_img.io(image, "qcow2", ["read -P 1 0 1M"])
    qemu_img.snapshot(image, "qcow2", "delete", "before")
    assert qemu_img.info(image, "qcow2").snapshots == ()


def test_reading_another_pattern_than_was_written_is_told(image: Path) -> None:
    qemu_img.io(image, "qcow2", ["write -P 1 0 1M"])
    with pytest.raises((BadValue, ProgramFailed)):
        qemu_img.io(image, "qcow2", ["read -P 2 0 1M"])


def test_a_copy_has_the_same_content_and_its_progress_goes_up_to_the_end(image: Path, tmp_path: Path) -> None:
    qemu_img.io(image, "qcow2", ["write -P 7 3M 20M"])
    shares: list[float] = []
    raw = tmp_path / "disk.raw"
    qemu_img.convert((image, "qcow2"), (raw, "raw"), share=shares.append)
    content = raw.read_bytes()
    assert content == bytes(3 * MIB) + b"\7" * 20 * MIB + bytes(41 * MIB)
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_a_compressed_copy_is_smaller(image: Path, tmp_path: Path) -> None:
    qemu_img.io(image, "qcow2", ["write -P 7 0 20M"])
    small = tmp_path / "small.qcow2"
    qemu_img.convert((image, "qcow2"), (small, "qcow2"), compress=True)
    assert small.stat().st_blocks * 512 < 4 * MIB


def test_a_smaller_size_needs_the_word(image: Path) -> None:
    with pytest.raises(ProgramFailed, match="shrink"):
        qemu_img.resize(image, "qcow2", 32 * MIB)
    assert qemu_img.info(image, "qcow2").virtual_size == 64 * MIB
    qemu_img.resize(image, "qcow2", 32 * MIB, shrink=True)
    assert qemu_img.info(image, "qcow2").virtual_size == 32 * MIB


def test_check_tells_leaks_from_corruption_and_mends(image: Path) -> None:
    qemu_img.io(image, "qcow2", ["write -P 1 0 1M"])
    assert qemu_img.check(image, "qcow2") == qemu_img.Check(0, 0)
    data = bytearray(image.read_bytes())
    refcounts = int.from_bytes(data[int.from_bytes(data[48:56], "big") :][:8], "big")
    data[refcounts + 2 * 40 : refcounts + 2 * 40 + 2] = b"\0\1"  # cluster 40 counts as taken, by nothing
    image.write_bytes(data.ljust(41 * 65536, b"\0"))
    found = qemu_img.check(image, "qcow2")
    assert (found.sound, found.leaks) == (True, 1)
    assert qemu_img.check(image, "qcow2", repair=True).repaired == 1
    assert qemu_img.check(image, "qcow2") == qemu_img.Check(0, 0)


def test_what_a_new_image_will_need_is_what_it_then_takes(tmp_path: Path) -> None:
    needed = qemu_img.measure("qcow2", 64 * MIB)
    assert needed is not None
    path = tmp_path / "a.qcow2"
    qemu_img.create(path, "qcow2", 64 * MIB)
    assert path.stat().st_size <= needed[0] < needed[1]
    assert qemu_img.measure("vmdk", 64 * MIB) is None


@pytest.mark.parametrize("path", ["disk.qcow2", "-x", "nbd:localhost:10809", ""])
def test_a_path_that_is_not_absolute_is_refused(path: str) -> None:
    with pytest.raises(BadValue, match="no absolute path"):
        qemu_img.create(path, "qcow2", MIB)


def test_the_format_is_never_guessed(image: Path) -> None:
    raw = image.with_name("inner.raw")
    raw.write_bytes(image.read_bytes())  # a qcow2 header inside a raw image
    assert qemu_img.info(raw, "raw").virtual_size == -(-raw.stat().st_size // 512) * 512
    with pytest.raises(ProgramFailed, match="Could not open"):
        qemu_img.info(image, "vmdk")


@pytest.mark.parametrize(
    ("format", "options", "said"),
    [("nope", {}, "Unknown file format 'nope'"), ("qcow2", {"zz": "1"}, "Invalid parameter 'zz'")],
)
def test_what_qemu_img_does_not_know_is_named(
    tmp_path: Path, format: str, options: dict[str, str], said: str
) -> None:
    path = tmp_path / "new"
    with pytest.raises(ProgramFailed, match=said):
        qemu_img.create(path, format, MIB, options)
    assert not path.exists()


def test_an_option_with_a_comma_is_one_option(tmp_path: Path) -> None:
    path, data = tmp_path / "a.qcow2", tmp_path / "a,b=c.raw"
    qemu_img.create(path, "qcow2", MIB, {"data_file": str(data)})
    assert qemu_img.info(path, "qcow2").data_file == str(data)
