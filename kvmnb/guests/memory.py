"""What an appliance read of a guest that was shut off, kept until any file of its disks changes."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from kvmnb.guests.disks import GuestDisk, identity

#: Changed whenever what is kept takes another shape or meaning.
_SHAPE = 1

Rows = list[dict[str, Any]]


def _folder() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "kvmnb" / "guests"


def _key(disks: tuple[GuestDisk, ...]) -> str | None:
    """Give what stands for the disks as they are now: every file of every chain, and each format."""
    files = identity(disks)
    if files is None or any(disk.path.startswith("/dev/") for disk in disks):
        return None  # a device does not tell whether it was written to
    told = [_SHAPE, [[disk.target, disk.path, disk.format] for disk in disks], files]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def recall(disks: tuple[GuestDisk, ...]) -> tuple[Rows, int] | None:
    """Give what was read of exactly these disks, and when in nanoseconds since 1970; None without it."""
    key = _key(disks)
    if key is None:
        return None
    try:
        told = json.loads((_folder() / key).read_text())
        return told["rows"], told["read_at"]
    except (OSError, ValueError, KeyError, TypeError):
        return None  # nothing is kept, or nothing that can be read


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
        with os.fdopen(handle, "w") as file:
            json.dump({"rows": rows, "read_at": read_at}, file)
        Path(name).replace(folder / key)
