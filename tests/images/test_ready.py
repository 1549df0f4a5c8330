"""Whether a place is ready: each thing that must be true, with its remedy; and which place is proposed."""

from __future__ import annotations

from pathlib import Path

import pytest

from kvmnb.images.compare import compare_formats
from kvmnb.images.ready import check_place, propose_place
from kvmnb.schema import CHECKS
from tests.images.places import HOSTILE, MIB, NOT_ROOT, fill, small_disk

_CHECKS = [
    "the sizes make sense",
    "qemu-img knows the formats",
    "the place can be written to",
    "the place has space",
    "how requests can go",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_place_that_is_ready(tmp_path: Path, name: str) -> None:
    place = tmp_path / name
    place.mkdir()
    checks = check_place(place, "64M", ["qcow2"], data="1M")
    assert checks["check"].tolist() == _CHECKS
    assert checks.dtypes.to_dict() == CHECKS.empty().dtypes.to_dict()
    assert checks["ok"].all(), checks["found"].tolist()
    assert checks["remedy"].isna().all()
    assert checks["found"][0] == "64 MiB, of which 1 MiB are written"
    assert checks["found"][1].startswith("2 candidates, with qemu-img ")
    assert list(place.iterdir()) == []


@pytest.mark.parametrize(
    ("size", "formats", "data", "failing"),
    [
        ("1X", ["qcow2"], "1M", {0, 3}),
        ("64M", ["qcow2"], "65M", {0, 3}),
        ("64M", ["qcow3"], "1M", {1, 3}),
        ("60T", ["raw full"], "1M", {3}),
    ],
)
def test_what_is_asked_for_may_not_do(
    tmp_path: Path, size: str, formats: list[str], data: str, failing: set[int]
) -> None:
    checks = check_place(tmp_path, size, formats, data=data)
    assert set(checks.index[~checks["ok"]]) == failing
    assert checks["remedy"].notna().tolist() == [number in failing for number in range(5)]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", ["missing", "file", ""])
def test_a_place_that_is_none(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").touch()
    checks = check_place(tmp_path / where if where else "", "64M", ["qcow2"], data="1M")
    assert checks["ok"].tolist() == [True, True, False, False, False]
    assert checks["found"][2:].nunique() == 1


@NOT_ROOT
def test_a_place_that_is_full_or_frozen(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", MIB, "nr_inodes=4") as place:  # the last for the folder's lock
        fill(place)
        checks = check_place(place, "64M", ["qcow2"], data="1M")
        assert checks["ok"].tolist() == [True, True, True, False, False]
        assert checks["found"][3].startswith("0 bytes are free, and ")
        assert "No space left" in checks["found"][4]
        assert [path.name for path in place.iterdir()] == ["filler"]
    with small_disk(tmp_path / "frozen", MIB, "ro") as place:
        checks = check_place(place, "64M", ["qcow2"], data="1M")
        assert checks["ok"].tolist() == [True, True, False, False, False]


@NOT_ROOT
def test_what_has_just_enough_space_is_enough(tmp_path: Path) -> None:
    with small_disk(tmp_path / "just", 520 * MIB) as place:
        formats = ["raw full", "qcow2"]
        assert check_place(place, "64M", formats, data="1M")["ok"].all()
        frame = compare_formats(place, "64M", formats, data="1M")
        assert frame["status"].tolist() == ["ok"] * 3
        assert frame["first_write"].notna().all()


def test_the_proposed_place_is_the_one_that_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KVMNB_POOL_ROOT", "/where/ever")
    assert propose_place() == "/where/ever"


@pytest.mark.parametrize("uri", ["test:///default", "qemu:///nowhere", "nonsense"])
def test_without_a_pool_of_files_a_temporary_folder_is_proposed(
    monkeypatch: pytest.MonkeyPatch, uri: str
) -> None:
    monkeypatch.delenv("KVMNB_POOL_ROOT", raising=False)
    monkeypatch.setenv("LIBVIRT_DEFAULT_URI", uri)
    assert propose_place() in {"/var/tmp", "/tmp"}  # noqa: S108 - proposed only
