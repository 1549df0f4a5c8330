"""Who uses what: backing chains, and the guests at the top of them.

A volume may be used by several guests, and one base may lie under many overlays, so everything here is
kept as lists. What could not be followed is said, never taken for an end.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from kvmnb.storage.model import FILE_GONE, FOLDER_POOLS, Disk, Guest, Inventory, Pool, Volume

#: Of a pool that is not running at most so many files are looked at.
MOST_FILES = 5000

#: No sane chain is longer; one that is, is a loop.
LONGEST_CHAIN = 200


@dataclass(frozen=True, slots=True)
class Chain:
    """The images below one image, nearest first.

    Parameters
    ----------
    paths : tuple of str
        Their paths, links resolved.
    problem : str
        Why the chain could not be followed to its end; empty where it could.
    formats : tuple of (str or None)
        Per path the format that is said where it is named; None where none is.
    """

    paths: tuple[str, ...]
    problem: str = ""
    formats: tuple[str | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Use:
    """One guest's need for one file.

    Parameters
    ----------
    guest : Guest
        The guest.
    part : str
        What of the guest needs it: "disk vda", "kernel", "disk vda of snapshot s1".
    direct : bool
        Whether the guest names the file itself, rather than an image above it.
    """

    guest: Guest
    part: str
    direct: bool

    def __str__(self) -> str:
        how = "" if self.direct else ", as a backing store"
        return f"guest {self.guest.name!r} ({self.part}, {self.guest.state}{how})"


@dataclass(frozen=True, slots=True)
class Idle:
    """What the folder of a pool that is not running tells without libvirt.

    Parameters
    ----------
    pool : str
        The pool.
    below : tuple of (str, str)
        Per image its name and what it lies on or has its data in: a path with links resolved, or as it is
        written there.
    problem : str
        Why not all of the pool's images were looked at; empty where all were.
    """

    pool: str
    below: tuple[tuple[str, str], ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class Usage:
    """Who uses what on one host.

    Parameters
    ----------
    inventory : Inventory
        What was read of the host.
    """

    inventory: Inventory
    _chains: dict[str, Chain] = field(default_factory=dict)
    _real: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, inventory: Inventory) -> Usage:
        """Give the usage of an inventory, worked out once for all who ask."""
        if cls not in inventory.memo:
            inventory.memo[cls] = cls(inventory)
        found: Usage = inventory.memo[cls]
        return found

    @cached_property
    def by_path(self) -> dict[str, Volume]:
        """The volumes of running pools by path, links resolved."""
        return {self.real(v.path): v for v in self.inventory.volumes() if v.path and v.problem != FILE_GONE}

    def real(self, path: str) -> str:
        """Give the path with links resolved where that can be known."""
        found = self._real.get(path)
        if found is None:
            found = self._real[path] = self.inventory.reader.real(path)
        return found

    def source(self, disk: Disk) -> str | None:
        """Give the path of a disk's top image, links resolved; None where it has none or it is unknown."""
        if disk.pool is not None and disk.volume is not None:
            pool = self.inventory.pool(disk.pool)
            known = self.inventory.volume(disk.pool, disk.volume) if pool and pool.active else None
            return self.real(known.path) if known else None
        return self.real(disk.path) if disk.path else None

    def chain(self, path: str, format: str | None) -> Chain:
        """Follow the backing chain below an image.

        Parameters
        ----------
        path : str
            The image, links resolved.
        format : str or None
            Its format, where the one who names it knows; a volume's own format comes first.
        """
        if path not in self._chains:
            self._chains[path] = self._follow(path, format)
        return self._chains[path]

    def _follow(self, path: str, format: str | None) -> Chain:
        found: dict[str, str | None] = {}
        here, here_format = path, format
        while True:
            step = self._below(here, here_format)
            if step is None or isinstance(step, str):
                return Chain(tuple(found), step or "", tuple(found.values()))
            here, here_format = step
            if here in found or here == path or len(found) >= LONGEST_CHAIN:
                problem = f"the chain of {path} goes in a circle at {here}"
                return Chain(tuple(found), problem, tuple(found.values()))
            found[here] = here_format

    def _below(self, path: str, format: str | None) -> tuple[str, str | None] | str | None:
        """Give the next image below and its format, None at the end, or a str that says why not known."""
        volume = self.by_path.get(path)
        if volume is not None:
            if volume.problem:
                return f"volume {volume.name} of pool {volume.pool} could not be read: {volume.problem}"
            backing, backing_format = volume.backing_path, volume.backing_format
        else:
            image = self.inventory.reader.image(path, format)
            if image is None:
                return f"{path} is in no running pool and its header could not be read"
            if not image.exists:
                return f"{path} does not exist" if self._missing_matters(path) else None
            backing, backing_format = image.backing_path, image.backing_format
        if backing is None:
            return None
        if not backing.startswith("/"):
            return f"{path} has a backing store that is no path: {backing}"
        return self.real(backing), backing_format

    def _missing_matters(self, path: str) -> bool:
        """Tell whether a missing file may hide a chain: where it would come back with its pool."""
        return any(
            not pool.active and pool.spec.target and path.startswith(self.real(pool.spec.target) + "/")
            for pool in self.inventory.pools.values()
        )

    def _needs(self, guest: Guest) -> Iterator[tuple[str, str, bool]]:
        """Give every file that a guest needs, as (path, part, direct)."""
        named = dict.fromkeys((self.real(path), role) for role, path in guest.files)
        told = dict.fromkeys(path for argument in guest.arguments for path in self._volumes_in(argument))
        for path, role in named | dict.fromkeys((path, "qemu argument") for path in told):
            yield path, role, True
        for disk in (*guest.disks, *guest.other_disks):
            part = f"disk {disk.target}" + (f" of {disk.where}" if disk.where else "")
            top = self.source(disk)
            below = [self.real(path) for path in disk.below]
            if top is not None:
                yield top, part, True
                below += self.chain(top, disk.format).paths
            images = dict.fromkeys(path for path in (top, *below) if path is not None)
            data = (self.inventory.reader.data_file(path) for path in images)
            for path in dict.fromkeys([*below, *(self.real(path) for path in data if path)]):
                yield path, part, False

    @cached_property
    def _by_folder(self) -> dict[str, dict[str, str]]:
        """Per folder, under each of its names, its volumes' file names with their paths, links resolved."""
        found: defaultdict[str, dict[str, str]] = defaultdict(dict)
        for real, volume in self.by_path.items():
            for path in (volume.path, real):
                folder, slash, name = path.rpartition("/")
                if slash:  # a volume on the network may have no path but a name
                    found[folder + slash][name] = real
        return dict(found)

    def _volumes_in(self, argument: str) -> Iterator[str]:
        """Give the volumes whose paths stand anywhere in an argument of QEMU."""
        # QEMU writes a comma twice, and takes JSON, in which a quote or a backslash is escaped.
        for text in {argument, argument.replace(",,", ","), argument.replace("\\", "")}:
            for folder, volumes in self._by_folder.items():
                for rest in text.split(folder)[1:]:
                    # Where a name ends cannot be told, so each beginning may be one.
                    names = (rest[:end] for end in range(1, len(rest) + 1))
                    yield from (volumes[name] for name in names if name in volumes)

    @cached_property
    def uses(self) -> dict[str, list[Use]]:
        """Per path every use of it by any guest, running or not."""
        found: defaultdict[str, list[Use]] = defaultdict(list)
        for guest in self.inventory.guests():
            for path, part, direct in self._needs(guest):
                found[path].append(Use(guest, part, direct))
        return dict(found)

    @cached_property
    def _by_identity(self) -> dict[tuple[int, int], list[str]]:
        """The paths that guests need, by the file or device behind them."""
        found: defaultdict[tuple[int, int], list[str]] = defaultdict(list)
        for path in self.uses:
            identity = self.inventory.reader.identity(path)
            if identity is not None:
                found[identity].append(path)
        return dict(found)

    def uses_of(self, path: str) -> list[Use]:
        """Give every use of a file or device, under whatever name a guest knows it."""
        # Where no guest needs any file, none need be looked at.
        identity = self.inventory.reader.identity(path) if self._by_identity else None
        names = self._by_identity.get(identity, []) if identity is not None else []
        return [use for name in dict.fromkeys([path, *names]) for use in self.uses.get(name, ())]

    @cached_property
    def _by_data(self) -> dict[str, list[Volume]]:
        """Per file the volumes whose data lies in it; the header of every qcow2 volume was looked into."""
        found: defaultdict[str, list[Volume]] = defaultdict(list)
        for volume in self.inventory.volumes():
            name = None
            if volume.format == "qcow2" and volume.path:
                name = self.inventory.reader.data_file(volume.path)
            if name is not None:
                found[self.real(name)].append(volume)
        return dict(found)

    def data_of(self, path: str) -> list[Volume]:
        """Give the volumes whose data lies in a file."""
        return self._by_data.get(path, [])

    @cached_property
    def overlays(self) -> dict[str, list[Volume]]:
        """Per path the volumes that lie directly on it."""
        found: defaultdict[str, list[Volume]] = defaultdict(list)
        for volume in self.inventory.volumes():
            if volume.backing_path:
                found[self.real(volume.backing_path)].append(volume)
        return dict(found)

    @cached_property
    def idle(self) -> tuple[Idle, ...]:
        """What lies in the pools that are not running, as far as it can be looked at."""
        pools = (p for p in self.inventory.pools.values() if not p.active and not p.problem)
        return tuple(self._look_into(pool) for pool in pools)

    def _look_into(self, pool: Pool) -> Idle:
        if pool.spec.type not in FOLDER_POOLS:
            return Idle(pool.name, problem="its volumes are no files")
        reader, folder = self.inventory.reader, self.real(pool.spec.target)
        names = reader.entries(folder)
        if names is None:
            return Idle(pool.name, problem=f"its folder {folder!r} cannot be listed")
        below: list[tuple[str, str]] = []
        for name in names[:MOST_FILES]:
            path = f"{folder}/{name}"
            if self.real(path) not in self.by_path:  # a running pool may have the same folder
                found = (reader.backing_file(path), reader.data_file(path))
                below += [(name, self.real(f) if f.startswith("/") else f) for f in found if f]
        problem = ""
        if len(names) > MOST_FILES:
            problem = f"its folder {folder!r} has more than {MOST_FILES} files"
        elif pool.spec.type != "dir" and not names:
            problem = f"nothing is mounted at {folder!r}"
        return Idle(pool.name, tuple(below), problem)

    def idle_overlays(self, path: str) -> Iterator[tuple[str, str]]:
        """Give each image of a pool that is not running that needs a file, as (pool, name)."""
        by_name, written = self._idle_index
        if not by_name and not written:
            return
        identity = self.inventory.reader.identity(path)
        found = [*by_name.get(path, ()), *(by_name.get(identity, ()) if identity is not None else ())]
        found += [image for below, image in written if path in below]
        yield from dict.fromkeys(found)

    @cached_property
    def _idle_index(self) -> tuple[dict[object, list[tuple[str, str]]], list[tuple[str, tuple[str, str]]]]:
        """The images of `idle` by the path and the identity of what they need; and by what is no path."""
        by_name: defaultdict[object, list[tuple[str, str]]] = defaultdict(list)
        written: list[tuple[str, tuple[str, str]]] = []
        for idle in self.idle:
            for name, below in idle.below:
                if below.startswith("/"):
                    by_name[below].append((idle.pool, name))
                    identity = self.inventory.reader.identity(below)
                    if identity is not None:
                        by_name[identity].append((idle.pool, name))
                else:
                    written.append((below.replace("\\", ""), (idle.pool, name)))
        return dict(by_name), written

    @cached_property
    def blind(self) -> tuple[str, ...]:
        """Each reason why a use may exist that `uses` does not have."""
        return tuple(dict.fromkeys(self.blind_spots()))

    def blind_spots(self) -> Iterator[str]:
        """Give each reason why a use may exist that `uses` does not have."""
        for guest in self.inventory.guests():
            if guest.problem:
                yield f"guest {guest.name!r} could not be read: {guest.problem}"
            for disk in (*guest.disks, *guest.other_disks):
                yield from self._blind_spot(guest, disk)
        for pool in self.inventory.pools.values():
            if pool.problem:
                yield f"pool {pool.name!r} could not be read: {pool.problem}"
        for volume in self.inventory.volumes():
            # One that has a path was read, even if libvirt cannot be asked for it by its name.
            if volume.problem and not volume.path:
                yield f"volume {volume.name!r} of pool {volume.pool!r} could not be read: {volume.problem}"

    def _blind_spot(self, guest: Guest, disk: Disk) -> Iterator[str]:
        where = f"disk {disk.target} of guest {guest.name!r}"
        top = self.source(disk)
        if top is not None:
            chain = self.chain(top, disk.format)
            if chain.problem:
                yield f"{where}: {chain.problem}"
            for path in (top, *chain.paths):
                if self.inventory.reader.data_file(path) == "":
                    yield f"{where}: {path} has its data in another file, whose name could not be read"
        elif disk.pool is not None:
            yield f"{where} is volume {disk.volume!r} of pool {disk.pool!r}, which could not be looked up"
        elif disk.type == "network" and disk.format not in {None, "raw"}:
            yield f"{where} is a {disk.format} image on the network, whose backing chain is not known"
