"""What was read of a host, as values: pools, volumes, guests, and the inventory that holds them.

Nothing here talks to libvirt. An `Inventory` asks its `Reader` for volumes and guests when they are first
looked at; `assume` methods give a copy in which something is as if it had been done, so that a whole plan
can be checked before its first step.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, Protocol

from kvmnb.errors import BadValue
from kvmnb.images.answers import Images, Info
from kvmnb.images.headers import Qcow2
from kvmnb.storage.roles import FolderPath, NewPoolName, PoolType

PathKind = Literal["directory", "file", "device", "missing", "other"]


#: The problem of a volume that libvirt still lists from its last refresh, though nothing lies at its path.
FILE_GONE = "its file is gone; a refresh of the pool drops it"

#: Types whose target is a folder that ``pool-build`` makes and ``pool-delete`` removes,
#: and whose volumes are files in it.
FOLDER_POOLS = {"dir", "fs", "netfs"}


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason not to do something, or one thing to know before doing it.

    Parameters
    ----------
    reason : str
        What stands in the way, naming the value.
    remedy : str
        What to do about it.
    field : str
        The field of the action that it belongs to; empty where it belongs to none.
    severity : {"refuse", "warn"}
        A warning does not stop the action.
    """

    reason: str
    remedy: str
    field: str = ""
    severity: Literal["refuse", "warn"] = "refuse"

    def __str__(self) -> str:
        return f"{self.reason}. {self.remedy[:1].upper()}{self.remedy[1:]}."


@dataclass(frozen=True)
class PoolSpec:
    """What a pool is defined by: the arguments of ``virsh pool-define-as``.

    Parameters
    ----------
    name : str
        The pool's name.
    type : str
        dir, fs, netfs, logical, disk, iscsi or iscsi-direct.
    target : str
        Absolute path of the directory under which its volumes appear.
    source_host, source_path, source_dev, source_name, source_format : str
        Where the storage comes from, as far as the type needs it.
    source_initiator : str
        The initiator's IQN (iscsi, iscsi-direct).
    auth_type, auth_username, secret_usage : str
        How to authenticate: ``chap`` or ``ceph``, the user, and the usage name of libvirt's secret.
    """

    name: NewPoolName
    type: PoolType = "dir"
    target: FolderPath = ""
    source_host: str = ""
    source_path: str = ""
    source_dev: str = ""
    source_name: str = ""
    source_format: str = ""
    source_initiator: str = ""
    auth_type: str = ""
    auth_username: str = ""
    secret_usage: str = ""

    def __post_init__(self) -> None:
        for field_ in fields(PoolSpec):
            value = getattr(self, field_.name)
            text = os.fspath(value) if isinstance(value, os.PathLike) else value
            if not isinstance(text, str):
                what = f"The {field_.name.replace('_', ' ')} of a pool is text, not {value!r}"
                raise BadValue(what, f"give {field_.name} as text")
            object.__setattr__(self, field_.name, text)

    def source(self) -> str:
        """Give the source in one readable string: ``host:path``, a device or a name."""
        where = self.source_path or self.source_dev or self.source_name
        return f"{self.source_host}:{where}" if self.source_host and where else self.source_host or where


@dataclass(frozen=True, slots=True)
class Pool:
    """A storage pool as it was read; sizes are None while it is not running."""

    spec: PoolSpec
    state: str = "inactive"
    autostart: bool | None = False
    persistent: bool | None = True
    capacity: int | None = None
    allocation: int | None = None
    available: int | None = None
    volumes: int | None = None
    uuid: str = ""
    #: Whether `spec` says all that the pool's XML says, so that it can be defined anew from it.
    faithful: bool = True
    problem: str = ""
    #: Whether it runs, or has stopped, only by assumption, so that there is nothing of it to be read yet.
    assumed: bool = False

    @property
    def name(self) -> str:
        """The pool's name."""
        return self.spec.name

    @property
    def active(self) -> bool:
        """Whether the pool is running, so that its volumes can be read."""
        return self.state in {"running", "degraded"}


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume of a running pool as it was read. Sizes are bytes, times nanoseconds since 1970."""

    pool: str
    name: str
    path: str = ""
    type: str = "file"
    format: str | None = None
    capacity: int | None = None
    allocation: int | None = None
    physical: int | None = None
    backing_path: str | None = None
    backing_format: str | None = None
    mode: str | None = None
    owner: int | None = None
    group: int | None = None
    modified: int | None = None
    accessed: int | None = None
    changed: int | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk of a guest, as one of the guest's definitions has it."""

    target: str
    device: str = "disk"
    bus: str | None = None
    type: str = "file"
    format: str | None = None
    readonly: bool = False
    path: str | None = None
    pool: str | None = None
    volume: str | None = None
    #: Further files that the definition itself names below the top image: backing stores and mirrors.
    below: tuple[str, ...] = ()
    #: Which definition has it: "" (the current one), "next boot", or the name of a snapshot.
    where: str = ""


@dataclass(frozen=True, slots=True)
class Guest:
    """A guest as it was read: its current definition and, where they differ, its other ones."""

    name: str
    state: str = "shut off"
    persistent: bool = True
    autostart: bool | None = False
    vcpus: int | None = None
    memory: int | None = None
    snapshots: int | None = 0
    uuid: str = ""
    disks: tuple[Disk, ...] = ()
    #: Disks that only a snapshot or the definition for the next boot has.
    other_disks: tuple[Disk, ...] = ()
    #: Files that are no disks, as (role, path): kernel, initrd, nvram …
    files: tuple[tuple[str, str], ...] = ()
    #: Whether it is off with its memory saved, so that it will go on rather than boot.
    saved: bool = False
    #: What is handed to QEMU as it is and holds a slash, so that a path may stand anywhere in it.
    arguments: tuple[str, ...] = ()
    #: What `kvmnb.demo` made with it, by its definition: volumes as (pool, name); empty for any other guest.
    made: tuple[tuple[str, str], ...] = ()
    problem: str = ""

    @property
    def running(self) -> bool:
        """Whether the guest holds its disks open: anything but shut off or crashed."""
        return self.state not in {"shut off", "crashed"}

    def file(self, role: str) -> str | None:
        """Give the path of its kernel, initrd …, or None."""
        return dict(self.files).get(role)


@dataclass(frozen=True, slots=True)
class Image:
    """What the header of an image outside any running pool says."""

    exists: bool
    backing_path: str | None = None
    backing_format: str | None = None


class Reader(Protocol):
    """What an `Inventory` needs to look things up; the live one asks libvirt and the file system."""

    @property
    def images(self) -> Images | None:
        """The image files of the host; None where it is another machine, whose files are out of reach."""

    def volumes(self, pool: str) -> tuple[Volume, ...]:
        """Read all volumes of a running pool; a failure of the whole listing raises."""

    def volume(self, pool: str, name: str) -> Volume | None:
        """Read one volume, or None where the pool has no such volume."""

    def guests(self) -> tuple[Guest, ...]:
        """Read all guests."""

    def formats(self, pool_type: str) -> tuple[str, ...]:
        """Give the volume formats that this libvirt knows for a type of pool; empty where it has none."""

    def source_formats(self, pool_type: str) -> tuple[str, ...]:
        """Give the source formats that this libvirt knows for a type of pool; empty where it has none."""

    def pool_types(self) -> Mapping[str, bool]:
        """Tell per pool type whether this libvirt has the code for it."""

    def kind(self, path: str) -> PathKind | None:
        """Tell what lies at a path on the host; None where it cannot be known from here."""

    def real(self, path: str) -> str:
        """Give the path with symbolic links resolved, where that can be known from here."""

    def entries(self, path: str) -> tuple[str, ...] | None:
        """Give the names in a directory on the host; None where they cannot be known from here."""

    def image(self, path: str, format: str | None) -> Image | None:
        """Read what an image outside any pool says of itself; None where it cannot be known."""

    def backing_file(self, path: str) -> str | None:
        """Give what a qcow2 image's header names as its backing store; None where it names none."""

    def data_file(self, path: str) -> str | None:
        """Give the external data file of an image; None where it has none, empty for an unknown one."""

    def identity(self, path: str) -> tuple[int, int] | None:
        """Give what two names of one file or device have in common; None where it cannot be known."""

    def header(self, path: str) -> Qcow2 | None:
        """Read the header of a qcow2 image; None where it cannot be known."""

    def taken(self, path: str) -> tuple[int, int] | None:
        """Give the size of a file or device and what it takes, in bytes; None where it cannot be known."""

    def space(self, path: str) -> tuple[int, int] | None:
        """Give size and free bytes of a folder's file system; None where they cannot be known."""

    def content(self, pool: str, name: str, length: int) -> str | None:
        """Give the SHA-256 of the first bytes of a volume; None where it cannot be read."""

    def client_kind(self, path: str) -> PathKind:
        """Tell what lies at a path on this machine."""

    def client_size(self, path: str) -> int:
        """Give the size of a file on this machine, in bytes."""

    def client_content(self, path: str) -> str | None:
        """Give the SHA-256 of a file on this machine; None where it is not there."""


@dataclass(frozen=True, eq=False)
class Inventory:
    """What a host had when it was read, and what it would have after steps that are only assumed.

    Parameters
    ----------
    reader : Reader
        Where volumes, guests and paths are looked up, each once.
    pools : mapping of str to Pool
        All pools by name.
    host, uri : str
        Where it was read.
    read_at : int
        When, in nanoseconds since 1970.
    """

    reader: Reader
    pools: Mapping[str, Pool]
    host: str = ""
    uri: str = ""
    read_at: int = 0
    # What is only assumed: volumes by (pool, name), None for a deleted one, and paths by what lies there.
    assumed: Mapping[tuple[str, str], Volume | None] = field(default_factory=dict)
    _assumed_guests: Mapping[str, Guest | None] = field(default_factory=dict)
    _kinds: Mapping[str, PathKind] = field(default_factory=dict)
    _images: Mapping[str, Info] = field(default_factory=dict)
    _listed: dict[str, tuple[Volume, ...]] = field(default_factory=dict)
    _named: dict[str, dict[str, Volume]] = field(default_factory=dict)
    _guests: list[tuple[Guest, ...]] = field(default_factory=list)
    #: What was worked out from this inventory, by its type; a copy with an assumption starts afresh.
    memo: dict[type, Any] = field(default_factory=dict, init=False)

    def pool(self, name: str) -> Pool | None:
        """Give the pool of that name, or None."""
        return self.pools.get(name)

    def volumes_of(self, pool: str) -> tuple[Volume, ...]:
        """Give the volumes of a pool; of one that is not running, those that are only assumed."""
        if self._readable(pool) and pool not in self._listed:
            self._listed[pool] = self.reader.volumes(pool)
        if not self.assumed:
            return self._listed.get(pool, ())
        listed = {v.name: v for v in self._listed.get(pool, ())}
        for (where, name), volume in self.assumed.items():
            if where == pool:
                listed.pop(name, None)
                if volume is not None:
                    listed[name] = volume
        return tuple(listed.values())

    def volume(self, pool: str, name: str) -> Volume | None:
        """Give one volume, or None; asks for it alone where its pool was not listed yet."""
        if (pool, name) in self.assumed:
            return self.assumed[pool, name]
        if pool in self._listed:
            if pool not in self._named:
                self._named[pool] = {v.name: v for v in reversed(self._listed[pool])}  # the first of a name
            return self._named[pool].get(name)
        return self.reader.volume(pool, name) if self._readable(pool) else None

    def _readable(self, pool: str) -> bool:
        found = self.pools.get(pool)
        return found is not None and found.active and not found.assumed

    def volumes(self) -> tuple[Volume, ...]:
        """Give the volumes of all running pools."""
        return tuple(v for name in self.pools for v in self.volumes_of(name))

    def guests(self) -> tuple[Guest, ...]:
        """Give all guests."""
        if not self._guests:
            self._guests.append(self.reader.guests())
        if not self._assumed_guests:
            return self._guests[0]
        named = {**{guest.name: guest for guest in self._guests[0]}, **self._assumed_guests}
        return tuple(guest for guest in named.values() if guest is not None)

    def guest(self, name: str) -> Guest | None:
        """Give the guest of that name, or None."""
        return next((guest for guest in self.guests() if guest.name == name), None)

    def kind(self, path: str) -> PathKind | None:
        """Tell what lies at a path on the host; None where it cannot be known from here."""
        return self._kinds.get(path) or self.reader.kind(path)

    def image(self, path: str, format: str) -> Info | str | None:
        """Give what an image says of itself, or why it cannot be read; None where the host is elsewhere."""
        found = self._images.get(path)
        if found is not None and self._kinds.get(path) == "file":
            return found if found.format == format else f"it is {found.format}"
        return self.reader.images.info(path, format) if self.reader.images else None

    def assumed_images(self) -> tuple[Info, ...]:
        """Give the images that are there by assumption, as a step before would leave them."""
        return tuple(image for path, image in self._images.items() if self._kinds.get(path) == "file")

    def assume_pool(self, pool: Pool) -> Inventory:
        """Give a copy that has this pool, in place of one of its name."""
        return replace(self, pools={**self.pools, pool.name: pool})

    def assume_no_pool(self, name: str) -> Inventory:
        """Give a copy without this pool."""
        return replace(self, pools={k: v for k, v in self.pools.items() if k != name})

    def assume_volume(self, pool: str, name: str, volume: Volume | None) -> Inventory:
        """Give a copy that has this volume, or with None one that has it no more."""
        return replace(self, assumed={**self.assumed, (pool, name): volume})

    def assume_guest(self, name: str, guest: Guest | None) -> Inventory:
        """Give a copy that has this guest, or with None one that has it no more."""
        return replace(self, _assumed_guests={**self._assumed_guests, name: guest})

    def assume_kind(self, path: str, kind: PathKind) -> Inventory:
        """Give a copy in which this lies at the path."""
        return replace(self, _kinds={**self._kinds, path: kind})

    def assume_image(self, image: Info) -> Inventory:
        """Give a copy in which this image lies at its path."""
        return replace(self.assume_kind(image.path, "file"), _images={**self._images, image.path: image})


def refusals(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Give those of the problems that stop an action."""
    return tuple(problem for problem in problems if problem.severity == "refuse")
