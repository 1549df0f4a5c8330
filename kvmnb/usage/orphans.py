"""Volumes that no guest is known to use, with what speaks for it and what against it. Pure."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from kvmnb.schema import ORPHANS
from kvmnb.storage.frames import blank, build
from kvmnb.storage.guards import listing
from kvmnb.storage.model import FILE_GONE, FOLDER_POOLS, Inventory, Pool
from kvmnb.storage.usage import MOST_FILES, Usage
from kvmnb.usage.gaps import not_read, unlisted
from kvmnb.usage.images import Image, read_images

if TYPE_CHECKING:
    import pandas as pd

_Row = dict[str, Any]

_DAY = 86_400_000_000_000  # nanoseconds

#: A change within so many days may be somebody's work that is not finished.
RECENT = 30

#: Pools whose storage other hosts can have as well.
_SHARED = {"netfs", "iscsi", "iscsi-direct", "gluster", "rbd", "sheepdog", "vstorage", "scsi", "mpath"}

_FOLDERS = {"dir", "netdir"}


def candidates(seen: Inventory) -> list[Image]:
    """Give the volumes that no guest is known to use, and that are there."""
    return [
        image
        for image in read_images(seen)
        if image.facts is not None and not image.users and image.facts.problem != FILE_GONE
    ]


def orphans(
    seen: Inventory, found: list[Image], held: Mapping[str, list[str]], not_looked: str = ""
) -> pd.DataFrame:
    """Make the frame of volumes that no guest is known to use.

    Parameters
    ----------
    seen : Inventory
        What was read of the host.
    found : list of Image
        Its `candidates`.
    held : mapping of str to list of str
        Per path the processes that have it open.
    not_looked : str
        Why not every process could be looked at.

    Returns
    -------
    pandas.DataFrame
        The `kvmnb.schema.ORPHANS` frame: those with the fewest doubts first, and among them the largest.
    """
    evidence = _Evidence(seen, found, held, not_looked)
    rows = [_row(image, evidence) for image in found]
    rows.sort(
        key=lambda row: (len(row["doubts"]), -(row["allocation"] or 0), row["pool"], row["volume"] or "")
    )
    return build(ORPHANS, [*rows, *_unread(seen)], seen)


def _row(image: Image, evidence: _Evidence) -> _Row:
    facts = image.facts
    assert facts is not None  # noqa: S101 - candidates are volumes
    return blank(ORPHANS) | {
        "pool": image.pool,
        "volume": image.volume,
        "path": image.path or None,
        "format": image.format,
        "capacity": image.capacity,
        "allocation": image.allocation,
        "modified": facts.modified,
        "accessed": facts.accessed,
        "reasons": tuple(evidence.reasons(image)),
        "doubts": tuple(evidence.doubts(image)),
        "status": "unreadable" if facts.problem else "ok",
        "problem": facts.problem or None,
    }


def _unread(seen: Inventory) -> Iterator[_Row]:
    """Say of each pool whose volumes could not be read that there may be more."""
    for name in sorted(seen.pools):
        pool = seen.pools[name]
        blanks = blank(ORPHANS) | {"reasons": (), "doubts": ()}
        if pool.problem or not pool.active:
            yield blanks | not_read(pool)
        elif why := unlisted(seen, name):
            yield blanks | {"pool": name, "status": "unreadable", "problem": why[0]}


@dataclass
class _Evidence:
    """What speaks for and against each of a host's candidates; what all have in common is found once."""

    seen: Inventory
    found: list[Image]
    held: Mapping[str, list[str]]
    not_looked: str

    @cached_property
    def _usage(self) -> Usage:
        return Usage.of(self.seen)

    def reasons(self, image: Image) -> Iterator[str]:
        """Give each reason to think that nothing uses it."""
        yield from self._common
        if not image.shared_by and not image.overlays:
            yield "no image that could be read lies on it"
        age = self._age(image.facts.modified if image.facts else None)
        if age is not None and age > RECENT:
            yield f"it was not changed for {age} days"
        if not self.not_looked and image.path not in self.held:
            yield "no process has it open"

    @cached_property
    def _common(self) -> tuple[str, ...]:
        guests = self.seen.guests()
        read = [guest for guest in guests if not guest.problem]
        if not guests:
            return ("there is no guest",)
        words = f"{len(read)} guest{'s' * (len(read) != 1)}"
        words += f" of {len(guests)}, which could be read," if len(read) < len(guests) else ""
        said = [f"no disk, kernel, firmware or argument of {words} names it, directly or through a chain"]
        snapshots = sum(guest.snapshots or 0 for guest in read)
        return (
            *said,
            f"none of their {snapshots} snapshots names it" if snapshots else "they have no snapshot",
        )

    def doubts(self, image: Image) -> Iterator[str]:
        """Give each thing that speaks against it, or could not be looked at."""
        yield from self._lying_on(image)
        yield from self._kind(image)
        yield from self._recent(image)
        for folder in self._above(image.path):
            users = listing(list(dict.fromkeys(map(str, self._usage.uses[folder]))))
            yield f"it lies in {folder!r}, which is used by {users}"
        if image.path in self.held:
            yield f"it is open in {listing(self.held[image.path])}"
        yield from self._names(image)
        yield from self._unseen(image)

    def _names(self, image: Image) -> Iterator[str]:
        """Say what other names it has, and so whether deleting this one gives back what it takes."""
        others = [one for one in self._twins.get(image.path, []) if one is not image]
        links = [_called(one) for one in others if self._is_link(one)]
        same = [_called(one) for one in others if not self._is_link(one) and one.path == image.path]
        apart = [_called(one) for one in others if not self._is_link(one) and one.path != image.path]
        names = self.seen.reader.images.links(image.path) if self.seen.reader.images else 0
        if self._is_link(image):
            yield f"it is a link to {image.path!r}, which stays: deleting the link gives nothing back"
            return
        if links:
            yield f"{listing(links)} is a link to it, and would lead nowhere"
        if same:
            yield f"it is {listing(same)} as well, which goes with it"
        if apart:
            yield f"it is the same file as {listing(apart)}: deleting one name gives nothing back"
        elif names > 1 and image.facts and image.facts.type not in _FOLDERS:
            yield f"the file has {names} names, hard links: deleting this one gives nothing back"

    def _is_link(self, image: Image) -> bool:
        """Tell whether a volume is a link in its pool's folder, which goes while the file stays."""
        images, pool = self.seen.reader.images, self.seen.pools.get(image.pool or "")
        if images is None or image.facts is None or pool is None or pool.spec.type not in FOLDER_POOLS:
            return False
        return images.is_link(image.facts.path)

    def _above(self, path: str) -> list[str]:
        """Give the folders above a file that a guest has as a whole, such as one that it shares."""
        return [str(folder) for folder in PurePosixPath(path).parents if str(folder) in self._usage.uses]

    def _lying_on(self, image: Image) -> Iterator[str]:
        if image.shared_by:
            yield f"{listing(list(image.shared_by))} lies on it, and cannot be read without it"
        if image.overlays:
            yield f"{listing(list(image.overlays))}, which is not running, lies on it"
        holders = [f"{v.name!r} of pool {v.pool!r}" for v in self._usage.data_of(image.path)]
        if holders:
            yield f"it holds the data of {listing(holders)}"
        beside = self._beside.get(image.path)
        if beside:
            yield f"{listing(beside)}, which is in its pool's folder and not listed yet, lies on it"

    def _kind(self, image: Image) -> Iterator[str]:
        facts = image.facts
        if facts is None:
            return
        if facts.type in _FOLDERS:
            yield "it is a folder: what lies in it was not looked at"
        if image.format == "iso" or facts.name.lower().endswith(".iso"):
            yield "it is an installation medium, which is needed from time to time"
        elif facts.mode is not None and not int(facts.mode, 8) & 0o222:
            yield "nobody may write to it, as is usual for a base or a medium"
        if facts.problem:
            yield f"it could not be read: {facts.problem}"

    def _recent(self, image: Image) -> Iterator[str]:
        facts = image.facts
        if facts is None:
            return
        modified, changed, accessed = map(self._age, (facts.modified, facts.changed, facts.accessed))
        if modified is not None and modified <= RECENT:
            yield f"its content was changed {_ago(modified)}"
        elif changed is not None and changed <= RECENT:
            yield f"it was copied here, renamed or given to another owner {_ago(changed)}"
        elif accessed is not None and accessed <= RECENT:
            yield f"it was read {_ago(accessed)}, be it by a refresh of the pool"
        elif modified is None:
            yield "it is not known when it was changed"

    def _age(self, moment: int | None) -> int | None:
        """Give whole days between a moment and the reading of the host."""
        return None if moment is None else max(0, self.seen.read_at - moment) // _DAY

    def _unseen(self, image: Image) -> Iterator[str]:
        """Say what could not be looked at."""
        for blind in self._usage.blind[:3]:
            yield f"a use may not be known: {blind}"
        if len(self._usage.blind) > 3:
            yield f"{len(self._usage.blind) - 3} more things could not be looked at that may use it"
        for idle in self._usage.idle:
            if idle.problem:
                yield f"pool {idle.pool!r} is not running, and {idle.problem}: what is in it may lie on this"
        if image.format == "raw" and self._closed:
            yield f"the header of {listing(self._closed)} could not be read: its data may lie in this"
        pool = self.seen.pools.get(image.pool or "")
        if pool is not None and pool.spec.type in _SHARED:
            yield f"other hosts may have this {pool.spec.type} pool too, and their guests are not known here"
        if pool is not None and pool.name in self._large:
            yield f"its pool's folder has more than {MOST_FILES} files, not all of which were looked at"
        if self.not_looked:
            yield self.not_looked

    @cached_property
    def _closed(self) -> list[str]:
        """The qcow2 volumes of which it cannot be known whether their data lies in another file."""
        volumes = (v for v in self.seen.volumes() if v.format == "qcow2" and v.path)
        return [v.path for v in volumes if v.problem != FILE_GONE and not self.seen.reader.header(v.path)]

    @cached_property
    def _twins(self) -> dict[str, list[Image]]:
        """Per path the volumes that are one file with it."""
        by_file: defaultdict[object, list[Image]] = defaultdict(list)
        for image in self.found:
            if image.path.startswith("/"):
                by_file[self.seen.reader.identity(image.path) or image.path].append(image)
        return {image.path: same for same in by_file.values() if len(same) > 1 for image in same}

    @cached_property
    def _folders(self) -> dict[str, tuple[str, ...]]:
        """The names in the folder of each volume that is a candidate."""
        paths = (image.path for image in self.found if image.path.startswith("/"))
        folders = dict.fromkeys(os.path.dirname(path) for path in paths)  # noqa: PTH120 - of the host
        return {folder: self.seen.reader.entries(folder) or () for folder in folders}

    @cached_property
    def _large(self) -> set[str]:
        """The pools whose folders have too many unlisted files for all to be looked at."""
        return {name for name, pool in self.seen.pools.items() if len(self._strangers(pool)) > MOST_FILES}

    def _strangers(self, pool: Pool) -> list[str]:
        """Give the files in a pool's folder that libvirt does not list."""
        folder = self._usage.real(pool.spec.target) if pool.spec.target and pool.active else ""
        names = self._folders.get(folder, ())
        return [path for name in names if (path := f"{folder}/{name}") not in self._usage.by_path]

    @cached_property
    def _beside(self) -> dict[str, list[str]]:
        """Per path the files in the folders of pools that lie on it, though no pool lists them."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        reader = self.seen.reader
        for pool in self.seen.pools.values():
            for path in self._strangers(pool)[:MOST_FILES]:
                for below in (reader.backing_file(path), reader.data_file(path)):
                    if below and below.startswith("/"):
                        found[self._usage.real(below)].append(repr(path))
        return dict(found)


def _called(image: Image) -> str:
    return f"{image.volume!r} of pool {image.pool!r}"


def _ago(days: int) -> str:
    return f"{days} day{'s' * (days != 1)} ago" if days else "less than a day ago"
