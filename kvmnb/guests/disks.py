"""Which files a guest's disks are, and what tells whether they have changed."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from kvmnb.storage.model import Disk, Guest, Inventory
from kvmnb.storage.usage import Usage

#: Devices that hold a guest's own file systems; a CD is not its own.
_OWN = {"disk", "lun"}

#: What identifies a file's content: device, inode, size, and when content and inode last changed.
Identity = tuple[str, int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class GuestDisk:
    """One disk of a guest, as an appliance would get it.

    Parameters
    ----------
    target : str
        Its name in the guest's definition: vda, sdb …
    path : str
        Its top image; empty where there is none on this host.
    format : str
        The format that the guest is told to use.
    chain : tuple of str
        All images below it.
    status, reason : str
        Why it cannot be read; empty where it can.
    """

    target: str
    path: str
    format: str
    chain: tuple[str, ...] = ()
    status: str = ""
    reason: str = ""


def disks_of(guest: Guest, seen: Inventory) -> tuple[GuestDisk, ...]:
    """Give a guest's disks in its own order, those that cannot be read with the reason.

    Parameters
    ----------
    guest : Guest
        The guest.
    seen : Inventory
        What was read of the host.

    Returns
    -------
    tuple of GuestDisk
        Without CDs and floppies.
    """
    usage = Usage.of(seen)
    return tuple(_disk(disk, usage) for disk in guest.disks if disk.device in _OWN)


def _disk(disk: Disk, usage: Usage) -> GuestDisk:
    path = usage.source(disk)
    if path is None:
        what = f"disk {disk.target} is of type {disk.type}"
        return GuestDisk(disk.target, "", "", (), "not here", f"{what}, which is no file of this host")
    chain = usage.chain(path, disk.format)
    found = GuestDisk(disk.target, path, disk.format or "raw", chain.paths)
    for one in (path, *chain.paths):
        status, reason = _lack(one, usage)
        if status:
            return replace(found, status=status, reason=reason)
    if chain.problem:
        return replace(found, status="broken chain", reason=chain.problem)
    return found


def _lack(path: str, usage: Usage) -> tuple[str, str]:
    """Say why one image cannot be read; two empty words where it can."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return "not here", f"the name {path!r} is not UTF-8, which libguestfs cannot take: rename the file"
    kind = usage.inventory.kind(path)
    if kind == "missing":
        return "missing disk", f"there is nothing at {path}"
    if kind not in {"file", "device"}:
        return "not here", f"{path} cannot be read from here"
    return ("", "") if os.access(path, os.R_OK) else ("not allowed", f"you may not read {path}")


def identity(disks: tuple[GuestDisk, ...]) -> list[Identity] | None:
    """Give what changes whenever any file of the disks changes; None where a file cannot be looked at."""
    found: list[Identity] = []
    for disk in disks:
        for path in (disk.path, *disk.chain):
            try:
                found.append(stamp(path))
            except OSError:
                return None
    return found


def stamp(path: str) -> Identity:
    """Give what changes whenever a file does."""
    told = Path(path).stat()
    return path, told.st_dev, told.st_ino, told.st_size, told.st_mtime_ns, told.st_ctime_ns
