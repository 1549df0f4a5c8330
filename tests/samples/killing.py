"""Samplers and compactors that are killed again and again, at any point of what they do.

Run as ``python -m tests.samples.killing STORE SEED ROUNDS``. Processes are forked from one that has loaded
everything, so that most of their lives is work on the store. What each has been told to be done, it appends
to ``STORE/../told`` before it goes on.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

from kvmnb.samples.tidying import compact_history
from tests.samples.making import NOON, put

#: How many sample at once, beside one that compacts.
SAMPLERS = 3

#: The longest that one lives, in times of what the first of their samples takes.
LIFE = 2


#: What is done in a store, telling of it in an open file.
Work = Callable[[Path, int], None]


def sample(store: Path, told: int, host: str) -> None:
    """Sample without end, at times of one past day, and tell of each."""
    while True:
        after = timedelta(microseconds=time.time_ns() // 1000 % (11 * 3600 * 10**6))
        os.write(told, f"{put(store, NOON + after, host=host)}\n".encode())


def compact(store: Path, _told: int) -> None:
    """Compact without end."""
    while True:
        compact_history(store)


def start(work: Work, store: Path, told: int) -> int:
    """Begin some work in a process of its own; give its number."""
    process = os.fork()
    if process == 0:
        try:
            work(store, told)
        finally:
            os._exit(1)  # only an error ends it
    return process


def begin(store: Path, told: int) -> list[int]:
    """Begin several samplers and a compactor; give their processes' numbers."""
    works: list[Work] = [partial(sample, host="ab"[number % 2]) for number in range(SAMPLERS)]
    return [start(work, store, told) for work in [*works, compact]]


def kill(process: int) -> None:
    """Kill one, which must not have ended by itself."""
    os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    if not os.WIFSIGNALED(status):
        sys.exit("one has ended with an error")


def main(store: Path, seed: int, rounds: int) -> None:
    """Start them and kill them."""
    chance = random.Random(seed)  # noqa: S311 - it is only to be repeated
    told = os.open(store.parent / "told", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    put(store, NOON)  # the first one loads more
    before, began = os.fstat(told).st_size, time.monotonic()
    running = begin(store, told)
    while os.fstat(told).st_size == before:  # how long a sample takes here and now, beside all the others
        time.sleep(0.001)
    longest = LIFE * (time.monotonic() - began)
    for process in running:
        kill(process)
    for _ in range(rounds):
        started = time.monotonic()
        for life, process in sorted((chance.random() * longest, one) for one in begin(store, told)):
            time.sleep(max(0.0, started + life - time.monotonic()))
            kill(process)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
