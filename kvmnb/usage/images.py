"""Every image of a host, each with who uses it and what it takes. Pure.

An image is a volume of a running pool, or a file or device outside of them that a guest's disk or a backing
chain names. One file may be met under several names, as a hard link or in two pools: the first counts it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from kvmnb.images.answers import Info
from kvmnb.images.headers import Qcow2
from kvmnb.storage.model import FILE_GONE, FOLDER_POOLS, Disk, Guest, Inventory, Volume
from kvmnb.storage.usage import Usage, Use
from kvmnb.usage.storages import Storages

#: Devices of a guest that hold what is its own; what is in a CD or a floppy is not.
_OWN = {"disk", "lun"}

#: What a guest only reads, whatever it is used for.
_READ_ONLY = {"iso", "dir"}

_Key = tuple[int, int] | str


@dataclass(slots=True, eq=False)
class Image:
    """One image. Sizes are bytes, None where they are not known; see `kvmnb.schema.USAGE` for the rest.

    Parameters
    ----------
    path : str
        Where it lies, links resolved; empty for a volume that could not be read.
    pool, volume, storage : str or None
        Where it belongs.
    disks : tuple of (Guest, Disk)
        The guests' disks that it is, by their current definitions, CDs too.
    users : tuple of Use
        Every use of it by guests.
    header : Qcow2 or None
        What its header says, where it is qcow2 and can be read.
    overlays : tuple of str
        Images of pools that are not running that lie on it.
    facts : Volume or None
        The volume that it is.
    away : bool
        Whether it is a link in its pool's folder to what lies on other storage, where it is counted.
    key : object
        What all names of the same file have in common.
    """

    path: str
    pool: str | None = None
    volume: str | None = None
    storage: str | None = None
    format: str | None = None
    capacity: int | None = None
    allocation: int | None = None
    role: str = "unknown"
    promised: int | None = None
    counted_at: str | None = None
    chain: tuple[str, ...] | None = ()
    shared_by: tuple[str, ...] = ()
    disks: tuple[tuple[Guest, Disk], ...] = ()
    users: tuple[Use, ...] = ()
    header: Qcow2 | None = None
    overlays: tuple[str, ...] = ()
    facts: Volume | None = None
    away: bool = False
    key: object = None
    status: str = "ok"
    problems: list[str] = field(default_factory=list)

    @property
    def guests(self) -> tuple[str, ...]:
        """The guests that use it, by name."""
        return tuple(sorted({use.guest.name for use in self.users}))

    @property
    def own_disks(self) -> list[tuple[Guest, Disk]]:
        """The guests' disks that it is, without CDs and floppies."""
        return [(guest, disk) for guest, disk in self.disks if disk.device in _OWN]

    @property
    def growth(self) -> int | None:
        """How much more it may come to take."""
        if self.promised is None or self.allocation is None:
            return 0 if self.promised == 0 else None
        return max(0, self.promised - self.allocation)


def read_images(seen: Inventory) -> list[Image]:
    """Give every image: those of pools by pool and name, then the others by path; worked out once for all."""
    if _Reading not in seen.memo:
        seen.memo[_Reading] = _Reading(seen).images()
    found: list[Image] = seen.memo[_Reading]
    return found


class _Reading:
    """What is gathered on the way: everything by the file that it is, under whatever name."""

    def __init__(self, seen: Inventory) -> None:
        self._seen = seen
        self._usage = Usage.of(seen)
        self._storages = Storages.of(seen)
        self._keys: dict[str, _Key] = {}
        self._disks: defaultdict[_Key, list[tuple[Guest, Disk]]] = defaultdict(list)
        self._users: defaultdict[_Key, list[Use]] = defaultdict(list)
        self._above: defaultdict[_Key, dict[str, None]] = defaultdict(dict)
        self._data_of: dict[_Key, Image] = {}
        self._heads: set[_Key] = set()

    def _key(self, path: str) -> _Key:
        """Give what all names of one file have in common."""
        found = self._keys.get(path)
        if found is None:
            found = self._keys[path] = self._seen.reader.identity(path) or path
        return found

    def images(self) -> list[Image]:
        found = [
            self._of_volume(volume)
            for pool in sorted(self._storages.pools)
            for volume in sorted(self._seen.volumes_of(pool), key=lambda one: one.name)
            if volume.name or volume.path  # without either it stands for a list that could not be read
        ]
        outside = self._look_at_guests()
        for image in found:
            self._note_chain(image, outside)
            if image.away:
                outside.setdefault(image.path, image.format)
        listed = {image.path for image in found if not image.away}
        for path in sorted(outside.keys() - listed):
            found.append(self._of_file(path, outside[path]))
            self._note_chain(found[-1], {})
        counted: dict[_Key, str] = {}
        for image in found:
            self._judge(image, counted)
        for image in found:
            image.promised = self._promised(image)
        return found

    def _look_at_guests(self) -> dict[str, str | None]:
        """Note whose disk each image is; give what their disks and chains name, with the formats."""
        named: dict[str, str | None] = {}
        for guest in sorted(self._seen.guests(), key=lambda one: one.name):
            for disk in (*guest.disks, *guest.other_disks):
                named |= dict.fromkeys((self._usage.real(path) for path in disk.below), None)
                top = self._usage.source(disk)
                if top is not None:
                    self._disks[self._key(top)].append((guest, disk))
                    chain = self._usage.chain(top, disk.format)
                    named |= dict(zip(chain.paths, chain.formats, strict=True)) | {top: disk.format}
        for path, uses in self._usage.uses.items():
            self._users[self._key(path)] += uses
        return named

    def _of_volume(self, volume: Volume) -> Image:
        local = volume.path.startswith("/")
        image = Image(
            path=self._usage.real(volume.path) if local else volume.path,
            pool=volume.pool,
            volume=volume.name or None,
            storage=self._storages.pools[volume.pool],
            format=volume.format,
            capacity=volume.capacity,
            allocation=volume.allocation,
            facts=volume,
        )
        if volume.problem:
            image.status = "unreadable"
            image.problems.append(volume.problem)
        if local and self._lies_away(image.path, volume.pool):
            image.away = True
            image.storage = self._storages.at(self._seen.reader.identity(image.path))
            image.problems.append("it is a link to what is not on its pool's storage")
        return image

    def _lies_away(self, path: str, pool: str) -> bool:
        """Tell whether a link has led out of a pool's storage."""
        spec = self._seen.pools[pool].spec
        if spec.type not in FOLDER_POOLS or path.rpartition("/")[0] == self._usage.real(spec.target):
            return False
        here, there = map(self._seen.reader.identity, (spec.target, path))
        return here is not None and there is not None and here[0] != there[0]

    def _of_file(self, path: str, format: str | None) -> Image:
        """Give an image that is no volume of a running pool."""
        reader = self._seen.reader
        image = Image(path=path, format=format, storage=self._storages.at(reader.identity(path)))
        taken = reader.taken(path)
        if taken is None:
            missing = self._seen.kind(path) == "missing"
            image.status = "unreadable"
            image.problems.append(
                f"there is nothing at {path}" if missing else f"{path} is in no running pool"
            )
            return image
        size, image.allocation = taken
        if format == "raw":
            image.capacity = size
        elif format != "qcow2":  # whose header is read anyway
            told = self._seen.image(path, format) if format else None
            image.capacity = told.virtual_size if isinstance(told, Info) else None
        return image

    def _note_chain(self, image: Image, outside: dict[str, str | None]) -> None:
        """Note what an image lies on, and read its header."""
        if not image.path.startswith("/"):
            return
        if image.format == "qcow2":
            image.header = self._seen.reader.header(image.path)
            if image.header is not None and image.facts is None:
                image.capacity = image.header.capacity
        chain = self._usage.chain(image.path, image.format)
        image.chain = chain.paths if chain.paths or not chain.problem else None
        if chain.problem:
            image.status = "chain unknown" if image.status == "ok" else image.status
            image.problems.append(chain.problem)
        for path, kind in zip(chain.paths, chain.formats, strict=True):
            self._above[self._key(path)][image.path] = None
            outside.setdefault(path, kind)
        if image.header is not None and image.header.external:
            data = self._seen.reader.data_file(image.path)
            if data:
                path = self._usage.real(data)
                self._data_of[self._key(path)] = image
                self._heads.add(self._key(image.path))
                outside.setdefault(path, "raw")
            image.problems.append(f"its data lies in {data or 'another file, whose name cannot be read'}")

    def _judge(self, image: Image, counted: dict[_Key, str]) -> None:
        """Say who uses an image, and whether it is counted already."""
        if not image.path.startswith("/"):
            image.key = (image.pool, image.volume)
            return
        key = image.key = self._key(image.path)
        if image.facts is None or image.facts.problem != FILE_GONE:
            image.counted_at = image.path if image.away else counted.get(key)
            if not image.away:
                counted.setdefault(key, image.path)
        disks = self._disks.get(key, ())
        image.disks = tuple((guest, disk) for guest, disk in disks if not disk.where)
        image.users = tuple(self._users.get(key, ()))
        image.shared_by = tuple(path for path in self._above.get(key, ()) if path != image.path)
        image.overlays = tuple(
            f"{name!r} of pool {pool!r}" for pool, name in self._usage.idle_overlays(image.path)
        )
        image.role = self._role(image, key)
        if image.role == "unknown" and image.status == "ok":
            image.status = "use unknown"
            image.problems.append(f"it cannot be known whether it is in use: {self._usage.blind[0]}")

    def _role(self, image: Image, key: _Key) -> str:
        kept = [disk for _, disk in self._disks.get(key, ()) if not disk.where.startswith("snapshot")]
        if any(disk.device in _OWN for disk in kept):
            return "disk"
        if image.shared_by or image.overlays:
            return "backing"
        if image.users:
            direct = any(use.direct for use in image.users) or key in self._data_of
            return "other" if direct else "backing"
        return "unknown" if self._usage.blind else "unused"

    def _promised(self, image: Image) -> int | None:
        """Give how much of its own space guests may come to take."""
        kind = image.facts.type if image.facts is not None else "file"
        if image.facts is not None and image.facts.problem == FILE_GONE:
            return 0
        if image.format in _READ_ONLY or kind in _READ_ONLY or not self._may_be_written(image):
            return 0
        key = self._key(image.path) if image.path.startswith("/") else image.path
        if key in self._data_of:
            return self._data_of[key].capacity
        if key in self._heads:  # all but its tables is in another file
            return 0
        if image.capacity is None or not image.header or not image.header.snapshots:
            return image.capacity
        # What its snapshots hold stays, while the guest may write all of its disk anew.
        return None if image.allocation is None else image.allocation + image.capacity

    def _may_be_written(self, image: Image) -> bool:
        if image.role in {"unused", "unknown"}:
            return True
        key = self._key(image.path)
        if key in self._data_of:
            return self._may_be_written(self._data_of[key])
        disks = self._disks.get(key, ())
        return image.role != "backing" and any(
            not disk.readonly and disk.device != "cdrom" for _, disk in disks
        )
