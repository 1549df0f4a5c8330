"""What must not be touched, because somebody needs it: guests that run or not, overlays, and the unknown.

One set of rules for volumes and for images that are in no pool. Pure.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from kvmnb.images.headers import Named, is_path, resolve
from kvmnb.storage.model import Inventory, Problem, Volume
from kvmnb.storage.usage import MOST_FILES, Usage


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
    yield from _lying_on(volume, seen, verb)
    if usage.blind and not uses:
        why = listing([*usage.blind], 2)
        yield Problem(
            f"It cannot be known whether {_called(volume, small=True)} is in use: {why}",
            "start the pool or mend the guest that is named, then ask again",
            _field(volume),
        )


def overlays_on(volume: Volume, seen: Inventory, verb: str) -> Iterator[Problem]:
    """Say which images lie on a volume and would be lost with it, also in pools that are not running.

    And which files beside it do so, though no pool has them, or has them only once it is refreshed; and which
    guests that are off need it below a disk, wherever that lies. Of those that run `held_open` tells.
    """
    usage = Usage.of(seen)
    uses = [use for use in usage.uses_of(usage.real(volume.path)) if not use.direct and not use.guest.running]
    if uses:
        yield Problem(
            f"{_called(volume)} is needed by {listing([str(use) for use in uses])}",
            f"detach the disk or remove the guest before you {verb} the {_kind(volume)}",
            _field(volume),
        )
    yield from _lying_on(volume, seen, verb)


def _lying_on(volume: Volume, seen: Inventory, verb: str) -> Iterator[Problem]:
    usage = Usage.of(seen)
    path = usage.real(volume.path)
    identity = seen.reader.identity(path)
    overlays = [
        overlay
        for base, above in usage.overlays.items()
        if base == path or (identity is not None and seen.reader.identity(base) == identity)
        for overlay in above
        if seen.kind(overlay.path) != "missing"  # a step before this one may remove it
    ]
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
    yield from _beside(volume, seen, verb)


def _beside(volume: Volume, seen: Inventory, verb: str) -> Iterator[Problem]:
    """Say which files of an image's own folder need it, also those that no pool has."""
    images, reader, usage = seen.reader.images, seen.reader, Usage.of(seen)
    if images is None:
        return
    names = {volume.path, usage.real(volume.path)}
    found = []
    for folder in dict.fromkeys(os.path.dirname(name) for name in sorted(names)):  # noqa: PTH120 - of the host
        entries = reader.entries(folder) or ()
        for entry in entries[:MOST_FILES]:
            path = f"{folder.rstrip('/')}/{entry}"
            if path not in names and _needs(images.named(path), path, names, seen):
                # A step before this one may remove it.
                found += [repr(path)] if seen.kind(path) != "missing" else []
        if len(entries) > MOST_FILES:
            yield Problem(
                f"The folder {folder!r} has more than {MOST_FILES} files, not all of which were looked at",
                f"see for yourself that nothing lies on the {_kind(volume)} before you {verb} it",
                _field(volume),
                "warn",
            )
    found += [repr(image.path) for image in seen.assumed_images() if image.backing_path in names]
    if found:
        yield Problem(
            f"{_called(volume)} lies below {listing(found)}, which cannot be read without it",
            f"remove what lies on it before you {verb} it",
            _field(volume),
        )


def _needs(named: Named, path: str, names: set[str], seen: Inventory) -> bool:
    """Tell whether a file names an image under one of its names; of a volume, libvirt tells the backing."""
    usage, reader = Usage.of(seen), seen.reader
    identities = {reader.identity(name) for name in names} - {None}
    known = usage.real(path) in usage.by_path
    for name in named.parts if known else (named.backing, *named.parts):
        file = (name or "").removeprefix("file:")
        if is_path(file):
            if reader.identity(resolve(path, file)) in identities:
                return True
        elif any(own in file.replace("\\", "") for own in names):  # within json: and the like
            return True
    return False


def memory_saved(volume: Volume, seen: Inventory, verb: str) -> Iterator[Problem]:
    """Say that guests which are off have their memory saved, which knows what the disks held."""
    usage = Usage.of(seen)
    uses = usage.uses_of(usage.real(volume.path))
    for name in dict.fromkeys(use.guest.name for use in uses if use.guest.saved):
        yield Problem(
            f"Guest {name!r} has its memory saved, and would go on with disks that are no longer as it knows "
            "them",
            f"before you {verb}, start it and shut it down, or give its memory up: virsh managedsave-remove",
            _field(volume),
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
