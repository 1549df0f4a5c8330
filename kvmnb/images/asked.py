"""How large the disks of a comparison are to be, and the space that it takes. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from kvmnb.errors import BadValue
from kvmnb.images.candidates import Candidate
from kvmnb.units import format_size, parse_size

#: The least and the most that is compared; real disks lie between.
SMALLEST, LARGEST = 1 << 20, 64 << 40

#: Throughput is measured on images of at least this size: smaller ones are read before a clock has ticked.
LARGE_ENOUGH = 64 << 20

#: Data is written in pieces of this size.
_PIECE = 64 << 10

#: Room for tables, and for what else is written to the place meanwhile.
_SPARE = 64 << 20


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


def always(candidates: Sequence[Candidate], data: int) -> int:
    """Give the space without which nothing can be compared: the images of the throughput lie side by side."""
    return (len(candidates) + 4) * max(data, LARGE_ENOUGH) + _SPARE


def need(candidates: Sequence[Candidate], size: int, data: int) -> int:
    """Give the space that a comparison takes at most, in bytes."""
    whole = any(candidate.whole for candidate in candidates)
    return max(always(candidates, data), at_once(size, data) if whole else 0)


def at_once(size: int, data: int) -> int:
    """Give the space that a candidate takes which takes all of its own when it is created, in bytes."""
    return size + 3 * data + _SPARE
