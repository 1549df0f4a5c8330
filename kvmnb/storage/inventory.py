"""Reading a host: libvirt's objects to values. Reads only, and never a refresh of a pool."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path
from typing import TypeVar
from xml.etree import ElementTree as ET

import libvirt

from kvmnb.errors import KvmnbError, LibvirtFailed, NotFound, ProgramFailed
from kvmnb.programs import run
from kvmnb.storage import streams
from kvmnb.storage.connection import Connection
from kvmnb.storage.model import FILE_GONE, Disk, Guest, Image, Inventory, PathKind, Pool, PoolSpec, Volume
from kvmnb.storage.xml import read_disks, read_guest_files, read_pool, read_volume

_T = TypeVar("_T")
_R = TypeVar("_R")

#: Calls of one connection that are under way at once. They release the interpreter's lock; more than this
#: gains nothing, since the daemon takes five calls of one client at a time by default.
WORKERS = 8

#: How many things a worker reads before it reports: handing over each by itself costs as much as reading it.
_BATCH = 64

_POOL_STATES = {
    libvirt.VIR_STORAGE_POOL_INACTIVE: "inactive",
    libvirt.VIR_STORAGE_POOL_BUILDING: "building",
    libvirt.VIR_STORAGE_POOL_RUNNING: "running",
    libvirt.VIR_STORAGE_POOL_DEGRADED: "degraded",
    libvirt.VIR_STORAGE_POOL_INACCESSIBLE: "inaccessible",
}
_GUEST_STATES = {
    libvirt.VIR_DOMAIN_NOSTATE: "no state",
    libvirt.VIR_DOMAIN_RUNNING: "running",
    libvirt.VIR_DOMAIN_BLOCKED: "idle",
    libvirt.VIR_DOMAIN_PAUSED: "paused",
    libvirt.VIR_DOMAIN_SHUTDOWN: "in shutdown",
    libvirt.VIR_DOMAIN_SHUTOFF: "shut off",
    libvirt.VIR_DOMAIN_CRASHED: "crashed",
    libvirt.VIR_DOMAIN_PMSUSPENDED: "pmsuspended",
}
_GONE = {
    libvirt.VIR_ERR_NO_STORAGE_POOL,
    libvirt.VIR_ERR_NO_STORAGE_VOL,
    libvirt.VIR_ERR_NO_DOMAIN,
    libvirt.VIR_ERR_NO_DOMAIN_SNAPSHOT,
}


_NOT_UTF8 = "its name or what its header names is not UTF-8, so that it cannot be asked for"


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
    pools = _each(_pool, raw_pools)
    return Inventory(
        LiveReader(connection), {p.name: p for p in pools}, connection.host, connection.uri, read_at
    )


def _each(read: Callable[[_T], _R | None], things: list[_T]) -> list[_R]:
    """Read things side by side, keeping their order; None stands for one that is gone meanwhile."""

    def read_all(batch: list[_T]) -> list[_R | None]:
        return [read(thing) for thing in batch]

    batches = [things[start : start + _BATCH] for start in range(0, len(things), _BATCH)]
    with ThreadPoolExecutor(WORKERS) as workers:
        return [result for batch in workers.map(read_all, batches) for result in batch if result is not None]


def _pool(raw: libvirt.virStoragePool) -> Pool | None:
    name: str = raw.name()
    try:
        spec, faithful, uuid = read_pool(_definition(raw))
        state, capacity, allocation, available = raw.info()
        running = state in {libvirt.VIR_STORAGE_POOL_RUNNING, libvirt.VIR_STORAGE_POOL_DEGRADED}
        return Pool(
            spec=spec,
            state=_POOL_STATES.get(state, str(state)),
            autostart=bool(raw.autostart()),
            persistent=bool(raw.isPersistent()),
            capacity=capacity if running else None,
            allocation=allocation if running else None,
            available=available if running else None,
            volumes=raw.numOfVolumes() if running else None,
            uuid=uuid,
            faithful=faithful,
        )
    except libvirt.libvirtError as error:
        if error.get_error_code() in _GONE:
            return None
        said = error.get_error_message()
        return Pool(PoolSpec(name, type=""), "unreadable", None, None, faithful=False, problem=said)


def _definition(raw: libvirt.virStoragePool) -> str:
    """Give the XML that a pool will be started with next, where the driver keeps that apart."""
    try:
        return str(raw.XMLDesc(libvirt.VIR_STORAGE_XML_INACTIVE))
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_INVALID_ARG:  # test:/// knows no flags
            raise
        return str(raw.XMLDesc(0))


def _volume(pool: str, raw: libvirt.virStorageVol) -> Volume | None:
    try:
        return _read_volume(pool, raw)
    except libvirt.libvirtError as error:
        if error.get_error_code() in _GONE:
            return _gone_volume(pool, raw)
        return Volume(pool, _name(raw), problem=error.get_error_message())


def _gone_volume(pool: str, raw: libvirt.virStorageVol) -> Volume | None:
    """Give a volume that libvirt still lists though its file is gone, or None for one that it has dropped."""
    try:
        return Volume(pool, _name(raw), str(raw.path()), problem=FILE_GONE)
    except libvirt.libvirtError:
        return None
    except UnicodeDecodeError as error:
        path = error.object.decode(errors="backslashreplace")
        return Volume(pool, _name(raw), path, problem=FILE_GONE)


def _read_volume(pool: str, raw: libvirt.virStorageVol) -> Volume:
    try:
        return read_volume(pool, raw.XMLDesc(0))
    except UnicodeDecodeError as error:
        # Its name, or what its header says, is not UTF-8: show the bytes that are not as \xNN.
        return replace(read_volume(pool, error.object.decode(errors="backslashreplace")), problem=_NOT_UTF8)


def _name(raw: libvirt.virStorageVol) -> str:
    try:
        return str(raw.name())
    except UnicodeDecodeError as error:
        return error.object.decode(errors="backslashreplace")


def _guest(raw: libvirt.virDomain) -> Guest | None:
    name: str = raw.name()
    try:
        return _read_guest(raw, name)
    except libvirt.libvirtError as error:
        if error.get_error_code() in _GONE:
            return None
        return Guest(name, state="unreadable", snapshots=None, problem=error.get_error_message())


def _read_guest(raw: libvirt.virDomain, name: str) -> Guest:
    root = ET.fromstring(raw.XMLDesc(0))
    disks = read_disks(root)
    files = dict.fromkeys(read_guest_files(root))
    others: list[Disk] = []
    persistent = bool(raw.isPersistent())
    if raw.isActive() and persistent:
        # A running guest may be redefined: what its next boot needs is in use as much as what it has now.
        next_boot = ET.fromstring(raw.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
        others += read_disks(next_boot, "next boot")
        files |= dict.fromkeys(read_guest_files(next_boot))
    if not raw.isActive() and raw.hasManagedSaveImage(0):
        # Started, it goes on with what it was saved with, whatever has been defined since.
        others += read_disks(ET.fromstring(raw.managedSaveGetXMLDesc(0)), "saved state")
    snapshots = raw.listAllSnapshots(0) if raw.hasCurrentSnapshot(0) or raw.snapshotNum(0) else []
    for snapshot in snapshots:
        others += _snapshot_disks(ET.fromstring(snapshot.getXMLDesc(0)))
    return Guest(
        name=name,
        state=_GUEST_STATES.get(raw.state()[0], "no state"),
        persistent=persistent,
        autostart=bool(raw.autostart()),
        vcpus=int(root.findtext("vcpu") or 1),
        memory=raw.maxMemory() * 1024,
        snapshots=len(snapshots),
        uuid=raw.UUIDString(),
        disks=disks,
        other_disks=tuple(others),
        files=tuple(files),
    )


def _snapshot_disks(root: ET.Element) -> tuple[Disk, ...]:
    """Give the disks that a snapshot needs: those of the guest as it was, and its external overlays."""
    where = f"snapshot {root.findtext('name')}"
    found: list[Disk] = []
    for tag in ("domain", "inactiveDomain"):
        domain = root.find(tag)
        found += () if domain is None else read_disks(domain, where)
    for disk in root.iterfind("disks/disk"):
        source = disk.find("source")
        path = None if source is None else source.get("file") or source.get("dev")
        found.append(Disk(target=disk.get("name") or "", path=path, where=where))
    return tuple(found)


class LiveReader:
    """Looks things up on a host and, where the host is this machine, in its file system.

    Parameters
    ----------
    connection : Connection
        An open connection; `content` needs one with write access.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._local = connection.local
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
        return tuple(_each(lambda raw: _volume(pool, raw), raw_volumes))

    def volume(self, pool: str, name: str) -> Volume | None:
        """Read one volume, or None where the pool has no such volume."""
        if not _speakable(pool) or not _speakable(name):
            return None
        try:
            return self._connection.read(
                f"read volume {name!r}",
                lambda c: _volume(pool, c.storagePoolLookupByName(pool).storageVolLookupByName(name)),
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
        return self.client_kind(path) if self._local else None

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
        """Read what an image outside any pool says of itself, by ``qemu-img info`` with its format given.

        The format is never guessed: a raw image that a guest has written to could claim any backing file.
        """
        if not self._local or not path.startswith("/"):
            return None
        if self.client_kind(path) == "missing":
            return Image(exists=False)
        if format == "raw":
            return Image(exists=True)
        if not format or not format.isalnum():
            return None
        command = ["qemu-img", "info", "--output=json", "--force-share", "-f", format, path]
        try:
            told = json.loads(run(command, timeout=20, memory=1 << 30, cpu_seconds=10).stdout)
        except ProgramFailed:
            return None
        backing = told.get("full-backing-filename") or told.get("backing-filename")
        return Image(exists=True, backing_path=backing, backing_format=told.get("backing-filename-format"))

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
        try:
            mode = Path(path).stat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            return "missing"
        except (OSError, ValueError):  # ValueError: a path with NUL, or of surrogates that stand for no byte
            return "other"
        if stat.S_ISDIR(mode):
            return "directory"
        if stat.S_ISREG(mode):
            return "file"
        return "device" if stat.S_ISBLK(mode) else "other"

    def client_size(self, path: str) -> int:
        """Give the size of a file on this machine, in bytes."""
        return Path(path).stat().st_size

    def client_content(self, path: str) -> str | None:
        """Give the SHA-256 of a file on this machine."""
        try:
            with Path(path).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            return None
