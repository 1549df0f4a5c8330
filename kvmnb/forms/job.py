"""Long work of a form: in a thread of its own, drawn by the event loop, stopped when that is asked for.

ipykernel shows nothing that a thread prints, and a widget must be changed by one thread only: the thread that
works writes down how far it is, and a task of the loop on which the button was clicked draws it. That loop
can be busy with a long cell, or gone with a page that was closed: then the thread itself draws the end.
"""

from __future__ import annotations

import asyncio
import atexit
import time
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from typing import Any, Generic, Literal, TypeVar
from weakref import WeakSet

from kvmnb.cancelling import cancellable
from kvmnb.errors import ActionFailed, Cancelled
from kvmnb.storage.streams import Progress
from kvmnb.units import format_size

_T = TypeVar("_T")

#: How often it is drawn, in seconds.
_GLANCE = 0.1

#: After so many seconds, the loop that was to draw the end is taken for busy or gone.
_ABANDONED = 3.0

#: How long the end of the kernel waits for work that was just stopped, in seconds.
_LAST_WAIT = 10.0

_running: WeakSet[Job[Any]] = WeakSet()


@dataclass
class State:
    """How far the work is; written by the thread that works, read by the one that draws."""

    words: str = ""
    done: int = 0
    total: int = 0
    unit: str = "B"
    began: float = field(default_factory=time.monotonic)

    @property
    def fraction(self) -> float | None:
        """How much of it is behind; None where nobody can tell."""
        return min(1.0, self.done / self.total) if self.total > 0 else None

    def text(self) -> str:
        """Say it in words: how much, how fast, how long still."""
        took = max(1e-3, time.monotonic() - self.began)
        if not self.total:
            return f"{_clock(took)} so far"
        if self.unit != "B":
            return f"{self.done} of {self.total} {self.unit}, {_clock(took)} so far"
        parts = [f"{format_size(self.done)} of {format_size(self.total)}"]
        rate = self.done / took
        if rate > 0:
            parts += [f"{format_size(int(rate))}/s", f"{_clock((self.total - self.done) / rate)} left"]
        return ", ".join(parts)


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02}" if whole >= 60 else f"{whole} s"


class Job(Generic[_T]):
    """A piece of work, started once.

    Parameters
    ----------
    work : callable
        Gets the maker of what is told of progress, as `Host.apply` takes it, and gives the result. Runs in a
        thread; it must not touch widgets.
    draw : callable
        Gets the job, again and again while it runs and exactly once at its end, on the loop that started it.
    unit : str
        What is counted: ``B`` for bytes, else a word.
    """

    def __init__(
        self,
        work: Callable[[Callable[[str], Progress]], _T],
        draw: Callable[[Job[_T]], None],
        unit: str = "B",
    ) -> None:
        self._work = work
        self._draw = draw
        self._unit = unit
        self._cancel = Event()
        self._thread: Thread | None = None
        self.state = State(unit=unit)
        self.result: _T | None = None
        self.error: BaseException | None = None
        self._ended = Event()
        self._drawn = Event()
        self._drawing = Lock()
        self._task: asyncio.Task[None] | None = None

    @property
    def outcome(self) -> Literal["running", "done", "cancelled", "failed"]:
        """What became of it."""
        if not self._ended.is_set():
            return "running"
        if self.error is None:
            return "done"
        stopped = isinstance(self.error, Cancelled) or (
            isinstance(self.error, ActionFailed) and isinstance(self.error.__cause__, Cancelled)
        )
        return "cancelled" if stopped else "failed"

    @property
    def cancelling(self) -> bool:
        """Whether it was asked to stop."""
        return self._cancel.is_set()

    def start(self) -> None:
        """Begin, and return at once; where no event loop runs, do it all."""
        # Daemonic: the end of the kernel asks it to stop, and waits a while, but not for ever.
        context = copy_context()
        _running.add(self)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._thread = Thread(target=context.run, args=(self._run,), daemon=True, name="kvmnb form")
            self._thread.start()
            self._thread.join()
            self._draw_end()
            return
        self._thread = Thread(target=context.run, args=(self._run_drawn,), daemon=True, name="kvmnb form")
        self._thread.start()
        self._task = loop.create_task(self._watch())

    def cancel(self) -> None:
        """Ask it to stop: it ends soon, and what it had half made is taken back."""
        self._cancel.set()

    def wait(self, seconds: float) -> bool:
        """Wait for its end; tell whether it came."""
        return self._ended.wait(seconds)

    def _run(self) -> None:
        try:
            with cancellable(self._cancel):
                self.result = self._work(self._progress)
        except BaseException as error:  # noqa: BLE001 - it is not lost: whoever draws shows it or raises it
            self.error = error
        finally:
            self._ended.set()
            _running.discard(self)

    def _run_drawn(self) -> None:
        self._run()
        if not self._drawn.wait(_ABANDONED):
            self._draw_end()

    def _draw_end(self) -> None:
        with self._drawing:
            if self._drawn.is_set():
                return
            self._drawn.set()
        self._draw(self)

    def _progress(self, words: str) -> Progress:
        state = self.state = State(words, unit=self._unit)

        def tell(done: int, total: int) -> None:
            state.done, state.total = done, total

        return tell

    async def _watch(self) -> None:
        while not self._ended.is_set():
            self._draw(self)
            await asyncio.sleep(_GLANCE)
        self._draw_end()


@atexit.register
def _stop_all() -> None:
    """At the kernel's end, stop what runs, so that nothing stays half made."""
    left = list(_running)
    for job in left:
        job.cancel()
    deadline = time.monotonic() + _LAST_WAIT
    for job in left:
        job.wait(max(0.0, deadline - time.monotonic()))
