"""libvirt's objects to values: what one pool, volume or guest says of itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from xml.etree import ElementTree as ET

import libvirt

from kvmnb.storage.guest_xml import read_arguments, read_disks, read_guest_files, read_made
from kvmnb.storage.model import FILE_GONE, Disk, Guest, Pool, PoolSpec, Volume
from kvmnb.storage.xml import read_pool, read_volume

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


def pool(raw: libvirt.virStoragePool) -> Pool | None:
    """Read a pool; None for one that is gone meanwhile."""
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


def volume(pool: str, raw: libvirt.virStorageVol) -> Volume | None:
    """Read a volume; None for one that is gone meanwhile."""
    try:
        return _read_volume(pool, raw)
    except libvirt.libvirtError as error:
        if error.get_error_code() in _GONE:
            return _gone_volume(pool, raw)
        return Volume(pool, _name(raw), problem=error.get_error_message())
    except SystemError as error:
        # So the bindings fail where libvirt's message names a file whose name is not UTF-8.
        if not isinstance(error.__cause__, UnicodeDecodeError):
            raise
        if libvirt.virGetLastErrorCode() in _GONE:
            return _gone_volume(pool, raw)
        return Volume(pool, _name(raw), problem=error.__cause__.object.decode(errors="backslashreplace"))
    except ET.ParseError as error:
        # libvirt writes what an image's header names into its XML as it is, control characters too.
        return Volume(pool, _name(raw), raw.path(), problem=f"libvirt's XML of it cannot be read: {error}")


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


def guest(raw: libvirt.virDomain) -> Guest | None:
    """Read a guest; None for one that is gone meanwhile."""
    name: str = raw.name()
    try:
        return _read_guest(raw, name)
    except libvirt.libvirtError as error:
        if error.get_error_code() in _GONE:
            return None
        return Guest(name, state="unreadable", snapshots=None, problem=error.get_error_message())


def _read_guest(raw: libvirt.virDomain, name: str) -> Guest:
    root = ET.fromstring(raw.XMLDesc(0))
    snapshots = raw.listAllSnapshots(0) if raw.hasCurrentSnapshot(0) or raw.snapshotNum(0) else []
    persistent = bool(raw.isPersistent())
    others: list[Disk] = []
    files = list(read_guest_files(root))
    arguments = list(read_arguments(root))
    for where, definition in _other_definitions(raw, persistent=persistent):
        others += read_disks(definition, where)
        files += _further(read_guest_files(definition), files, where)
        arguments += read_arguments(definition)
    for snapshot in snapshots:
        told = ET.fromstring(snapshot.getXMLDesc(0))
        where = f"snapshot {told.findtext('name')}"
        others += _snapshot_disks(told, where)
        for definition in _snapshot_definitions(told):
            files += _further(read_guest_files(definition), files, where)
            arguments += read_arguments(definition)
    return Guest(
        name=name,
        state=_GUEST_STATES.get(raw.state()[0], "no state"),
        persistent=persistent,
        autostart=bool(raw.autostart()),
        vcpus=int(root.findtext("vcpu") or 1),
        memory=raw.maxMemory() * 1024,
        snapshots=len(snapshots),
        uuid=raw.UUIDString(),
        disks=read_disks(root),
        other_disks=tuple(others),
        files=tuple(files),
        arguments=tuple(dict.fromkeys(arguments)),
        made=read_made(root),
    )


def _other_definitions(raw: libvirt.virDomain, *, persistent: bool) -> Iterator[tuple[str, ET.Element]]:
    """Give what a guest may be started with later, beside its current definition."""
    if raw.isActive() and persistent:
        # A running guest may be redefined: what its next boot needs is in use as much as what it has now.
        yield "next boot", ET.fromstring(raw.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    if not raw.isActive() and raw.hasManagedSaveImage(0):
        # Started, it goes on with what it was saved with, whatever has been defined since.
        yield "saved state", ET.fromstring(raw.managedSaveGetXMLDesc(0))


def _further(
    found: Iterable[tuple[str, str]], known: list[tuple[str, str]], where: str
) -> list[tuple[str, str]]:
    """Give those files of another definition that are not known yet, with where they come from."""
    paths = {path for _role, path in known}
    return [(f"{role} of {where}", path) for role, path in found if path not in paths]


def _snapshot_definitions(root: ET.Element) -> Iterator[ET.Element]:
    """Give the guest as it was at a snapshot, and what the snapshot itself has outside of disks: memory."""
    yield from (domain for tag in ("domain", "inactiveDomain") if (domain := root.find(tag)) is not None)
    own = ET.Element(root.tag)
    own.extend(root.iterfind("memory"))
    yield own


def _snapshot_disks(root: ET.Element, where: str) -> tuple[Disk, ...]:
    """Give the disks that a snapshot needs: those of the guest as it was, and its external overlays."""
    found: list[Disk] = []
    for tag in ("domain", "inactiveDomain"):
        domain = root.find(tag)
        found += () if domain is None else read_disks(domain, where)
    for disk in root.iterfind("disks/disk"):
        source = disk.find("source")
        path = None if source is None else source.get("file") or source.get("dev")
        found.append(Disk(target=disk.get("name") or "", path=path, where=where))
    return tuple(found)
