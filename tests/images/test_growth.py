"""How images grow, and how an overlay lies on its base: each figure as it is by hand."""

from __future__ import annotations

import hashlib
import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest

from kvmnb.errors import BadValue, ProgramFailed
from kvmnb.images import growth as room
from kvmnb.images.growth import GROWING, copy_on_write, measure_growth
from kvmnb.schema import GROWTH, LAYERS
from tests.images import by_hand
from tests.images.by_hand import du, ls
from tests.images.places import HOSTILE, MIB, NOT_ROOT, contents, fill, small_disk

_CELL = 64 << 10


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("place") / "".join(HOSTILE)
    place.mkdir()
    (place / "base.qcow2").write_bytes(b"mine")
    return place


@pytest.fixture(scope="module")
def grown(place: Path) -> pd.DataFrame:
    before = contents(place)
    told: list[tuple[int, int, int]] = []

    def progress(words: str) -> Callable[[int, int], None]:
        assert words == "Growth"
        return lambda done, total: told.append((done, total, threading.get_ident()))

    formats = ["qcow2", "qcow2:cluster_size=2M", "vdi", "vhdx", "dmg", "qcow2:nonsense=1"]
    frame = measure_growth(place, "64M", formats, data="2M", steps=4, progress=progress)
    assert told == [(number, 7, threading.get_ident()) for number in range(8)]
    assert contents(place) == before
    return frame


def test_the_frame_is_as_declared(grown: pd.DataFrame, place: Path) -> None:
    assert grown.dtypes.to_dict() == GROWTH.empty().dtypes.to_dict()
    assert set(grown.attrs) == {"frame", *GROWTH.attrs}
    assert (grown.attrs["where"], grown.attrs["size"], grown.attrs["data"]) == (str(place), 64 * MIB, 2 * MIB)


def test_images_only_grow_and_every_step_is_there(grown: pd.DataFrame) -> None:
    whole = grown[grown["status"] == "ok"]
    assert whole["candidate"].unique().tolist() == [
        "raw",
        "qcow2",
        "qcow2 cluster_size=2M",
        "vdi",
        "vhdx",
    ]
    for _, steps in whole.groupby("candidate"):
        assert steps["step"].tolist() == [0, 1, 2, 3, 4]
        assert steps["written"].tolist() == [0, MIB // 2, MIB, MIB * 3 // 2, 2 * MIB]
        for column in ("apparent", "allocated"):
            assert all(before <= after for before, after in pairwise(steps[column]))
        assert steps["allocated"].iloc[-1] >= max(2 * MIB, steps["allocated"].iloc[0] + MIB)


def test_the_first_step_is_the_created_image(grown: pd.DataFrame, tmp_path: Path) -> None:
    for name, words in {"raw": [], "qcow2": [], "qcow2 cluster_size=2M": ["-o", "cluster_size=2M"]}.items():
        image = tmp_path / name
        by_hand.img("create", "-q", "-f", name.partition(" ")[0], *words, image, "64M")
        first = grown[(grown["candidate"] == name) & (grown["step"] == 0)].iloc[0]
        assert (first["apparent"], first["allocated"]) == (ls(image), du(image))


def test_larger_clusters_take_more_for_the_same_data(grown: pd.DataFrame) -> None:
    last = grown[grown["step"] == 4].set_index("candidate")["allocated"]
    assert last["raw"] < last["qcow2"] < last["qcow2 cluster_size=2M"]
    # 32 pieces far apart lie in 32 clusters: a piece that came twice would take no cluster.
    assert last["qcow2"] >= 2 * MIB
    assert last["vdi"] >= 24 * MIB


def test_what_cannot_be_made_is_a_row_that_says_why(grown: pd.DataFrame) -> None:
    left = grown[grown["status"] != "ok"]
    assert left["candidate"].tolist() == ["dmg", "qcow2 nonsense=1"]
    assert left["status"].tolist() == ["failed", "failed"]
    assert left["problem"].tolist() == [
        "Format driver 'dmg' does not support image creation",
        "Invalid parameter 'nonsense'",
    ]
    assert left[["written", "apparent", "allocated"]].isna().all(axis=None)


def test_without_formats_those_grow_that_can() -> None:
    names = [candidate.name for candidate in GROWING]
    assert names[:2] == ["raw", "qcow2"]
    assert not {"raw full", "qcow2 falloc", "qcow2 compressed", "luks"} & set(names)


@pytest.mark.parametrize("steps", [0, -1, 17])
def test_steps_that_are_not_to_be_had_are_named(tmp_path: Path, steps: int) -> None:
    with pytest.raises(BadValue, match=f"{steps} steps are not to be had"):
        measure_growth(tmp_path, "64M", ["raw"], data="1M", steps=steps)
    assert list(tmp_path.iterdir()) == []


@NOT_ROOT
def test_a_full_disk_is_a_row_and_what_takes_all_at_once_is_not_begun(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", 16 * MIB) as place:

        def take(done: int, total: int) -> None:
            if done == 2:
                fill(place, but=MIB)

        def progress(words: str) -> Callable[[int, int], None]:
            return take

        frame = measure_growth(place, "64M", ["raw full", "qcow2"], data="4M", steps=2, progress=progress)
        assert [path.name for path in place.iterdir()] == ["filler"]
    rows = frame[frame["status"] != "ok"]
    assert rows["candidate"].tolist() == ["raw full", "qcow2"]
    assert rows["status"].tolist() == ["no space", "no space"]
    assert rows["problem"].iloc[0].startswith("it takes all of its space at once: ")
    assert "No space left" in rows["problem"].iloc[1]


@pytest.fixture(scope="module")
def layers(place: Path) -> pd.DataFrame:
    before = contents(place)
    frame = copy_on_write(place)
    assert contents(place) == before
    return frame


def test_the_stretches_cover_the_disk_at_each_step(layers: pd.DataFrame) -> None:
    assert layers.dtypes.to_dict() == LAYERS.empty().dtypes.to_dict()
    assert set(layers.attrs) == {"frame", *LAYERS.attrs}
    assert layers["step"].unique().tolist() == [1, 2, 3, 4, 5, 6]
    for _, stretches in layers.groupby("step"):
        ends = [0, *(stretches["start"] + stretches["length"])]
        assert stretches["start"].tolist() == ends[:-1]
        assert ends[-1] == layers.attrs["size"] == 16 * _CELL
        assert stretches["what"].nunique() == 1
    assert layers["layer"].isin(["base", "overlay", "none"]).all()
    assert layers.loc[layers["step"] == 1, "overlay_allocated"].isna().all()


def test_the_map_is_what_qemu_img_says_by_hand(layers: pd.DataFrame, tmp_path: Path) -> None:
    base, top = tmp_path / "base", tmp_path / "top"
    words = ["-o", "cluster_size=65536"]

    def held(image: Path, names: tuple[str, ...]) -> list[tuple[int, int, str]]:
        told = subprocess.run(
            ["qemu-img", "map", "--output=json", "-f", "qcow2", image], check=True, capture_output=True
        )
        return [
            (one["start"], one["length"], names[one["depth"]] if one["data"] else "none")
            for one in json.loads(told.stdout)
        ]

    by_hand.img("create", "-q", "-f", "qcow2", *words, base, "1M")
    by_hand.io("qcow2", base, f"write -q -P 0x77 0 {10 * _CELL}")
    maps = [held(base, ("base",))]
    by_hand.img("create", "-q", "-f", "qcow2", *words, "-b", base, "-F", "qcow2", top)
    checksum = hashlib.sha256(base.read_bytes()).digest()
    maps.append(held(top, ("overlay", "base")))
    for write in (f"{3 * _CELL} {2 * _CELL}", f"{7 * _CELL} 4k", f"{12 * _CELL} {3 * _CELL}"):
        by_hand.io("qcow2", top, f"write -q -P 0x77 {write}")
        maps.append(held(top, ("overlay", "base")))
    assert hashlib.sha256(base.read_bytes()).digest() == checksum
    by_hand.img("commit", "-q", top)
    maps.append(held(top, ("overlay", "base")))
    ours = [
        list(zip(stretches["start"], stretches["length"], stretches["layer"], strict=True))
        for _, stretches in layers.groupby("step")
    ]
    assert ours == maps
    last = layers.iloc[-1]
    assert (last["base_allocated"], last["overlay_allocated"]) == (du(base), du(top))


def test_writes_to_the_overlay_leave_the_base_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sums: list[bytes] = []
    story = room._story

    def watched(base: Path, overlay: Path) -> Iterator[str]:
        for what in story(base, overlay):
            sums.append(hashlib.sha256(base.read_bytes()).digest())
            yield what

    monkeypatch.setattr(room, "_story", watched)
    copy_on_write(tmp_path)
    assert len(set(sums[:5])) == 1
    assert sums[5] != sums[0]  # committed


def test_a_story_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_CLUSTER", 3)
    with pytest.raises(ProgramFailed, match="power of two"):
        copy_on_write(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", ["missing", "file"])
def test_a_place_that_will_not_do_is_named(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").touch()
    for act in (copy_on_write, measure_growth):
        with pytest.raises(BadValue, match=r"does not exist|is no folder"):
            act(tmp_path / where)
