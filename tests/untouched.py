"""Proof that the tests leave alone the daemon that the user works with."""

from __future__ import annotations

import os
from pathlib import Path
from xml.etree import ElementTree as ET

import libvirt

#: Elements of a pool's XML that change without anybody changing the pool.
_CHANGING = ("capacity", "allocation", "available")

Snapshot = dict[str, str]


def answering() -> list[str]:
    """Give the URIs at which a daemon of the user's own runs already.

    Only a running process counts, by its pid file, and only one that listens where users look: to
    connect to a socket of systemd's would start a daemon, and so would ``qemu:///session``.
    """
    if os.geteuid() == 0:
        pids, sockets, uri = Path("/run"), Path("/run/libvirt"), "qemu:///system"
    else:
        runtime = os.environ.get("XDG_RUNTIME_DIR", str(Path.home() / ".cache"))
        pids = sockets = Path(runtime) / "libvirt"
        uri = "qemu:///session"
    # One daemon for all, or one for each part of libvirt.
    for daemon, listens in (("libvirtd", "libvirt-sock"), ("virtqemud", "virtqemud-sock")):
        if _runs(pids / f"{daemon}.pid") and (sockets / listens).is_socket():
            return [uri]
    return []


def _runs(pid_file: Path) -> bool:
    try:
        pid = int(pid_file.read_text())
        return (Path("/proc") / str(pid) / "comm").read_text().startswith(("libvirtd", "virt"))
    except (FileNotFoundError, ValueError):
        return False


def hold(uri: str) -> libvirt.virConnect:
    """Open a connection that keeps a daemon from ending by itself: a session's does when nobody uses it."""
    return libvirt.openReadOnly(uri)


def snapshot(uri: str) -> Snapshot:
    """Read what a daemon has: per pool, volume and guest, all that only a change would change."""
    connection = libvirt.openReadOnly(uri)
    try:
        found: Snapshot = {}
        for pool in connection.listAllStoragePools():
            found.update(_pool(pool))
        for guest in connection.listAllDomains():
            definition = guest.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
            found[f"guest {guest.name()}"] = f"active {guest.isActive()}\n{definition}"
        return found
    finally:
        connection.close()


def _pool(pool: libvirt.virStoragePool) -> Snapshot:
    definition = ET.fromstring(pool.XMLDesc())
    for element in [child for child in definition if child.tag in _CHANGING]:
        definition.remove(element)
    facts = f"active {pool.isActive()}, persistent {pool.isPersistent()}, autostart {pool.autostart()}"
    found = {f"pool {pool.name()}": f"{facts}\n{ET.tostring(definition, encoding='unicode')}"}
    if pool.isActive():
        for volume in pool.listAllVolumes():
            found[f"volume {pool.name()}/{volume.name()}"] = volume.path()
    return found


def differences(before: Snapshot, after: Snapshot) -> list[str]:
    """Say in words what changed; nothing where nothing did."""
    said = [f"{name} is gone" for name in sorted(before.keys() - after.keys())]
    said += [f"{name} is new" for name in sorted(after.keys() - before.keys())]
    for name in sorted(before.keys() & after.keys()):
        if before[name] != after[name]:
            said.append(f"{name} changed\n  from {before[name]}\n  to   {after[name]}")
    return said
