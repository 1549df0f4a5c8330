"""Sizes at each stage are what ``ls`` and ``du`` say of images that were made by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kvmnb.errors import ProgramFailed
from kvmnb.images.candidates import CANDIDATES, Candidate
from kvmnb.images.material import Material, made
from kvmnb.images.sizes import Size, Sizes, create, measure_sizes, remove, size_of
from tests.images import by_hand
from tests.images.by_hand import du, ls
from tests.images.places import GIB, MIB

_NAMED = {candidate.name: candidate for candidate in CANDIDATES}

#: File systems allocate in blocks, and put long lists of extents into blocks of their own.
_BLOCKS = 32 << 10


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Material]:
    with made(tmp_path_factory.mktemp("material"), 64 * MIB, MIB) as written:
        yield written


@pytest.mark.parametrize(
    ("name", "apparent", "least", "most"),
    [
        ("raw", GIB, 0, 16 << 10),
        ("raw falloc", GIB, GIB, GIB + MIB),
        ("raw full", GIB, GIB, GIB + MIB),
        ("qcow2", 196624, 64 << 10, 256 << 10),
        ("qcow2 falloc", GIB + 393216, GIB - MIB, GIB + 2 * MIB),
    ],
)
def test_the_classic_figures_of_a_gigabyte(
    tmp_path: Path, name: str, apparent: int, least: int, most: int
) -> None:
    candidate, image = _NAMED[name], tmp_path / "image"
    assert create(candidate, image, GIB) > 0
    size = size_of(image)
    assert (size.apparent, size.allocated) == (ls(image), du(image))
    assert size.apparent == apparent
    assert least <= size.allocated <= most


def test_the_data_is_the_same_every_time_and_half_of_it_compresses(
    tmp_path: Path, material: Material
) -> None:
    with made(tmp_path, 64 * MIB, MIB) as again:
        content = material.source.read_bytes()
        assert again.source.read_bytes() == content
    assert ls(material.source) == 64 * MIB
    assert content[MIB:] == bytes(63 * MIB)
    assert content[: MIB // 2].count(0) < 4096  # noise has each byte as often as any other
    assert content[MIB // 2 : MIB].count(b"disk formats") > 10_000


@pytest.mark.parametrize(
    "name", ["raw", "qcow2", "qcow2 metadata", "qcow2 extended_l2", "qcow", "vdi", "qed"]
)
def test_each_stage_is_what_it_is_by_hand(tmp_path: Path, material: Material, name: str) -> None:
    candidate = _NAMED[name]
    kind, words = candidate.format, by_hand.options(candidate.options)
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    theirs.mkdir()
    skip = set() if name in {"qcow2", "qcow2 extended_l2"} else {"overlay", "snapshot"}
    found = measure_sizes(candidate, ours, material, skip)
    image, top = theirs / "image", theirs / "top"
    write = f"write -q -s {material.block} 0 {MIB}"
    expected: dict[str, Size | None] = {}

    def look(stage: str, path: Path = image) -> None:
        expected[stage] = Size(ls(path), du(path))

    by_hand.img("create", "-q", "-f", kind, *words, image, "64M")
    look("created")
    by_hand.io(kind, image, write, cache="unsafe")
    look("written")
    by_hand.io(kind, image, f"discard -q 0 {MIB}")
    look("discarded")
    if not skip:
        by_hand.img("create", "-q", "-f", kind, *words, "-b", image, "-F", kind, top)
        by_hand.io(kind, top, write, cache="unsafe")
        look("overlay", top)
        by_hand.io(kind, image, write, cache="unsafe")
        by_hand.img("snapshot", "-q", "-c", "before", image)
        by_hand.io(kind, image, write, cache="unsafe")
        look("snapshot")
    assert found.stages.keys() == expected.keys()
    for stage, by_them in expected.items():
        by_us = found.stages[stage]
        assert by_us is not None, found.reasons
        assert by_them is not None
        assert by_us.apparent == by_them.apparent, stage
        assert abs(by_us.allocated - by_them.allocated) <= _BLOCKS, stage
    assert found.discards is (kind in {"raw", "qcow2"})
    assert found.reasons == ()
    assert not (ours / "overlay").exists()


def test_a_compressed_image_is_made_with_its_data(tmp_path: Path, material: Material) -> None:
    (tmp_path / "ours").mkdir()
    found = measure_sizes(_NAMED["qcow2 compressed"], tmp_path / "ours", material, {"overlay", "snapshot"})
    squeezed = tmp_path / "squeezed"
    by_hand.img("convert", "-c", "-f", "raw", "-O", "qcow2", material.source, squeezed)
    written = found.stages["written"]
    assert written is not None
    assert (written.apparent, abs(written.allocated - du(squeezed)) <= _BLOCKS) == (ls(squeezed), True)
    assert written.allocated < MIB


def test_a_stage_that_cannot_be_reached_says_why(tmp_path: Path, material: Material) -> None:
    found = measure_sizes(_NAMED["vdi"], tmp_path, material)
    assert found.stages["overlay"] is None
    assert found.stages["snapshot"] is None
    assert [reason.partition(":")[0] for reason in found.reasons] == ["overlay", "snapshot"]
    assert "Backing file not supported" in found.reasons[0]


def test_an_image_that_cannot_be_made_has_no_sizes(tmp_path: Path, material: Material) -> None:
    with pytest.raises(ProgramFailed, match="Invalid parameter 'nonsense'"):
        measure_sizes(Candidate("x", "qcow2", (("nonsense", "1"),)), tmp_path, material)


def test_an_image_of_several_files_is_measured_and_removed_as_a_whole(tmp_path: Path) -> None:
    flat = Candidate("flat", "vmdk", (("subformat", "monolithicFlat"),))
    for name in ("image", "image0.fresh", "bystander", "image1"):
        create(flat, tmp_path / name, 64 * MIB)
    image = tmp_path / "image"
    assert size_of(image).apparent == 64 * MIB + ls(image)
    remove(image)
    remove(tmp_path / "image0.fresh")
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"bystander", "bystander-flat", "image1", "image1-flat"}


@pytest.mark.parametrize(
    ("written", "discarded", "discards"),
    [
        (Size(0, MIB), Size(0, 0), True),
        (Size(0, 65 * MIB), Size(0, 64 * MIB), True),  # all was taken before; the data's part came back
        (Size(0, 65 * MIB), Size(0, 64 * MIB + MIB // 2), False),
        (Size(0, MIB), Size(0, MIB), False),
        (Size(0, MIB), None, None),
        (None, None, None),
    ],
)
def test_whether_space_came_back(written: Size | None, discarded: Size | None, discards: bool | None) -> None:
    assert Sizes({"written": written, "discarded": discarded}, (), MIB).discards is discards
