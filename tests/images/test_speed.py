"""Throughput: what is asked for and how the rounds are put together; never how fast anything was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmnb import programs
from kvmnb.errors import ProgramFailed
from kvmnb.images import bench as bench_room
from kvmnb.images import speed as room
from kvmnb.images.bench import LARGE, SMALL, Pattern, bench, stride
from kvmnb.images.candidates import CANDIDATES, RAW, Candidate
from kvmnb.images.material import Material, made
from kvmnb.images.speed import PATTERNS, Effort, Speed, cache_mode, measure_speeds
from kvmnb.programs import Completed
from kvmnb.schema import WORKLOADS
from tests.images import by_hand
from tests.images.places import MIB, NOT_ROOT, contents, small_disk

_NAMED = {candidate.name: candidate for candidate in CANDIDATES}
_EFFORT = Effort(rounds=2, seconds=0.001)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Material]:
    with made(tmp_path_factory.mktemp("full"), 8 * MIB, 8 * MIB) as material:
        yield material


@given(st.integers(1, 1 << 14), st.sampled_from([SMALL, LARGE]), st.integers(1, 200))
def test_scattered_requests_stay_in_the_image_and_come_to_all_of_it(
    pieces: int, request: int, count: int
) -> None:
    size = pieces * request
    step = stride(size, request, count)
    places = [number * step % size for number in range(count)]
    assert step % request == 0
    assert all(0 <= place <= size - request for place in places)
    assert len(set(places)) == min(count, pieces)


@given(st.integers(SMALL, 1 << 24), st.sampled_from([SMALL, LARGE]), st.integers(1, 60))
def test_scattered_requests_stay_in_an_image_of_any_size(size: int, request: int, count: int) -> None:
    step = stride(size, request, count)
    assert step % request == 0
    assert step > 0
    if step != request:  # there is none that fits, so they go in order
        assert all(number * step % size <= size - request for number in range(count))


def test_the_patterns_are_what_the_frame_says() -> None:
    assert PATTERNS.keys() == WORKLOADS.keys()
    for name, pattern in PATTERNS.items():
        assert pattern.write is ("write" in name)
        assert pattern.scattered is ("random" in name)
        assert f"{pattern.request >> 10} KiB at a time" in WORKLOADS[name]
        assert ("writing" in WORKLOADS[name]) is pattern.write


@pytest.mark.parametrize("workload", PATTERNS)
def test_a_run_is_what_qemu_img_is_asked_for(
    tmp_path: Path, full: Material, monkeypatch: pytest.MonkeyPatch, workload: str
) -> None:
    image, pattern = tmp_path / "image", PATTERNS[workload]
    by_hand.img("convert", "-f", "raw", "-O", "qcow2", full.source, image)
    asked: list[Completed] = []

    def watched(*args: object, **limits: object) -> Completed:
        asked.append(programs.run(*args, **limits))  # type: ignore[arg-type]
        return asked[-1]

    monkeypatch.setattr(bench_room, "run", watched)
    assert bench(image, "qcow2", pattern, size=8 * MIB, count=200, cache="writeback") > 0
    [done] = asked
    count = 200 if pattern.scattered else 128  # so many large ones are all of 8 MiB
    kind = "write" if pattern.write else "read"
    assert done.stdout.startswith(
        f"Sending {count} {kind} requests, {pattern.request} bytes each, 8 in parallel"
    )
    assert ("-w" in done.args) is pattern.write
    assert done.args[done.args.index("-t") + 1] == "writeback"


def test_a_run_that_fails_says_so(tmp_path: Path) -> None:
    with pytest.raises(ProgramFailed, match="Could not open"):
        bench(tmp_path / "none", "raw", PATTERNS["random_read"], size=MIB, count=1, cache="none")


def test_every_candidate_has_every_workload_and_raw_is_one(tmp_path: Path, full: Material) -> None:
    candidates = [RAW, _NAMED["qcow2"], _NAMED["vpc"], _NAMED["qcow2 compressed"]]
    broken = Candidate("broken", "qcow2", (("nonsense", "1"),))
    steps: list[int] = []
    before = full.source.read_bytes()
    found = measure_speeds(
        [*candidates, broken],
        tmp_path,
        full.source,
        cache=cache_mode(tmp_path),
        effort=_EFFORT,
        tell=lambda: steps.append(1),
    )
    assert list(found) == [*candidates, broken]
    assert len(steps) == len(found) + len(WORKLOADS) * _EFFORT.rounds
    for candidate in candidates:
        assert list(found[candidate].of) == list(WORKLOADS)
        for workload, speed in found[candidate].of.items():
            if candidate.compressed and workload == "first_write":
                assert speed is None
                continue
            assert speed is not None
            assert 0 < speed.low <= speed.ratio <= speed.high
            assert speed.rate > 0
    for raw in found[RAW].of.values():
        assert raw is not None
        assert (raw.ratio, raw.low, raw.high) == (1, 1, 1)
    assert found[_NAMED["qcow2"]].reasons == []
    [reason] = found[_NAMED["qcow2 compressed"]].reasons
    assert reason.startswith("first_write: what is written later is not compressed")
    assert set(found[broken].of.values()) == {None}
    assert len(found[broken].reasons) == 1
    assert "Invalid parameter 'nonsense'" in found[broken].reasons[0]
    assert full.source.read_bytes() == before
    assert not list(tmp_path.glob("*.fresh"))


def test_a_compressed_image_is_compressed_again_before_each_write(
    tmp_path: Path, full: Material, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []

    def watched(path: Path, *_args: object, **_limits: object) -> float:
        taken.append(path.stat().st_size)
        path.write_bytes(b"")  # as a write would spoil it
        return 1e6

    monkeypatch.setattr(room, "bench", watched)
    squeezed = _NAMED["qcow2 compressed"]
    runner = room._Runner(squeezed, tmp_path / "image", 8 * MIB, "none", 0.001)
    runner.fill(full.source)
    size = (tmp_path / "image").stat().st_size
    runner.run("sequential_write")
    runner.run("random_write")
    assert set(taken) == {size}
    assert size < 8 * MIB * 3 // 4


def test_a_run_fills_its_time_within_bounds(
    tmp_path: Path, full: Material, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, int]] = []
    rate = 0.0

    def told(path: Path, _format: str, pattern: Pattern, *, count: int, **_rest: object) -> float:
        asked.append((path.name, count))
        return rate

    monkeypatch.setattr(room, "bench", told)
    for rate, count in ((1.0, 32), (SMALL * 1000 / 0.5, 1000), (1e12, 50_000)):
        runner = room._Runner(RAW, tmp_path / "image", 8 * MIB, "none", 0.5)
        asked.clear()
        assert [runner.run("random_read"), runner.run("random_read")] == [rate, rate]
        assert asked == [("image", 64), ("image", count), ("image", count)]


def test_ratios_are_of_the_same_round() -> None:
    other = _NAMED["qcow2"]
    rounds = [{RAW: 100.0, other: 50.0}, {RAW: 10.0, other: 20.0}, {RAW: 100.0, other: 100.0}]
    assert room._speed(other, rounds) == Speed(ratio=1.0, low=0.5, high=2.0, rate=50)
    assert room._speed(RAW, rounds) == Speed(ratio=1.0, low=1.0, high=1.0, rate=100)
    assert room._speed(other, [*rounds, {RAW: 1.0}]) is None
    assert room._speed(other, [*rounds, {other: 1.0}]) is None


def test_a_reason_is_told_once_however_many_rounds_fail(
    tmp_path: Path, full: Material, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(path: Path, format: str, pattern: Pattern, **_rest: object) -> float:
        if format == "qcow2" and pattern.write:
            raise ProgramFailed("no", "x")
        return 1e6

    monkeypatch.setattr(room, "bench", fails)
    found = measure_speeds(
        [RAW, _NAMED["qcow2"]], tmp_path, full.source, cache="none", effort=_EFFORT, tell=lambda: None
    )
    speeds = found[_NAMED["qcow2"]]
    assert sorted(speeds.reasons) == ["first_write: no", "random_write: no", "sequential_write: no"]
    assert {name for name, speed in speeds.of.items() if speed is None} == {
        "first_write",
        "random_write",
        "sequential_write",
    }


def test_the_cache_mode_leaves_nothing(tmp_path: Path) -> None:
    assert cache_mode(tmp_path) in {"none", "writeback"}
    assert contents(tmp_path) == {}


@NOT_ROOT
def test_a_place_without_direct_access_is_measured_through_memory(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", MIB) as place:
        probe = place / "probe"
        probe.touch()
        direct = by_hand.tried("dd", "if=/dev/zero", f"of={probe}", "bs=4096", "count=1", "oflag=direct")
        probe.unlink()
        assert cache_mode(place) == ("none" if direct else "writeback")
