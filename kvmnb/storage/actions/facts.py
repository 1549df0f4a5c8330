"""What several actions expect, and assume, of a pool or a volume."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from kvmnb.storage.action import Expectation
from kvmnb.storage.model import Inventory, Pool, Volume
from kvmnb.units import format_size


def pool_state(pool: str, state: str, absent: str = "absent") -> Expectation:
    """Expect a pool to be in a state; ``absent`` is how a pool that is not there counts."""

    def actual(seen: Inventory) -> str:
        found = seen.pool(pool)
        return found.state if found else absent

    return Expectation(f"state of pool {pool!r}", state, actual)


def pool_flag(what: str, pool: str, want: bool, read: Callable[[Pool], bool | None]) -> Expectation:
    """Expect something of a pool to be so or not."""

    def actual(seen: Inventory) -> str | None:
        found = seen.pool(pool)
        value = read(found) if found else None
        return None if value is None else "yes" if value else "no"

    return Expectation(f"{what} of pool {pool!r}", "yes" if want else "no", actual)


def with_pool(seen: Inventory, pool: str, **changes: object) -> Inventory:
    """Assume that a pool has changed."""
    found = seen.pool(pool)
    return seen if found is None else seen.assume_pool(replace(found, **changes))  # type: ignore[arg-type]


def volume_fact(
    what: str, pool: str, name: str, expected: str, read: Callable[[Volume], object]
) -> Expectation:
    """Expect something that is read of a volume."""

    def actual(seen: Inventory) -> str | None:
        found = seen.volume(pool, name)
        if found is None:
            return "absent"
        value = read(found)
        return None if value is None else str(value)

    return Expectation(f"{what} of volume {name!r}", expected, actual)


def volume_capacity(pool: str, name: str, capacity: int, *, rounded: bool = False) -> Expectation:
    """Expect a capacity; ``rounded`` where QEMU may have made it larger."""
    want = format_size(capacity)
    if rounded:
        want = f"at least {want}"

    def read(volume: Volume) -> str | None:
        if volume.capacity is None:
            return None
        enough = volume.capacity >= capacity if rounded else volume.capacity == capacity
        # Two sizes may look alike once they are rounded for reading, so a difference is shown in bytes.
        return want if enough else f"{format_size(volume.capacity)} ({volume.capacity} bytes)"

    return volume_fact("capacity", pool, name, want, read)


def volume_allocation(pool: str, name: str, least: int) -> Expectation:
    """Expect so much to be allocated, or more: tables and extents take space too."""
    want = f"at least {format_size(least)}"

    def read(volume: Volume) -> str | None:
        if volume.allocation is None:
            return None
        return want if volume.allocation >= least else f"{volume.allocation} bytes"

    return volume_fact("allocation", pool, name, want, read)


def with_less_space(seen: Inventory, pool: str, taken: int) -> Inventory:
    """Assume that so much of a pool's free space is taken."""
    found = seen.pool(pool)
    if found is None or found.available is None:
        return seen
    return with_pool(seen, pool, available=max(0, found.available - taken))


def volume_presence(pool: str, name: str, want: Literal["present", "absent"]) -> Expectation:
    """Expect a volume to be there, or not to be."""

    def actual(seen: Inventory) -> str:
        return "present" if seen.volume(pool, name) else "absent"

    return Expectation(f"volume {name!r} in pool {pool!r}", want, actual)
