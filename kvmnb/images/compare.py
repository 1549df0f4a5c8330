"""Disk formats compared by measurement, in a place of one's own choice."""

from __future__ import annotations

import os
import platform
import shutil
import statistics
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kvmnb.errors import BadValue, KvmnbError, ProgramFailed
from kvmnb.images import material, qemu_img
from kvmnb.images.candidates import Candidate, choose
from kvmnb.images.features import Features, find_encryption, find_features
from kvmnb.images.installed import formats as known_formats
from kvmnb.images.installed import version
from kvmnb.images.material import Material
from kvmnb.images.sizes import Sizes, convert, create, measure_sizes
from kvmnb.images.speed import QUICK, THOROUGH, Effort, Speeds, cache_mode, measure_speeds
from kvmnb.images.workspace import filesystem, folder, require_space, workspace
from kvmnb.schema import FORMATS, STAGES, WORKLOADS, returns
from kvmnb.units import format_size, parse_size

if TYPE_CHECKING:
    import pandas as pd

#: Is told how many steps are behind, and how many there are.
Steps = Callable[[int, int], None]

#: Makes what is told of the steps of one part of the work; gets the words for that part.
MakeSteps = Callable[[str], Steps]

#: The least and the most that is compared; real disks lie between.
SMALLEST, LARGEST = 1 << 20, 64 << 40

#: Data is written in pieces of this size.
_PIECE = 64 << 10

#: Room for tables, and for what else is written to the place meanwhile.
_SPARE = 64 << 20

#: Throughput is measured on images of at least this size: smaller ones are read before a clock has ticked.
_LARGE_ENOUGH = 64 << 20

#: How often the empty image is made, where that takes no space: the median counts.
_CREATIONS = 3

#: How many candidates are looked at side by side while no time is measured.
_AT_ONCE = 2


@dataclass(slots=True)
class _Found:
    """What was found of one candidate."""

    virtual_size: int | None = None
    create_seconds: float | None = None
    convert_seconds: float | None = None
    features: Features = field(default_factory=Features)
    encryption: Features = field(default_factory=Features)
    sizes: Sizes | None = None
    speeds: Speeds = field(default_factory=Speeds)
    status: str = "ok"
    problem: str | None = None

    def fail(self, status: str, error: KvmnbError | OSError) -> None:
        """Keep why it could not be measured, or not to its end."""
        said = error.what if isinstance(error, KvmnbError) else str(error)
        self.status = "no space" if "No space left" in said else status
        self.problem = plain_words(said)


def plain_words(said: str) -> str:
    """Give what qemu-img said, without what is always said around it and without the comparison's paths."""
    _, mark, told = said.partition(" and said: ")
    if not mark or told == "nothing":
        return said
    words = told.removeprefix("qemu-img: ")
    parts = words.split(": ")
    return ": ".join(part for part in parts if ".kvmnb-comparison-" not in part) or words


@returns(FORMATS)
def compare_formats(
    where: str | os.PathLike[str],
    size: int | str = "1G",
    formats: Sequence[str | Candidate] | None = None,
    *,
    data: int | str = "32M",
    thorough: bool = False,
    progress: MakeSteps | None = None,
) -> pd.DataFrame:
    """Compare disk formats by making, filling, changing and timing an image of each.

    All is done in a hidden folder of its own, which is removed at the end, also after a failure or Ctrl-C.
    Sizes and features are exact and the same in every run; times are of this host, place and moment.
    Throughput is measured alone, on images of 64 MiB or the size of the data if that is more, and raw is
    always measured along.

    Parameters
    ----------
    where : str or path
        The folder to measure in, such as a pool's target: its file system and disk are what counts.
    size : int or str
        The size that a guest would see, in bytes or as ``"1G"``.
    formats : sequence of str or Candidate, optional
        Names such as ``"qcow2"`` and ``"raw full"``, or a format with options, such as
        ``"qcow2:cluster_size=2M"``; all of `kvmnb.images.CANDIDATES` without it.
    data : int or str
        How much real data is written, half of it compressible.
    thorough : bool
        Whether to measure throughput in more and longer rounds.
    progress : callable, optional
        Makes what is told of the steps, such as `kvmnb.step_bar`.

    Raises
    ------
    kvmnb.errors.BadValue
        A size, a format or the place will not do, or has not the space; nothing was written. A format that
        cannot be made at that size, or for which alone there is no space, is a row that says so.
    """
    place = folder(where)
    total, amount = sizes_asked(size, data)
    known = known_formats()
    candidates = choose(formats, known)
    effort = THOROUGH if thorough else QUICK
    require_space(place, (len(candidates) + 4) * max(amount, _LARGE_ENOUGH) + _SPARE, "Comparing them")
    with workspace(place) as own, material.made(own, total, amount) as made:
        comparison = _Comparison(candidates, own, made, progress)
        cache = comparison.run(effort)
    return FORMATS.build(
        (_row(candidate, found, cache) for candidate, found in comparison.found.items()),
        host=platform.node(),
        read_at=now(),
        where=str(place),
        filesystem=filesystem(place),
        size=total,
        data=amount,
        rounds=effort.rounds,
        qemu=version(),
    )


def sizes_asked(size: int | str, data: int | str) -> tuple[int, int]:
    """Give both sizes in bytes, or raise `BadValue` where they will not do."""
    total, amount = parse_size(size), parse_size(data)
    if not SMALLEST <= total <= LARGEST:
        raise BadValue(
            f"A size of {format_size(total)} cannot be compared",
            f"give one from {format_size(SMALLEST)} to {format_size(LARGEST)}: the tables grow in proportion",
        )
    if total % 512:
        raise BadValue(
            f"The size {total} is no multiple of 512 bytes, a disk's sector", f"use {total // 512 * 512}"
        )
    if not SMALLEST <= amount <= total or amount % _PIECE:
        raise BadValue(
            f"The data of {format_size(amount)} ({amount} bytes) cannot be written to {format_size(total)}",
            f"give a multiple of 64 KiB from {format_size(SMALLEST)} to the size of the disk",
        )
    return total, amount


def now() -> str:
    """Give this moment in UTC, as frames keep it."""
    import pandas as pd  # noqa: PLC0415 - loaded when a frame is made

    return pd.Timestamp.now("UTC").isoformat()


class _Comparison:
    """A comparison under way."""

    def __init__(
        self, candidates: Sequence[Candidate], own: Path, made: Material, progress: MakeSteps | None
    ) -> None:
        self.own, self.made, self.progress = own, made, progress
        self.found = {candidate: _Found() for candidate in candidates}
        self._stop = threading.Event()

    @property
    def _left(self) -> list[Candidate]:
        return [candidate for candidate, found in self.found.items() if found.status == "ok"]

    def run(self, effort: Effort) -> str:
        """Measure everything; give the cache mode of the throughput."""
        with self._steps("Creating and converting", len(self._left)) as tell:
            for candidate in self._left:
                self._time(candidate)
                tell()
        kinds = list(dict.fromkeys(candidate.kind for candidate in self._left))
        left = sum(self.found[candidate].sizes is None for candidate in self._left)
        with self._steps("Sizes and features", left + len(kinds)) as tell:
            self._look(kinds, tell)
        cache, fit = cache_mode(self.own), self._left
        with self._steps("Throughput", len(fit) + len(WORKLOADS) * effort.rounds) as tell:
            part = self.own / "throughput"
            part.mkdir()
            self.made.source.unlink()
            large = max(self.made.data, _LARGE_ENOUGH)
            with material.made(part, large, large) as full:
                speeds = measure_speeds(fit, part, full.source, cache=cache, effort=effort, tell=tell)
        for candidate, speed in speeds.items():
            self.found[candidate].speeds = speed
        return cache

    @contextmanager
    def _steps(self, words: str, total: int) -> Iterator[Callable[[], None]]:
        steps = self.progress(words) if self.progress else None
        done = 0

        def tell() -> None:
            nonlocal done
            done += 1
            if steps:
                steps(done, total)

        if steps:
            steps(0, total)
        yield tell

    @contextmanager
    def _part(self, candidate: Candidate) -> Iterator[Path]:
        """Give a folder for one candidate; what goes wrong in it costs that candidate's row alone."""
        part = self.own / f"part{list(self.found).index(candidate)}"
        part.mkdir()
        try:
            yield part
        except ProgramFailed as error:
            self.found[candidate].fail("failed", error)
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def _no_space(self, candidate: Candidate) -> bool:
        need = self.made.size + 2 * self.made.data + _SPARE
        free = shutil.disk_usage(self.own).free
        if not candidate.whole or need <= free:
            return False
        found = self.found[candidate]
        found.status = "no space"
        found.problem = (
            f"it takes all of its space at once: {format_size(need)}, of which {format_size(free)} are free"
        )
        return True

    def _time(self, candidate: Candidate) -> None:
        """Create the empty image and convert one with data, with nothing else going on."""
        found = self.found[candidate]
        if self._no_space(candidate):
            return
        with self._part(candidate) as part:
            image, converted = part / "image", part / "converted"
            try:
                times = [create(candidate, image, self.made.size)]
                found.virtual_size = qemu_img.info(image, candidate.format).virtual_size
            except ProgramFailed as error:
                found.fail("cannot be created", error)
                return
            if candidate.whole:  # looked at now: to make it anew would take as long again
                self._sizes_of(candidate, part)
                image.unlink()
            while not candidate.whole and len(times) < _CREATIONS:
                image.unlink()
                times.append(create(candidate, image, self.made.size))
            found.create_seconds = statistics.median(times)
            found.convert_seconds = convert(candidate, self.made.source, converted)

    def _sizes_of(self, candidate: Candidate, part: Path) -> None:
        features = part / "features"
        features.mkdir()
        found = self.found[candidate]
        found.features = find_features(candidate, features)
        skip = {stage for stage, feature in _NEEDS.items() if not found.features.can[feature]}
        if not self._stop.is_set():
            found.sizes = measure_sizes(candidate, part, self.made, skip)

    def _look(self, kinds: Sequence[Candidate], tell: Callable[[], None]) -> None:
        """Find sizes and features side by side, of those that have not been looked at yet."""
        light = [candidate for candidate in self._left if self.found[candidate].sizes is None]
        pool = ThreadPoolExecutor(min(_AT_ONCE, os.cpu_count() or 1))
        try:
            # Encryption takes longest, so it comes first.
            waiting = [pool.submit(self._encrypt, kind) for kind in kinds]
            waiting += [pool.submit(self._look_at, candidate) for candidate in light]
            for done in as_completed(waiting):
                done.result()
                tell()
        finally:
            self._stop.set()
            pool.shutdown(cancel_futures=True)

    def _encrypt(self, kind: Candidate) -> None:
        """Try encryption once for all candidates that differ in nothing that matters to it."""
        if self._stop.is_set():
            return
        part = Path(tempfile.mkdtemp(dir=self.own))
        found = find_encryption(kind, part)
        for candidate in self.found:
            if candidate.kind == kind:
                self.found[candidate].encryption = found

    def _look_at(self, candidate: Candidate) -> None:
        if not self._stop.is_set():
            with self._part(candidate) as part:
                self._sizes_of(candidate, part)


#: A stage that cannot be reached by a format without the feature.
_NEEDS = {"overlay": "overlays", "snapshot": "snapshots"}


def _row(candidate: Candidate, found: _Found, cache: str) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(FORMATS.names)
    row.update(
        host=platform.node(),
        candidate=candidate.name,
        format=candidate.format,
        options=candidate.written,
        virtual_size=found.virtual_size,
        create_seconds=found.create_seconds,
        convert_seconds=found.convert_seconds,
        cipher=found.encryption.cipher,
        cache=cache if found.status == "ok" else None,
        status=found.status,
        problem=found.problem,
        **found.features.can,
        **found.encryption.can,
    )
    reasons = [*found.features.reasons, *found.encryption.reasons]
    if found.sizes is not None:
        reasons += found.sizes.reasons
        for stage in STAGES:
            size = found.sizes.stages.get(stage)
            row[f"{stage}_apparent"] = size.apparent if size else None
            row[f"{stage}_allocated"] = size.allocated if size else None
        row["discards"] = found.sizes.discards
    for workload, speed in found.speeds.of.items():
        if speed is not None:
            row.update(
                {
                    workload: speed.ratio,
                    f"{workload}_low": speed.low,
                    f"{workload}_high": speed.high,
                    f"{workload}_rate": speed.rate,
                }
            )
    row["reasons"] = tuple(_reason(reason) for reason in [*reasons, *found.speeds.reasons])
    return row


def _reason(reason: str) -> str:
    """Shorten ``what: error`` to what and the words that say why."""
    what, _, error = reason.partition(": ")
    return f"{what}: {plain_words(error)}"
