"""What an appliance read of a guest that was shut off, kept until any file of its disks changes."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from kvmnb.guests.disks import GuestDisk, Identity, identity, stamp
from kvmnb.storage.files import data_file

#: Changed whenever what is kept takes another shape or meaning.
_SHAPE = 2

#: What an appliance is made of, below /usr/lib: another one, such as one with XFS, can answer otherwise.
_PARTS = ("*/guestfs/supermin.d/*", "*/libguestfs.so.0")

Rows = list[dict[str, Any]]


def _folder() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "kvmnb" / "guests"


def _beside(disks: tuple[GuestDisk, ...]) -> list[Identity] | None:
    """Give what stands for the files in which images have their data; None where one is not known."""
    images = dict.fromkeys(path for disk in disks for path in (disk.path, *disk.chain))
    names = [name for name in map(data_file, images) if name is not None]
    try:
        return None if "" in names else [stamp(name) for name in names]
    except OSError:
        return None


def _appliance() -> list[Identity]:
    """Give what changes when libguestfs does."""
    found = sorted(path for part in _PARTS for path in Path("/usr/lib").glob(part))
    with suppress(OSError):  # it is being installed right now: what is kept will not be found again
        return [stamp(str(path)) for path in found]
    return []


def _key(disks: tuple[GuestDisk, ...]) -> str | None:
    """Give what stands for the disks as they are now: every file of every chain, and each format."""
    files = identity(disks)
    if files is None or any(disk.path.startswith("/dev/") for disk in disks):
        return None  # a device does not tell whether it was written to
    beside = _beside(disks)
    if beside is None:
        return None
    told = [_SHAPE, _appliance(), beside, [[disk.target, disk.path, disk.format] for disk in disks], files]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def recall(disks: tuple[GuestDisk, ...]) -> tuple[Rows, int] | None:
    """Give what was read of exactly these disks, and when in nanoseconds since 1970; None without it."""
    key = _key(disks)
    if key is None:
        return None
    try:
        told = json.loads((_folder() / key).read_text())
        rows, read_at = told["rows"], told["read_at"]
        sound = isinstance(read_at, int) and all(isinstance(row["disks"], list) for row in rows)
    except (OSError, ValueError, KeyError, TypeError):
        return None  # nothing is kept, or nothing that can be read
    return (rows, read_at) if sound else None


def before(disks: tuple[GuestDisk, ...]) -> str | None:
    """Give the key of the disks before they are read, for `keep`."""
    return _key(disks)


def keep(disks: tuple[GuestDisk, ...], key: str | None, rows: Rows, read_at: int) -> None:
    """Keep what was read, unless a file has changed since `key` was made."""
    if key is None or key != _key(disks):
        return
    folder = _folder()
    with suppress(OSError):  # a full or read-only home folder costs speed, nothing else
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(dir=folder)
        try:
            with os.fdopen(handle, "w") as file:
                json.dump({"rows": rows, "read_at": read_at}, file)
            Path(name).replace(folder / key)
        finally:
            Path(name).unlink(missing_ok=True)  # where the disk was full
