"""How much a comparison of disk formats takes beyond the calls of qemu-img and qemu-io that it makes.

Run it with ``python -m tests.benchmarks.formats [FOLDER] [SIZE]`` on a quiet host. All formats are compared
once, with every program call and everything done to files in between written down; then exactly the same is
done again by plain loops of ``subprocess.run``: one call after the other, and two at a time where the
comparison has two at a time. Nothing is left in the folder.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from kvmnb import programs
from kvmnb.images import material
from kvmnb.images.compare import compare_formats
from kvmnb.images.material import Material

#: What qemu-img says when LUKS could not time the processor: to be tried again, by us and by the loops.
_BUSY = "Unable to get accurate CPU usage"

#: How the path of the comparison's folder, or of a file that it holds open, begins.
_OPEN = re.compile(rf"/proc/{os.getpid()}/fd/\d+")

_MAIN = threading.get_ident()


@dataclass
class Step:
    """A program call, or something done to files, with the thread that did it and when."""

    what: str
    words: tuple[str, ...]
    thread: int = field(default_factory=threading.get_ident)
    began: float = field(default_factory=time.perf_counter)
    ended: float = 0.0
    worked: bool = True


class Recorder:
    """Writes down what a comparison does."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.phases: list[tuple[str, float]] = []
        self.first: float | None = None
        self._on = False
        sys.addaudithook(self._audit)

    def progress(self, phase: str) -> Callable[[int, int], None]:
        """Take the place of a progress bar."""
        self.phases.append((phase, time.perf_counter()))

        def tell(_done: int, _total: int) -> None:
            self.first = self.first or time.perf_counter()

        return tell

    def _audit(self, event: str, args: tuple[Any, ...]) -> None:
        done = {"os.remove": 1, "os.mkdir": 1, "shutil.rmtree": 1, "shutil.copyfile": 2}.get(event)
        if self._on and done:
            words = tuple(os.fspath(arg) for arg in args[:done])
            if all(isinstance(word, str) and _OPEN.match(word) for word in words):
                self.steps.append(Step(event, words))

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Listen at the one place that starts programs, and at the one that writes the data."""
        start, completed, made = programs._start, programs._completed, material.made
        running: dict[int, Step] = {}

        def begin(
            args: Sequence[str],
            memory: int | None,
            cpu_seconds: int | None,
            stdin: int = subprocess.PIPE,
            environment: Mapping[str, str] | None = None,
            *,
            fds: tuple[int, ...] = (),
            out: int = subprocess.PIPE,
        ) -> subprocess.Popen[bytes]:
            step = Step("run", tuple(args))
            process = start(args, memory, cpu_seconds, stdin, environment, fds=fds, out=out)
            self.steps.append(step)
            running[process.pid] = step
            return process

        def end(
            args: Sequence[str], process: subprocess.Popen[bytes], out: bytes, err: bytes, *, check: bool
        ) -> programs.Completed:
            step = running.pop(process.pid)
            step.ended, step.worked = time.perf_counter(), _BUSY.encode() not in err
            return completed(args, process, out, err, check=check)

        @contextmanager
        def write(folder: Path, size: int, data: int) -> Iterator[Material]:
            step = Step("made", ())
            with made(folder, size, data) as material:
                step.words = (str(folder), str(size), str(data), material.block)
                self.steps.append(step)
                yield material

        programs._start, programs._completed, material.made = begin, end, write
        self._on = True
        try:
            yield
        finally:
            self._on = False
            programs._start, programs._completed, material.made = start, completed, made

    def alone(self) -> float:
        """Give the seconds in which no program ran, between the first call and the last."""
        calls = sorted((step.began, step.ended) for step in self.steps if step.what == "run")
        idle, until = 0.0, calls[0][0]
        for began, ended in calls:
            idle += max(0.0, began - until)
            until = max(until, ended)
        return idle


class Replay:
    """Does again what was written down, without the kit."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._blocks: dict[str, str] = {}
        self.preparing = 0.0

    def _path(self, word: str) -> str:
        for block, path in self._blocks.items():
            word = re.sub(rf"{block}(?![0-9/])", path, word)
        return _OPEN.sub(str(self._folder), word)

    def run(self, steps: list[Step], *, two_at_a_time: bool) -> float:
        """Do all of it; give the seconds that it took."""
        began = time.perf_counter()
        for ours, group in groupby(steps, lambda step: step.thread == _MAIN):
            part = list(group)
            threads = {step.thread for step in part}
            if ours or not two_at_a_time:
                self._loop(part)
                continue
            with ThreadPoolExecutor(len(threads)) as pool:
                lanes = [[step for step in part if step.thread == thread] for thread in threads]
                list(pool.map(self._loop, lanes))
        return time.perf_counter() - began

    def _loop(self, steps: list[Step]) -> None:
        for step in steps:
            if step.what == "run":
                self._call(step)
                continue
            began = time.perf_counter()
            self._prepare(step)
            self.preparing += time.perf_counter() - began

    def _call(self, step: Step) -> None:
        if not step.worked:  # a try that came to nothing; the loop has its own
            return
        command = [self._path(word) for word in step.words]
        for word in command:
            if word.startswith("secret,id=key,file="):
                Path(word.rpartition("=")[2]).write_text("0123456789abcdef" * 2)
        for _ in range(12):
            done = subprocess.run(command, capture_output=True, check=False, env=os.environ | {"LC_ALL": "C"})
            if _BUSY.encode() not in done.stderr:
                return

    def _prepare(self, step: Step) -> None:
        words = [self._path(word) for word in step.words]
        if step.what == "made":
            folder, size, data, _ = words
            self._blocks[step.words[3]] = f"{folder}/block"
            with material.made(Path(folder), int(size), int(data)):
                pass
        elif step.what == "os.mkdir":
            Path(words[0]).mkdir(exist_ok=True)
        elif step.what == "os.remove":
            Path(words[0]).unlink(missing_ok=True)
        elif step.what == "shutil.rmtree":
            shutil.rmtree(words[0], ignore_errors=True)
        else:
            shutil.copyfile(*words)


def replay(place: Path, steps: list[Step], *, two_at_a_time: bool) -> tuple[float, float]:
    """Give the seconds that the loops took, and how many of them went into preparing files."""
    folder = Path(tempfile.mkdtemp(prefix="replay-", dir=place))
    try:
        again = Replay(folder)
        return again.run(steps, two_at_a_time=two_at_a_time), again.preparing
    finally:
        shutil.rmtree(folder)


def main(where: str, size: str) -> None:
    """Measure and print."""
    recorder, place = Recorder(), Path(where)
    print(f"load before: {os.getloadavg()[0]:.2f}")
    with recorder.recording():
        began = time.perf_counter()
        frame = compare_formats(place, size, progress=recorder.progress)
        ended = time.perf_counter()
    ours = ended - began
    calls = [step for step in recorder.steps if step.what == "run"]
    print(
        f"comparison of all {len(frame)} candidates at {size}: {ours:.2f} s, with {len(calls)} program calls"
    )
    print(f"first progress after {((recorder.first or ended) - began) * 1000:.0f} ms")
    times = [*(when for _, when in recorder.phases), ended]
    for (phase, when), after in zip(recorder.phases, times[1:], strict=True):
        print(f"  {phase}: {after - when:.2f} s")
    print(f"seconds in programs, added up: {sum(step.ended - step.began for step in calls):.2f}")
    alone = ours - (max(step.ended for step in calls) - calls[0].began) + recorder.alone()
    print(f"seconds in which no program ran: {alone:.2f} ({alone / ours:.1%})")
    for words, two in (("one after the other", False), ("two at a time where we do", True)):
        bare, preparing = replay(place, recorder.steps, two_at_a_time=two)
        print(
            f"bare, {words}: {bare:.2f} s, of which {preparing:.2f} s write, copy and remove files;"
            f" ratio {ours / bare:.2f}"
        )
    print(f"load after: {os.getloadavg()[0]:.2f}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(*(sys.argv[1:2] or [temporary]), *(sys.argv[2:3] or ["1G"]))
