"""The frame that joins pool, volume, guest and what is used inside. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kvmnb.schema import USAGE
from kvmnb.storage.frames import blank, build, disk_status
from kvmnb.storage.model import Guest, Inventory
from kvmnb.storage.usage import Usage
from kvmnb.usage.images import Image, read_images
from kvmnb.usage.inside import NOT_READ, Inside, insides
from kvmnb.usage.reclaim import Reclaimable, reclaimable
from kvmnb.usage.rest import rest

if TYPE_CHECKING:
    import pandas as pd

    from kvmnb.guests.reading import Contents

_Row = dict[str, Any]

#: Per guest and disk what is known of its inside; None where nobody looked into any.
_Insides = Mapping[tuple[str, str], Inside] | None

#: Pools whose volumes are parts of a device, whole and at once.
_WHOLE = {"logical", "disk"}


def usage(seen: Inventory, contents: Iterable[Contents] | None = None) -> pd.DataFrame:
    """Make the frame of how storage is used.

    Parameters
    ----------
    seen : Inventory
        What was read of the host.
    contents : iterable of Contents, optional
        What was found in the guests' disks; without it nothing is said of their insides.

    Returns
    -------
    pandas.DataFrame
        The `kvmnb.schema.USAGE` frame: images by pool and name, each pool's followed by what no volume of it
        explains; then the images of no running pool, then disks and guests that could not be read.
    """
    images = read_images(seen)
    inside = None if contents is None else insides(contents)
    by_pool: dict[str | None, list[_Row]] = {None: []}
    for image in images:
        by_pool.setdefault(image.pool, []).append(_row(image, inside, seen))
    remainder = rest(seen, images)
    rows = [row for pool in sorted(seen.pools) for row in (*by_pool.get(pool, ()), *remainder[pool])]
    return build(USAGE, [*rows, *by_pool[None], *_unread(seen)], seen)


def _row(image: Image, inside: _Insides, seen: Inventory) -> _Row:
    row = blank(USAGE)
    guest, disk = image.disks[0] if len(image.disks) == 1 else (None, None)
    row.update(
        pool=image.pool,
        storage=image.storage,
        volume=image.volume,
        path=image.path or None,
        role=image.role,
        format=image.format,
        capacity=image.capacity,
        promised=image.promised,
        allocation=image.allocation,
        counted_at=image.counted_at,
        chain=image.chain,
        guests=image.guests,
        shared_by=image.shared_by,
        guest=guest.name if guest else None,
        guest_state=guest.state if guest else None,
        target=disk.target if disk else None,
        filesystems=(),
    )
    status, problems = image.status, list(image.problems)
    if image.role == "disk" and not image.own_disks:
        row["filesystems"] = None
        status = NOT_READ.status if status == "ok" else status
        problems.append("no guest has this disk as it is now, but only as saved or when it boots next")
    elif image.role == "disk":
        found = _inside(image, inside)
        told = _reclaimable(image, found, seen)
        row.update(
            filesystems=found.filesystems if inside is not None else None,
            used=found.used,
            free=found.free,
            reclaimable=told.estimate,
            reclaimable_least=told.least,
            reclaimable_most=told.most,
        )
        status = found.status if status == "ok" else status
        problems.append(found.problem)
    row.update(status=status, problem="; ".join(filter(None, problems)) or None)
    return row


def _inside(image: Image, inside: _Insides) -> Inside:
    """Give what is known of the inside; of a disk of several guests, from the guest that tells most."""
    if inside is None:
        return NOT_READ
    told = [inside.get((guest.name, disk.target), NOT_READ) for guest, disk in image.own_disks]
    found = min(told, key=lambda one: one.status != "ok")
    if found.used is not None and found.free is not None and image.capacity is not None:
        excess = found.used + found.free - image.capacity
        if excess > 0:
            why = "its file systems are larger than the disk, so that they lie on other disks too"
            return replace(found, used=None, free=None, free_least=0, status="spread", problem=why)
    return found


def _reclaimable(image: Image, inside: Inside, seen: Inventory) -> Reclaimable:
    if inside is NOT_READ:
        return Reclaimable()
    pool = seen.pools.get(image.pool or "")
    if pool is not None and pool.spec.type in _WHOLE:
        return Reclaimable(0, 0, 0)  # a trim gives nothing back to the pool: the volume is taken as a whole
    return reclaimable(image.capacity, image.allocation, image.format, image.header, inside)


def _unread(seen: Inventory) -> Iterator[_Row]:
    """Give the disks and guests of which there is no image here."""
    known = Usage.of(seen)
    for guest in sorted(seen.guests(), key=lambda one: one.name):
        if guest.problem:
            yield _gap(guest, "unreadable", guest.problem) | {"role": "unknown"}
        for disk in guest.disks:
            if known.source(disk) is None:
                status, problem = disk_status(disk, None, "", None)
                if status != "no medium":
                    where = {"role": "disk", "pool": disk.pool, "volume": disk.volume, "format": disk.format}
                    yield _gap(guest, status, problem) | where | {"target": disk.target}


def _gap(guest: Guest, status: str, problem: str | None) -> _Row:
    told = {"guest": guest.name, "guest_state": guest.state, "guests": (guest.name,), "shared_by": ()}
    return blank(USAGE) | told | {"status": status, "problem": problem}
