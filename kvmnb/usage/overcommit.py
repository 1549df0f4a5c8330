"""What pools have promised against what they have, and which fills first. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kvmnb.schema import OVERCOMMIT
from kvmnb.storage.frames import blank, build
from kvmnb.storage.guards import listing
from kvmnb.storage.model import FOLDER_POOLS, Inventory, Pool
from kvmnb.units import format_size
from kvmnb.usage.gaps import not_read, unlisted
from kvmnb.usage.images import Image, read_images
from kvmnb.usage.rest import MUCH, stale
from kvmnb.usage.storages import Storages

if TYPE_CHECKING:
    import pandas as pd

_Row = dict[str, Any]


def overcommit(seen: Inventory) -> pd.DataFrame:
    """Make the frame of what is promised against what there is.

    Returns
    -------
    pandas.DataFrame
        The `kvmnb.schema.OVERCOMMIT` frame: what fills first stands first, what could not be read last.
    """
    storages = Storages.of(seen)
    by_pool, by_storage = defaultdict[str, _Growth](_Growth), defaultdict[str, _Growth](_Growth)
    for image in read_images(seen):
        if image.away:  # it is there a second time, for where it lies
            continue
        if image.pool is not None:
            by_pool[image.pool].add(image)
        if image.storage is not None:
            by_storage[image.storage].add(image)
    rows = []
    for name, pool in seen.pools.items():
        own = by_pool[name]
        storage = storages.pools.get(name)
        together = by_storage[storage] if storage is not None else own
        told = _row(pool, storages, own, together, seen) if pool.active else not_read(pool)
        rows.append(blank(OVERCOMMIT) | told)
    rows.sort(key=_order)
    return build(OVERCOMMIT, rows, seen)


@dataclass
class _Growth:
    """What images may come to take, each file once; those of which it is not known make the sums unknown."""

    promised: int = 0
    growth: int = 0
    growing: list[tuple[str, int]] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    _known: set[object] = field(default_factory=set)

    def add(self, image: Image) -> None:
        if image.key in self._known:
            return
        self._known.add(image.key)
        name, growth = image.volume or image.path, image.growth
        if image.promised is None or growth is None:
            self.unknown.append(name)
            return
        self.promised += image.promised
        self.growth += growth
        if growth:
            self.growing.append((name, growth))


def _order(row: _Row) -> tuple[Any, ...]:
    unread, headroom = row["status"] != "ok", row["headroom"]
    return unread, headroom is None, headroom or 0.0, -(row["ratio"] or 0.0), row["pool"]


def _row(pool: Pool, storages: Storages, own: _Growth, together: _Growth, seen: Inventory) -> _Row:
    storage = storages.pools[pool.name]
    row = blank(OVERCOMMIT) | {"pool": pool.name, "storage": storage, "status": "ok"}
    row |= {"capacity": pool.capacity, "allocation": pool.allocation, "available": pool.available}
    if pool.capacity is None or pool.available is None:
        return row | {"status": "unreadable", "problem": "libvirt does not tell its size"}
    unread = unlisted(seen, pool.name)
    unknown = own.unknown or together.unknown
    if unread or unknown:
        why = unread[0] if unread else f"what {listing(unknown)} may come to take is not known"
        return row | {"status": "unreadable", "problem": why}
    growth, available = together.growth, pool.available
    problems = [*_shared(pool, storage, storages, own, together), *stale(pool, seen), *_kept(pool, seen)]
    return row | {
        "promised": own.promised,
        "ratio": together.promised / pool.capacity if pool.capacity else None,
        "growth": own.growth,
        "shortfall": max(0, growth - available),
        "volumes": len(own.growing),
        "fills_alone": tuple(name for name, more in sorted(own.growing) if more >= available),
        "headroom": available / growth if growth else None,
        "problem": "; ".join(problems) or None,
    }


def _shared(
    pool: Pool, storage: str | None, storages: Storages, own: _Growth, together: _Growth
) -> Iterator[str]:
    """Say with what a pool fills, and what could not be known of that."""
    if storage is None:
        yield "other pools may lie on the same storage and fill it too: from here it cannot be known"
        return
    others = storages.beside(pool.name)
    more = together.growth - own.growth
    if others:
        yield (
            f"{_pools(others)} on the same storage: ratio, shortfall and headroom are of all together, and "
            f"{format_size(more)} of growth is not this pool's"
        )
    elif more or together.promised != own.promised:
        yield (
            "guests have disks on the same storage that are in no running pool: ratio, shortfall and "
            f"headroom are of all together, and {format_size(more)} of growth is theirs"
        )


def _kept(pool: Pool, seen: Inventory) -> Iterator[str]:
    """Say how much of what is free, as libvirt counts it, only root may take."""
    space, images = seen.reader.space(pool.spec.target), seen.reader.images
    if pool.spec.type not in FOLDER_POOLS or space is None or images is None:
        return
    kept = space[1] - images.free(pool.spec.target)
    if kept > space[0] * MUCH:
        yield f"{format_size(kept)} of what is free are kept for root: other users' guests fill it sooner"


def _pools(names: Iterable[str]) -> str:
    listed = list(names)
    return f"pool {listed[0]!r} is" if len(listed) == 1 else f"pools {listing([repr(n) for n in listed])} are"
