"""What of a pool's own figure its volumes do not explain. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from kvmnb.schema import USAGE
from kvmnb.storage.frames import blank
from kvmnb.storage.model import FILE_GONE, FOLDER_POOLS, Inventory, Pool
from kvmnb.units import format_size
from kvmnb.usage.gaps import not_read, unlisted
from kvmnb.usage.images import Image
from kvmnb.usage.storages import Storages

_Row = dict[str, Any]

#: Part of a file system by which a pool's figure may differ from the file system's own before it is said.
MUCH = 1 / 1000


@dataclass
class _Sums:
    """What images take, in bytes, by pool and by storage; and which of them could not be measured."""

    own: defaultdict[str, int]
    whole: defaultdict[str, int]
    unknown: defaultdict[str, list[str]]
    #: Storages on which images lie that are in no running pool.
    outside: set[str]

    @classmethod
    def of(cls, images: Iterable[Image], storages: Storages) -> _Sums:
        sums = cls(defaultdict(int), defaultdict(int), defaultdict(list), set())
        for image in images:
            if image.allocation is None and not _gone(image):
                pools = [image.pool] if image.pool else storages.on(image.storage)
                for name in pools:
                    sums.unknown[name].append(image.volume or image.path)
            elif image.allocation is not None and image.counted_at is None:
                sums.own[image.pool or ""] += image.allocation
                if image.storage is not None:
                    sums.whole[image.storage] += image.allocation
                    sums.outside |= set() if image.pool else {image.storage}
        return sums


def rest(seen: Inventory, images: Iterable[Image]) -> dict[str, list[_Row]]:
    """Give per pool the rows for what no volume of it explains.

    What the counted volumes of a pool take, and its rows ``elsewhere`` and ``unexplained``, sum up to the
    pool's own allocation. A pool that could not be read has one row that says why.
    """
    storages = Storages.of(seen)
    sums = _Sums.of(images, storages)
    return {
        name: list(_rows(pool, storages, sums, seen))
        if pool.active
        else [blank(USAGE) | {"role": "unknown"} | not_read(pool)]
        for name, pool in seen.pools.items()
    }


def _gone(image: Image) -> bool:
    return image.facts is not None and image.facts.problem == FILE_GONE


def _rows(pool: Pool, storages: Storages, sums: _Sums, seen: Inventory) -> Iterator[_Row]:
    storage, own = storages.pools[pool.name], sums.own[pool.name]
    row = blank(USAGE) | {"pool": pool.name, "storage": storage, "status": "ok", "promised": 0}
    elsewhere = 0
    if storage is not None and (storages.beside(pool.name) or storage in sums.outside):
        elsewhere = sums.whole[storage] - own
        yield row | {"role": "elsewhere", "allocation": elsewhere}
    told = row | {"role": "unexplained"}
    if pool.allocation is None:
        yield told | {"status": "unreadable", "problem": "libvirt does not tell what it takes"}
        return
    told["allocation"] = pool.allocation - own - elsewhere
    problems = list(_problems(pool, storage, told["allocation"], sums.unknown[pool.name], seen))
    unread = unlisted(seen, pool.name)
    if unread:
        told |= {"role": "unknown", "status": "unreadable"}
    yield told | {"problem": "; ".join([*unread, *problems]) or None}


def _problems(
    pool: Pool, storage: str | None, unexplained: int, unknown: list[str], seen: Inventory
) -> Iterator[str]:
    """Say what the figure holds that it should not, and why it may be wrong."""
    if unknown:
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        yield f"what {unknown[0]!r}{more} takes is not known, and is part of it"
    if storage is None:
        yield "volumes of other pools may be part of it: from here it cannot be known what shares its storage"
    if unexplained < 0:
        yield (
            "the volumes take more than the pool's own figure says, which is of its last refresh; or what is "
            "compressed or shared by clones is counted several times"
        )
    yield from stale(pool, seen)


def stale(pool: Pool, seen: Inventory) -> Iterator[str]:
    """Say that the file system of a pool has changed much since libvirt looked at it."""
    space = seen.reader.space(pool.spec.target) if pool.spec.type in FOLDER_POOLS else None
    if space is None or pool.allocation is None:
        return
    now = space[0] - space[1]
    if abs(now - pool.allocation) > space[0] * MUCH:
        yield (
            f"the pool's own figure is of its last refresh: {format_size(now)} of its file system are taken "
            f"now, and {format_size(space[1])} are free"
        )
