"""Threads for calls that may never come back."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from threading import Semaphore, Thread
from typing import ParamSpec, TypeVar

_T = TypeVar("_T")
_P = ParamSpec("_P")


class DaemonThreads(Executor):
    """Runs each call in a daemonic thread of its own, only so many at once.

    The standard library's ThreadPoolExecutor is waited for when the interpreter ends, so that a single call
    that hangs would keep it from ending.

    Parameters
    ----------
    most : int
        How many calls run at once.
    """

    def __init__(self, most: int) -> None:
        self._slots = Semaphore(most)

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Have a function called; its outcome is the future's."""
        future: Future[_T] = Future()

        def run() -> None:
            with self._slots:
                if future.set_running_or_notify_cancel():
                    fulfil(future, lambda: fn(*args, **kwargs))

        Thread(target=run, name="kvmnb fleet", daemon=True).start()
        return future


def fulfil(future: Future[_T], work: Callable[[], _T]) -> None:
    """Do the work, and have the future hold what came of it."""
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001 - it is not lost: whoever waits for the future gets it
        future.set_exception(error)
    else:
        future.set_result(result)
