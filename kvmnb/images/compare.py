"""Disk formats compared by measurement, in a place of one's own choice."""

from __future__ import annotations

import os
import platform
import shutil
import statistics
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from contextlib import ExitStack, contextmanager
from contextvars import copy_context
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from kvmnb.cancelling import check_cancelled
from kvmnb.errors import KvmnbError
from kvmnb.images import material, qemu_img
from kvmnb.images.asked import LARGE_ENOUGH, always, sizes_asked
from kvmnb.images.candidates import Candidate, choose
from kvmnb.images.features import Features, find_encryption, find_features
from kvmnb.images.found import Found, row_of
from kvmnb.images.installed import formats as known_formats
from kvmnb.images.installed import version
from kvmnb.images.material import Material
from kvmnb.images.sizes import convert, create, measure_sizes, remove
from kvmnb.images.speed import QUICK, THOROUGH, Effort, Speeds, cache_mode, measure_speeds
from kvmnb.images.workspace import filesystem, folder, lacks, require_space, why, workspace
from kvmnb.schema import FORMATS, WORKLOADS, returns
from kvmnb.storage.roles import Role

if TYPE_CHECKING:
    import pandas as pd

#: Is told how many steps are behind, and how many there are.
Steps = Callable[[int, int], None]

#: Makes what is told of the steps of one part of the work; gets the words for that part.
MakeSteps = Callable[[str], Steps]

#: How often the empty image is made, where that takes no space: the median counts.
_CREATIONS = 3

#: How many candidates are looked at side by side while no time is measured.
_AT_ONCE = 2


@returns(FORMATS)
def compare_formats(
    where: Annotated[str | os.PathLike[str], Role.FOLDER],
    size: Annotated[int | str, Role.SIZE] = "1G",
    formats: Sequence[str | Candidate] | None = None,
    *,
    data: Annotated[int | str, Role.SIZE] = "32M",
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
    require_space(place, always(candidates, amount), "Comparing them")
    with workspace(place) as own, material.made(own, total, amount) as made:
        comparison = _Comparison(candidates, own, made, progress)
        cache = comparison.run(effort)
    return FORMATS.build(
        (row_of(candidate, found, cache) for candidate, found in comparison.found.items()),
        host=platform.node(),
        read_at=now(),
        where=str(place),
        filesystem=filesystem(place),
        size=total,
        data=amount,
        rounds=effort.rounds,
        qemu=version(),
    )


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
        self.found = {candidate: Found() for candidate in candidates}
        self._stop = threading.Event()

    @property
    def _left(self) -> list[Candidate]:
        return [candidate for candidate, found in self.found.items() if found.status == "ok"]

    def run(self, effort: Effort) -> str | None:
        """Measure everything; give the cache mode of the throughput, None where none could be measured."""
        with self._steps("Creating and converting", len(self._left)) as tell:
            for candidate in self._left:
                self._time(candidate)
                tell()
        kinds = list(dict.fromkeys(candidate.kind for candidate in self._left))
        left = sum(self.found[candidate].sizes is None for candidate in self._left)
        with self._steps("Sizes and features", left + len(kinds)) as tell:
            self._look(kinds, tell)
        fit = self._left
        with self._steps("Throughput", len(fit) + len(WORKLOADS) * effort.rounds) as tell:
            return self._race(fit, effort, tell)

    def _race(self, fit: Sequence[Candidate], effort: Effort, tell: Callable[[], None]) -> str | None:
        part, large = self.own / "throughput", max(self.made.data, LARGE_ENOUGH)
        with ExitStack() as stack:
            try:
                cache = cache_mode(self.own)
                part.mkdir()
                self.made.source.unlink()
                full = stack.enter_context(material.made(part, large, large))
            except (KvmnbError, OSError) as error:  # the disk is full, by what others wrote meanwhile
                for candidate in fit:
                    self.found[candidate].speeds = Speeds(reasons=[f"throughput: {why(error)}"])
                return None
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
            check_cancelled()  # the part that was stopped has become the row of a candidate that failed
            done += 1
            if steps:
                steps(done, total)

        if steps:
            steps(0, total)
        yield tell
        check_cancelled()
        if steps and done < total:  # what was left out is behind, too
            steps(total, total)

    @contextmanager
    def _part(self, candidate: Candidate) -> Iterator[Path]:
        """Give a folder for one candidate; what goes wrong in it costs that candidate's row alone."""
        part = self.own / f"part{list(self.found).index(candidate)}"
        part.mkdir()
        try:
            yield part
        except (KvmnbError, OSError) as error:
            self.found[candidate].fail("failed", error)
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def _no_space(self, candidate: Candidate) -> bool:
        lack = lacks(candidate, self.own, self.made.size, self.made.data)
        if lack is not None:
            self.found[candidate].status, self.found[candidate].problem = "no space", lack
        return lack is not None

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
            except KvmnbError as error:
                found.fail("cannot be created", error)
                return
            if candidate.whole:  # looked at now: to make it anew would take as long again
                self._sizes_of(candidate, part)
                remove(image)
            while not candidate.whole and len(times) < _CREATIONS:
                remove(image)
                times.append(create(candidate, image, self.made.size))
            found.create_seconds = statistics.median(times)
            found.convert_seconds = convert(candidate, self.made.source, converted)

    def _sizes_of(self, candidate: Candidate, part: Path) -> None:
        features = part / "features"
        features.mkdir()
        found = self.found[candidate]
        found.features = find_features(candidate, features, self._stop.is_set)
        skip = {stage for stage, feature in _NEEDS.items() if not found.features.can[feature]}
        if not self._stop.is_set():
            found.sizes = measure_sizes(candidate, part, self.made, skip)

    def _look(self, kinds: Sequence[Candidate], tell: Callable[[], None]) -> None:
        """Find sizes and features side by side, of those that have not been looked at yet."""
        light = [candidate for candidate in self._left if self.found[candidate].sizes is None]
        pool = ThreadPoolExecutor(min(_AT_ONCE, os.cpu_count() or 1))
        waiting: list[Future[None]] = []
        try:
            # Encryption takes longest, so it comes first. Each in a context like this one's, so that it is
            # cancelled with it.
            waiting += [pool.submit(copy_context().run, self._encrypt, kind) for kind in kinds]
            waiting += [pool.submit(copy_context().run, self._look_at, candidate) for candidate in light]
            for done in as_completed(waiting):
                done.result()
                tell()
        finally:
            self._stop.set()
            _end(pool, waiting)

    def _encrypt(self, kind: Candidate) -> None:
        """Try encryption once for all candidates that differ in nothing that matters to it."""
        if self._stop.is_set():
            return
        try:
            found = find_encryption(kind, Path(tempfile.mkdtemp(dir=self.own)), self._stop.is_set)
        except OSError as error:
            found = Features({"encryption": None}, reasons=[f"encryption: {why(error)}"])
        for candidate in self._left:
            if candidate.kind == kind:
                self.found[candidate].encryption = found

    def _look_at(self, candidate: Candidate) -> None:
        if not self._stop.is_set():
            with self._part(candidate) as part:
                self._sizes_of(candidate, part)


def _end(pool: ThreadPoolExecutor, waiting: Sequence[Future[None]]) -> None:
    """Wait for the programs that are under way, through any further Ctrl-C: they write to the folder."""
    pool.shutdown(wait=False, cancel_futures=True)
    again: BaseException | None = None
    while True:
        try:
            # Not for the threads: one whose join is interrupted counts as ended to Python 3.11.
            wait([future for future in waiting if not future.cancelled()])
            break
        except (KeyboardInterrupt, SystemExit) as error:
            again = error
    if again is not None:
        raise again


#: A stage that cannot be reached by a format without the feature.
_NEEDS = {"overlay": "overlays", "snapshot": "snapshots"}
