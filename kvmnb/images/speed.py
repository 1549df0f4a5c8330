"""How fast images of each format are read and written, against raw in the same run.

Everything is measured alone, one program at a time, and in rounds: each round goes through all candidates,
so that a host that grows slower meanwhile slows all of them, and each is compared with raw in its own round.
"""

from __future__ import annotations

import os
import shutil
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from kvmnb.errors import KvmnbError
from kvmnb.images.bench import LARGE, SMALL, Cache, Pattern, bench
from kvmnb.images.candidates import RAW, Candidate
from kvmnb.images.sizes import convert, create, remove
from kvmnb.images.workspace import why
from kvmnb.schema import WORKLOADS

#: What is asked for under each of the names in `kvmnb.schema.WORKLOADS`.
PATTERNS = {
    "sequential_read": Pattern(write=False, request=LARGE, scattered=False),
    "random_read": Pattern(write=False, request=SMALL, scattered=True),
    "sequential_write": Pattern(write=True, request=LARGE, scattered=False),
    "random_write": Pattern(write=True, request=SMALL, scattered=True),
    "first_write": Pattern(write=True, request=LARGE, scattered=False),
}

#: The first, short run of a workload, which tells how many requests fill the time.
_TRIAL = 64

#: Most and fewest requests of a run.
_FEWEST, _MOST = 32, 50_000


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured.

    Parameters
    ----------
    rounds : int
        How often each workload is run on each candidate.
    seconds : float
        How long a run is to take.
    """

    rounds: int
    seconds: float


QUICK, THOROUGH = Effort(rounds=3, seconds=0.06), Effort(rounds=9, seconds=0.5)


@dataclass(frozen=True, slots=True)
class Speed:
    """One workload on one candidate: ratios to raw, and bytes per second."""

    ratio: float
    low: float
    high: float
    rate: int


@dataclass(slots=True)
class Speeds:
    """What was measured of one candidate.

    Parameters
    ----------
    of : dict of str to Speed or None
        By the names of `kvmnb.schema.WORKLOADS`; None where it could not be measured.
    reasons : list of str
        Why it could not.
    """

    of: dict[str, Speed | None] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)


def cache_mode(folder: Path) -> Cache:
    """Give the cache mode that a place allows: none, unless its file system has no direct access.

    With none, requests pass the host's memory by, as they do for most guests.
    """
    probe = folder / "direct"
    probe.touch()
    try:
        os.close(os.open(probe, os.O_RDWR | os.O_DIRECT))
    except OSError:
        return "writeback"
    finally:
        probe.unlink()
    return "none"


@dataclass(slots=True)
class _Runner:
    """Measures one candidate; its image has been filled once."""

    candidate: Candidate
    image: Path
    size: int
    cache: Cache
    seconds: float
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def _kept(self) -> Path:
        return self.image.with_suffix(".kept")

    def fill(self, source: Path) -> None:
        """Make the image, full of data."""
        convert(self.candidate, source, self.image)
        if self.candidate.compressed:
            shutil.copyfile(self.image, self._kept)

    def run(self, workload: str) -> float:
        """Give the bytes per second of one run."""
        pattern = PATTERNS[workload]
        if workload not in self.counts:
            rate = self._bench(workload, pattern, _TRIAL)
            self.counts[workload] = max(_FEWEST, min(_MOST, int(rate * self.seconds / pattern.request)))
        return self._bench(workload, pattern, self.counts[workload])

    def _bench(self, workload: str, pattern: Pattern, count: int) -> float:
        if workload == "first_write":
            fresh = self.image.with_suffix(".fresh")
            try:
                create(self.candidate, fresh, self.size)
                return self._time(fresh, pattern, count)
            finally:
                remove(fresh)
        if pattern.write and self.candidate.compressed:  # what was written once is compressed no more
            shutil.copyfile(self._kept, self.image)
        return self._time(self.image, pattern, count)

    def _time(self, path: Path, pattern: Pattern, count: int) -> float:
        return bench(path, self.candidate.format, pattern, size=self.size, count=count, cache=self.cache)


def measure_speeds(
    candidates: Sequence[Candidate],
    folder: Path,
    source: Path,
    *,
    cache: Cache,
    effort: Effort,
    tell: Callable[[], None],
) -> dict[Candidate, Speeds]:
    """Measure every workload on every candidate.

    Parameters
    ----------
    candidates : sequence of Candidate
        Raw among them.
    folder : Path
        An empty folder to work in.
    source : Path
        A raw image full of data; every image is filled from it.
    cache : {"none", "writeback"}
        The cache mode.
    effort : Effort
        How much to measure.
    tell : callable
        Called once per candidate when its image is filled, and once per workload and round.

    Returns
    -------
    dict of Candidate to Speeds
        For each of them.
    """
    found = {candidate: Speeds() for candidate in candidates}
    runners: dict[Candidate, _Runner] = {}
    size = source.stat().st_size
    for number, candidate in enumerate(candidates):
        runner = _Runner(candidate, folder / f"image{number}", size, cache, effort.seconds)
        try:
            runner.fill(source)
            runners[candidate] = runner
        except (KvmnbError, OSError) as error:
            found[candidate].reasons.append(f"throughput: {why(error)}")
        tell()
    for workload in WORKLOADS:
        rounds = []
        for _ in range(effort.rounds):
            rounds.append(dict(_round(workload, runners, found)))
            tell()
        for candidate in candidates:
            found[candidate].of[workload] = _speed(candidate, rounds)
    return found


def _round(
    workload: str, runners: dict[Candidate, _Runner], found: dict[Candidate, Speeds]
) -> Iterator[tuple[Candidate, float]]:
    for candidate, runner in runners.items():
        if candidate.compressed and workload == "first_write":
            reason = "first_write: what is written later is not compressed, so it would be measured as qcow2"
        else:
            try:
                yield candidate, runner.run(workload)
                continue
            except (KvmnbError, OSError) as error:
                reason = f"{workload}: {why(error)}"
        with suppress(ValueError):
            found[candidate].reasons.remove(reason)
        found[candidate].reasons.append(reason)


def _speed(candidate: Candidate, rounds: Sequence[dict[Candidate, float]]) -> Speed | None:
    """Put the rounds together; None where one of them is missing."""
    if not all(candidate in one and RAW in one for one in rounds):
        return None
    ratios = [one[candidate] / one[RAW] for one in rounds]
    rate = statistics.median(one[candidate] for one in rounds)
    return Speed(statistics.median(ratios), min(ratios), max(ratios), round(rate))
