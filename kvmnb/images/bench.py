"""One run of ``qemu-img bench``, and how to ask for requests far apart, which it has no word for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import gcd
from pathlib import Path
from typing import Literal

from kvmnb.errors import ProgramFailed
from kvmnb.programs import run

Cache = Literal["none", "writeback"]

#: How many requests are under way at a time.
DEPTH = 8

#: Sizes of requests.
LARGE, SMALL = 64 << 10, 4 << 10

_TOOK = re.compile(r"Run completed in ([0-9.]+) seconds")

#: A run is short; one that takes so long will not end.
_TIMEOUT = 60.0

#: The golden ratio's fraction: multiples of it, taken modulo one, never come near each other for long.
_GOLDEN = 0.6180339887498949


@dataclass(frozen=True, slots=True)
class Pattern:
    """Which requests a run makes.

    Parameters
    ----------
    write : bool
        Whether it writes.
    request : int
        Size of a request in bytes.
    scattered : bool
        Whether each request goes to a place far from the one before.
    """

    write: bool
    request: int
    scattered: bool


def stride(size: int, request: int, count: int) -> int:
    """Give a step between requests that scatters them over an image without leaving it.

    Parameters
    ----------
    size : int
        The size that a guest sees, in bytes.
    request : int
        Size of a request in bytes.
    count : int
        How many requests there will be. qemu-img wraps an offset at the image's end, but a request that
        begins before the end and goes beyond it fails.

    Returns
    -------
    int
        A multiple of the request's size. Where the image's size is one too, no place comes twice before
        all have come.
    """
    start = int(size * _GOLDEN) // request
    for steps in range(start, 0, -1):
        step = steps * request
        if size % request == 0:
            fits = gcd(steps, size // request) == 1
        else:
            fits = all(number * step % size <= size - request for number in range(count))
        if fits:
            return step
    return request


def bench(path: Path, format: str, pattern: Pattern, *, size: int, count: int, cache: Cache) -> float:
    """Time requests with ``qemu-img bench``.

    Parameters
    ----------
    path : Path
        An image that nobody has open.
    format : str
        Its format.
    pattern : Pattern
        Which requests to make.
    size : int
        The size that a guest sees, in bytes.
    count : int
        How many; requests in order at most reach the image's end.
    cache : {"none", "writeback"}
        Whether they go to the disk, or to the host's memory.

    Returns
    -------
    float
        Bytes per second.

    Raises
    ------
    ProgramFailed
        It failed, or took longer than a minute.
    """
    if not pattern.scattered:
        count = min(count, size // pattern.request)
    step = stride(size, pattern.request, count) if pattern.scattered else pattern.request
    done = run(
        [
            *("qemu-img", "bench", "-f", format, "-t", cache, "-d", str(DEPTH), "-c", str(count)),
            *("-s", str(pattern.request), "-S", str(step), *(["-w"] if pattern.write else []), str(path)),
        ],
        timeout=_TIMEOUT,
        memory=8 << 30,
    )
    found = _TOOK.search(done.stdout)
    if found is None:
        raise ProgramFailed(f"qemu-img bench told no time: {done.stdout!r}", "see that qemu-img is in order")
    # It tells milliseconds; nothing is quicker than the half of one.
    return count * pattern.request / max(float(found[1]), 0.0005)
