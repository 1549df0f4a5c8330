"""Doing something again and again, on time, until a signal ends it between two times."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

#: The longest that can be waited for, in seconds: more than a century.
_LONGEST = 1 << 32


def next_beat(started: float, every: float, now: float) -> float:
    """Give the next time of a schedule that never drifts: the first one after now.

    What took longer than the interval has missed some, and they are left out.

    Parameters
    ----------
    started, every, now : float
        When the schedule began, its interval, and the time, in seconds of one clock.

    Returns
    -------
    float
        The time of that clock.
    """
    beats = int((now - started) // every) + 1
    return started + beats * every


def repeat(act: Callable[[], None], every: timedelta) -> None:
    """Call something at once and then at each interval, until SIGTERM or Ctrl-C.

    Either lets what is being done come to its end; a second one does not.

    Parameters
    ----------
    act : callable
        What to do.
    every : datetime.timedelta
        From one beginning to the next.
    """
    with _told_to_end() as ended:
        started = time.monotonic()
        while True:
            act()
            now = time.monotonic()
            if ended(next_beat(started, every.total_seconds(), now) - now):
                return


@contextmanager
def _told_to_end() -> Iterator[Callable[[float], bool]]:
    """Give what waits some seconds for a signal to end, and tells whether there was one."""
    # A pipe keeps a signal that comes just before the wait. Blocking signals would, too, but programs that
    # are started inherit that and could not be ended.
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def note(number: int, _frame: object) -> None:
        os.write(writer, b"x")
        signal.signal(number, before[signal.Signals(number)])

    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, note)
    try:
        yield lambda seconds: bool(select.select([reader], [], [], min(seconds, _LONGEST))[0])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(reader)
        os.close(writer)
