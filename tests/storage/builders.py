"""What the storage tests make and compare: pools, volumes, guests, and a host's whole state as values."""

from __future__ import annotations

import hashlib
import subprocess
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import libvirt

from kvmnb.host import Host
from kvmnb.storage.model import PoolSpec
from kvmnb.storage.xml import pool_xml, volume_xml
from tests.daemon import Daemon

MIB = 1 << 20

#: Names that a folder may bring along and that the kit must handle, though it gives none of them itself.
HOSTILE = ("-x", "--pool", "q'\"<&]]>", "two\nlines", "$(touch x)`;=ünï")

#: Formats whose images hold an identifier of their own, so that no two of them are alike.
_UNIQUE = {"vdi", "vmdk", "vpc"}

State = dict[str, Any]


@dataclass(frozen=True)
class Site:
    """A daemon with what a test puts there, made with virsh and libvirt, not with the kit."""

    daemon: Daemon
    host: Host
    pool: str = "vm disk"

    @property
    def folder(self) -> Path:
        """Where the test may put files."""
        return self.daemon.folder

    @property
    def target(self) -> Path:
        """The folder of the pool."""
        return self.folder / "pool one"

    def named(self, pool: str) -> Site:
        """Give the same site with another name for its pool."""
        return replace(self, pool=pool)

    def define(self) -> Site:
        """Define the pool, as libvirt would let anyone do."""
        spec = PoolSpec(self.pool, target=str(self.target))
        with opened(self.daemon) as connection:
            connection.storagePoolDefineXML(pool_xml(spec), 0)
        return self

    def built(self) -> Site:
        """Define the pool and make its folder."""
        self.define()
        self.daemon.virsh("pool-build", "--pool", self.pool)
        return self

    def running(self) -> Site:
        """Define, build and start the pool."""
        self.built()
        self.daemon.virsh("pool-start", "--pool", self.pool)
        return self

    def volume(self, name: str, size: int = 8 * MIB, format: str = "qcow2", backing: str = "") -> Path:
        """Create a volume in the running pool; no name is too hostile for it."""
        path = self.target / name
        xml = volume_xml(
            name,
            size,
            allocation=0 if format == "raw" else None,
            format=format,
            backing_path=str(self.target / backing) if backing else "",
            backing_format="qcow2" if backing else "",
        )
        with opened(self.daemon) as connection:
            connection.storagePoolLookupByName(self.pool).createXML(xml, 0)
        return path

    def raw(self, name: str, content: bytes, size: int = 8 * MIB) -> Path:
        """Create a raw volume that begins with the content."""
        path = self.volume(name, size, "raw")
        with path.open("r+b") as file:
            file.write(content)
        return path

    def refresh(self) -> Site:
        """Have libvirt see what was put into the folder by hand."""
        self.daemon.virsh("pool-refresh", "--pool", self.pool)
        return self


class opened:  # noqa: N801 - used like open()
    """A libvirt connection of the test's own, for a ``with`` block."""

    def __init__(self, daemon: Daemon) -> None:
        self._raw = libvirt.open(daemon.uri)

    def __enter__(self) -> libvirt.virConnect:
        return self._raw

    def __exit__(self, *_exception: object) -> None:
        self._raw.close()


def qemu_img(*arguments: str | Path) -> None:
    """Run qemu-img."""
    subprocess.run(["qemu-img", *map(str, arguments)], check=True, capture_output=True)


def overlay(path: Path, backing: Path, format: str = "qcow2") -> Path:
    """Make a qcow2 image that lies on another, whether or not that one exists."""
    qemu_img("create", "-u", "-f", "qcow2", "-b", backing, "-F", format, path, "8M")
    return path


def disk(
    source: str, *, type: str = "file", format: str = "qcow2", target: str = "vda", more: str = ""
) -> str:
    """Write the XML of a guest's disk; ``source`` is what stands inside ``<source …/>``."""
    return (
        f"<disk type='{type}' device='disk'><driver name='qemu' type='{format}'/><source {source}/>"
        f"{more}<target dev='{target}' bus='virtio'/></disk>"
    )


def file_disk(path: Path | str, format: str = "qcow2", target: str = "vda") -> str:
    """Write the XML of a disk that is a file."""
    return disk(f"file={quoteattr(str(path))}", format=format, target=target)


def guest_xml(name: str, *devices: str, os: str = "") -> str:
    """Write the XML of a guest that any machine can start: emulated, without an operating system."""
    identity = uuid.uuid5(uuid.NAMESPACE_DNS, name)  # the same for the same name, so that it can be redefined
    return (
        f"<domain type='qemu'><name>{name}</name><uuid>{identity}</uuid><memory unit='MiB'>16</memory>"
        f"<os><type arch='x86_64'>hvm</type>{os}</os><features><acpi/></features>"
        f"<devices>{''.join(devices)}</devices></domain>"
    )


def define_guest(site: Site, name: str, *devices: str, os: str = "") -> None:
    """Define a guest."""
    with opened(site.daemon) as connection:
        connection.defineXML(guest_xml(name, *devices, os=os))


def start_guest(site: Site, name: str, *devices: str) -> None:
    """Define a guest and start it; it runs its firmware."""
    define_guest(site, name, *devices)
    site.daemon.virsh("start", name)


def digest(path: Path) -> str:
    """Hash a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def state(site: Site, *, allocation: bool = True) -> State:
    """Give all that the host has, without identifiers, times and what other programs change."""
    seen = site.host.inventory()
    found: State = {}
    for pool in seen.pools.values():
        known = (pool.spec, pool.state, pool.autostart, pool.persistent, pool.faithful, pool.problem)
        found[f"pool {pool.name}"] = (*known, pool.capacity, pool.volumes)
    for volume in seen.volumes():
        plain = replace(volume, modified=None, accessed=None, changed=None)
        found[f"volume {volume.pool}/{volume.name}"] = (
            plain if allocation else replace(plain, allocation=None)
        )
    for guest in seen.guests():
        found[f"guest {guest.name}"] = guest
    unique = {volume.path for volume in seen.volumes() if volume.format in _UNIQUE}
    for path in sorted(site.folder.rglob("*")):
        facts = path.lstat()
        content = digest(path) if path.is_file() and str(path) not in unique else ""
        size = facts.st_size if path.is_file() else 0
        found[f"file {path.relative_to(site.folder)}"] = (facts.st_mode, size, content)
    return found
