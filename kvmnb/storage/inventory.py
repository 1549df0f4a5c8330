"""Reading a host: libvirt's objects to values. Reads only, and never a refresh of a pool."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path
from typing import TypeVar
from xml.etree import ElementTree as ET

import libvirt

from kvmnb.errors import KvmnbError, LibvirtFailed, NotFound
from kvmnb.images.headers import Qcow2, qcow2
from kvmnb.images.lookups import Lookups
from kvmnb.storage import files, objects, streams
from kvmnb.storage.connection import Connection
from kvmnb.storage.model import Guest, Image, Inventory, PathKind, Volume

_T = TypeVar("_T")
_R = TypeVar("_R")

#: Calls of one connection that are under way at once. They release the interpreter's lock; more than this
#: gains nothing, since the daemon takes five calls of one client at a time by default.
WORKERS = 8

#: How many things a worker reads before it reports: handing over each by itself costs as much as reading it.
_BATCH = 64


def _speakable(name: str) -> bool:
    """Tell whether libvirt can be asked for a name: it takes UTF-8 without NUL."""
    return "\0" not in name and not any("\ud800" <= letter <= "\udfff" for letter in name)


def read_inventory(connection: Connection) -> Inventory:
    """Read the pools of a host now; its volumes and guests when they are first asked for.

    Parameters
    ----------
    connection : Connection
        An open connection; read-only is enough.

    Returns
    -------
    Inventory
        Of this moment.
    """
    read_at = time.time_ns()
    raw_pools = connection.read("list the pools", lambda c: c.listAllStoragePools(0))
    pools = _each(objects.pool, raw_pools)
    return Inventory(
        LiveReader(connection), {p.name: p for p in pools}, connection.host, connection.uri, read_at
    )


def _each(read: Callable[[_T], _R | None], things: list[_T]) -> list[_R]:
    """Read things side by side, keeping their order; None stands for one that is gone meanwhile."""

    def read_all(batch: list[_T]) -> list[_R | None]:
        return [read(thing) for thing in batch]

    batches = [things[start : start + _BATCH] for start in range(0, len(things), _BATCH)]
    # At the interpreter's end, where a notebook takes away what it has made, no thread can be started.
    if len(batches) < 2 or not threading.main_thread().is_alive():
        return [result for batch in batches for result in read_all(batch) if result is not None]
    with ThreadPoolExecutor(WORKERS) as workers:
        return [result for batch in workers.map(read_all, batches) for result in batch if result is not None]


def _guest(raw: libvirt.virDomain) -> Guest | None:
    found = objects.guest(raw)
    if found is None or found.running:
        return found
    try:
        return replace(found, saved=bool(raw.hasManagedSaveImage(0)))
    except libvirt.libvirtError as error:
        if error.get_error_code() in {libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_NO_SUPPORT}:
            return found
        return replace(found, problem=found.problem or error.get_error_message())


class LiveReader:
    """Looks things up on a host and, where the host is this machine, in its file system.

    Parameters
    ----------
    connection : Connection
        An open connection; `content` needs one with write access.

    Attributes
    ----------
    images : Lookups or None
        The image files of the host; None where the host is another machine.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._local = connection.local
        self.images = Lookups() if self._local else None
        self._real_folder = lru_cache(maxsize=4096)(os.path.realpath)
        self._capabilities = cache(self._read_capabilities)

    def volumes(self, pool: str) -> tuple[Volume, ...]:
        """Read all volumes of a running pool: one listing, then one call per volume, side by side.

        Where the listing itself fails there is one nameless volume with the problem, so that neither a frame
        nor a guard takes an unreadable pool for an empty one.
        """
        try:
            raw_volumes = self._connection.read(
                f"list the volumes of pool {pool!r}",
                lambda c: c.storagePoolLookupByName(pool).listAllVolumes(0),
            )
        except (LibvirtFailed, NotFound) as error:
            return (Volume(pool, "", problem=error.what),)
        return tuple(_each(lambda raw: objects.volume(pool, raw), raw_volumes))

    def volume(self, pool: str, name: str) -> Volume | None:
        """Read one volume, or None where the pool has no such volume."""
        if not _speakable(pool) or not _speakable(name):
            return None
        try:
            return self._connection.read(
                f"read volume {name!r}",
                lambda c: objects.volume(pool, c.storagePoolLookupByName(pool).storageVolLookupByName(name)),
            )
        except NotFound:
            return None

    def guests(self) -> tuple[Guest, ...]:
        """Read all guests, running or not."""
        raw_guests = self._connection.read("list the guests", lambda c: c.listAllDomains(0))
        return tuple(_each(_guest, raw_guests))

    def formats(self, pool_type: str) -> tuple[str, ...]:
        """Give the volume formats that this libvirt knows for a type of pool."""
        path = f"pool[@type='{pool_type}']/volOptions/enum[@name='targetFormatType']/value"
        return tuple(value.text or "" for value in self._capabilities().iterfind(path))

    def source_formats(self, pool_type: str) -> tuple[str, ...]:
        """Give the source formats that this libvirt knows for a type of pool."""
        path = f"pool[@type='{pool_type}']/poolOptions/enum[@name='sourceFormatType']/value"
        return tuple(value.text or "" for value in self._capabilities().iterfind(path))

    def pool_types(self) -> Mapping[str, bool]:
        """Tell per pool type whether this libvirt has the code for it; empty where it does not tell."""
        return {
            pool.get("type", ""): pool.get("supported") == "yes"
            for pool in self._capabilities().iterfind("pool")
        }

    def _read_capabilities(self) -> ET.Element:
        try:
            xml = self._connection.read(
                "read what pools it supports", lambda c: c.getStoragePoolCapabilities()
            )
        except LibvirtFailed as error:
            if error.code == libvirt.VIR_ERR_NO_SUPPORT:  # a driver that does not tell, such as test:///
                return ET.Element("storagepoolCapabilities")
            raise
        return ET.fromstring(xml)

    def kind(self, path: str) -> PathKind | None:
        """Tell what lies at a path on the host; None where the host is another machine."""
        return files.kind(path) if self._local else None

    def real(self, path: str) -> str:
        """Give the path with symbolic links resolved; folders are resolved once: many files share one."""
        if not self._local:
            return os.path.normpath(path)
        folder, name = os.path.split(path)
        plain = os.path.join(self._real_folder(folder), name)  # noqa: PTH118 - hot path, 20,000 volumes
        return os.path.realpath(plain) if os.path.islink(plain) else plain  # noqa: PTH114 - likewise

    def entries(self, path: str) -> tuple[str, ...] | None:
        """Give the names in a directory; None where the host is another machine or it may not be read."""
        if not self._local:
            return None
        try:
            return tuple(sorted(os.listdir(path)))  # noqa: PTH208 - names, not paths
        except OSError:
            return None

    def image(self, path: str, format: str | None) -> Image | None:
        """Read what an image outside any pool says of itself; None where the host is another machine."""
        return files.image(path, format) if self._local and path.startswith("/") else None

    def backing_file(self, path: str) -> str | None:
        """Give what a qcow2 image's header names as its backing store; None where it names none."""
        return files.backing_file(path) if self._local else None

    def data_file(self, path: str) -> str | None:
        """Give the external data file of an image; None where it has none, empty for an unknown one."""
        return files.data_file(path) if self._local and path.startswith("/") else None

    def identity(self, path: str) -> tuple[int, int] | None:
        """Give what two names of one file or device have in common; None where it cannot be known."""
        return files.identity(path) if self._local else None

    def header(self, path: str) -> Qcow2 | None:
        """Read the header of a qcow2 image; None where it cannot be known."""
        return qcow2(path) if self._local and path.startswith("/") else None

    def taken(self, path: str) -> tuple[int, int] | None:
        """Give the size of a file or device and what it takes, in bytes; None where it cannot be known."""
        return files.taken(path) if self._local and path.startswith("/") else None

    def space(self, path: str) -> tuple[int, int] | None:
        """Give size and free bytes of a folder's file system; None where they cannot be known."""
        return files.space(path) if self._local and path.startswith("/") else None

    def content(self, pool: str, name: str, length: int) -> str | None:
        """Give the SHA-256 of the first bytes of a volume, read through a libvirt stream."""
        if self._connection.readonly:
            return None
        try:
            return self._connection.read(
                f"read the content of volume {name!r}", lambda c: streams.digest(c, pool, name, length)
            )
        except KvmnbError:
            return None

    def client_kind(self, path: str) -> PathKind:
        """Tell what lies at a path on this machine; "other" where it may not be looked at."""
        return files.kind(path)

    def client_size(self, path: str) -> int:
        """Give the size of a file on this machine, in bytes."""
        return Path(path).stat().st_size

    def client_content(self, path: str) -> str | None:
        """Give the SHA-256 of a file on this machine; None where it cannot be read."""
        return files.digest(path)
