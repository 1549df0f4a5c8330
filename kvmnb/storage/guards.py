"""What must not be touched, because somebody needs it: guests that run or not, overlays, and the unknown.

One set of rules for volumes and for images that are in no pool. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from kvmnb.storage.model import Inventory, Problem, Volume
from kvmnb.storage.usage import Usage


def image(path: str, seen: Inventory) -> Volume:
    """Give what lies at a path: the volume that it is, or else a nameless one of no pool."""
    usage = Usage.of(seen)
    return usage.by_path.get(usage.real(path)) or Volume("", path, path)


def _kind(volume: Volume) -> str:
    return "volume" if volume.pool else "image"


def _called(volume: Volume, *, small: bool = False) -> str:
    kind = _kind(volume)
    return f"{kind if small else kind.capitalize()} {volume.name!r}"


def _field(volume: Volume) -> str:
    return "name" if volume.pool else "path"


def listing(names: list[str], most: int = 4) -> str:
    """Name a few of many."""
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


def in_use(volume: Volume, seen: Inventory, verb: str) -> Iterator[Problem]:
    """Say who needs a volume's content: guests, overlays, and what could not be looked at.

    Parameters
    ----------
    volume : Volume
        The volume that is to be changed, or a file that is in no pool, as `image` makes one.
    seen : Inventory
        What was read of the host.
    verb : str
        What is to be done to it: "delete".

    Yields
    ------
    Problem
        Refusals, also where it can't be known that no guest needs the volume; and a warning for each pool
        that is not running in which overlays could not be looked for.
    """
    usage = Usage.of(seen)
    path = usage.real(volume.path)
    uses = usage.uses_of(path)
    if uses:
        yield Problem(
            f"{_called(volume)} is used by {listing([str(use) for use in uses])}",
            f"detach the disk or remove the guest before you {verb} the {_kind(volume)}",
            _field(volume),
        )
    yield from overlays_on(volume, seen, verb)
    if usage.blind and not uses:
        why = listing([*usage.blind], 2)
        yield Problem(
            f"It cannot be known whether {_called(volume, small=True)} is in use: {why}",
            "start the pool or mend the guest that is named, then ask again",
            _field(volume),
        )


def overlays_on(volume: Volume, seen: Inventory, verb: str) -> Iterator[Problem]:
    """Say which images lie on a volume and would be lost with it, also in pools that are not running."""
    usage = Usage.of(seen)
    path = usage.real(volume.path)
    overlays = usage.overlays.get(path, [])
    holders = usage.data_of(path)
    idle = dict.fromkeys(usage.idle_overlays(path))
    found = [(v.pool, v.name) for v in overlays] + list(idle)
    if found:
        names = listing([f"{name!r} of pool {pool!r}" for pool, name in found])
        yield Problem(
            f"{_called(volume)} is the backing store of {names}, which cannot be read without it",
            f"remove what lies on it before you {verb} it",
            _field(volume),
        )
    if holders:
        names = listing([f"{v.name!r} of pool {v.pool!r}" for v in holders])
        yield Problem(
            f"{_called(volume)} holds the data of {names}, which is empty without it",
            f"remove that image before you {verb} its data",
            _field(volume),
        )
    for pool in usage.idle:
        if pool.problem:
            yield Problem(
                f"Pool {pool.pool!r} is not running, and {pool.problem}: overlays in it were not looked at",
                f"start it before you {verb} the {_kind(volume)}, unless nothing in it lies on "
                f"{volume.name!r}",
                _field(volume),
                "warn",
            )


def running_users(volume: Volume, seen: Inventory, *, direct: bool = False) -> list[str]:
    """Give the running guests that have a volume open, each with its disk; ``direct``: not as a base."""
    usage = Usage.of(seen)
    uses = usage.uses_of(usage.real(volume.path))
    return [str(use) for use in uses if use.guest.running and (use.direct or not direct)]


def held_open(volume: Volume, seen: Inventory, verb: str) -> Iterator[Problem]:
    """Say that running guests have a volume open."""
    users = running_users(volume, seen)
    if users:
        yield Problem(
            f"{_called(volume)} is open in {listing(users)}", f"shut it off before you {verb}", _field(volume)
        )
