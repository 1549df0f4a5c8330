"""Whether this machine can look into guests' disks: the libguestfs appliance and all that it needs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from kvmnb import programs
from kvmnb.errors import KvmnbError
from kvmnb.guests import appliance

#: What was looked at, whether it is as it should be, what was found, and what to do about it.
Finding = tuple[str, bool | None, str, str | None]

_LOST = "guest disks cannot be looked into"

#: Where libguestfs keeps the appliance that it builds when it is first used.
_CACHE = Path("/var/tmp")  # noqa: S108 - libguestfs' own choice

#: What libguestfs builds takes about half of this.
_ENOUGH = 1 << 30


def findings() -> Iterator[Finding]:
    """Look at each thing; libguestfs is something that the kit can live without, so a lack is no failure."""
    try:
        path = appliance.interpreter()
    except KvmnbError as error:
        yield "libguestfs", None, f"{error.what}: {_LOST}", error.remedy
        return
    yield "libguestfs", True, f"its Python bindings are there, for {path}", None
    chosen = appliance.settings()
    backend = chosen["LIBGUESTFS_BACKEND"]
    how = chosen.get("LIBGUESTFS_BACKEND_SETTINGS", "")
    speed = "emulated, some 10 s a start" if "force_tcg" in how else "with KVM"
    yield "appliance", True, f"backend {backend}, {speed}", None
    yield from _cache()
    yield from _xfs()
    for program in ("guestmount", "virt-df"):
        if programs.find(program) is None:
            yield (
                program,
                None,
                "not installed",
                f"install the system package that has {program} (binder/apt.txt)",
            )


def _cache() -> Iterator[Finding]:
    place = Path(os.environ.get("LIBGUESTFS_CACHEDIR", _CACHE)) / f".guestfs-{os.geteuid()}"
    if (place / "appliance.d" / "root").exists():
        yield "appliance cache", True, f"built, in {place}", None
        return
    there = place.parent
    try:
        told = os.statvfs(there)
    except OSError as error:
        yield "appliance cache", None, f"{there}: {error.strerror}: {_LOST}", f"make the folder {there}"
        return
    free = told.f_bavail * told.f_frsize
    ok = free >= _ENOUGH and os.access(there, os.W_OK)
    remedy = f"make 1 GiB of room in {there}, or set LIBGUESTFS_CACHEDIR to another folder"
    yield (
        "appliance cache",
        ok or None,
        f"not built yet; {free >> 20} MiB free in {there}",
        None if ok else remedy,
    )


def _xfs() -> Iterator[Finding]:
    """Without this, a guest whose file systems are XFS would show none at all, and no error."""
    if any(Path("/usr/lib").glob("*/guestfs/supermin.d/*xfs*")):
        yield "XFS in guests", True, "its programs are part of the appliance", None
    else:
        lost = "file systems of type XFS in guests are not seen"
        yield "XFS in guests", None, lost, "install the system package libguestfs-xfs"
