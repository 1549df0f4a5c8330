"""Files of this machine: what lies at a path, and what an image's header says."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any

from kvmnb.errors import ProgramFailed
from kvmnb.programs import run
from kvmnb.storage.model import Image, PathKind

#: What qemu-img may use to look at a header, which may be anybody's: a hostile one can ask for gigabytes.
_TIMEOUT, _CPU_SECONDS, _MEMORY = 20, 10, 1 << 30

# A qcow2 image of version 3 begins with this; bit 2 of its incompatible features says that its data lies in
# a file of its own.
_QCOW2_MAGIC = b"QFI\xfb"
_EXTERNAL_DATA = 1 << 2

#: QEMU takes no longer name of a backing store than this.
_LONGEST_BACKING = 1023


#: What a file system without hard links answers to a request for one.
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS}


def kind(path: str) -> PathKind:
    """Tell what lies at a path; "other" where it may not be looked at."""
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


def digest(path: str) -> str | None:
    """Give the SHA-256 of a file; None where it cannot be read."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def identity(path: str) -> tuple[int, int] | None:
    """Give what all names of one file, or all nodes of one block device, have in common."""
    try:
        told = os.stat(path)  # noqa: PTH116 - beside the other calls by path, one idiom
    except (OSError, ValueError):
        return None
    return (-1, told.st_rdev) if stat.S_ISBLK(told.st_mode) else (told.st_dev, told.st_ino)


def taken(path: str) -> tuple[int, int] | None:
    """Give the size of a file or block device and what it takes, in bytes; a device takes all of itself."""
    try:
        told = os.stat(path)  # noqa: PTH116 - likewise
        if stat.S_ISBLK(told.st_mode):
            number = f"{os.major(told.st_rdev)}:{os.minor(told.st_rdev)}"
            sectors = int(Path("/sys/dev/block", number, "size").read_text())
            return sectors * 512, sectors * 512  # the kernel counts so, whatever the device's own sectors are
    except (OSError, ValueError):
        return None
    return told.st_size, told.st_blocks * 512


def space(path: str) -> tuple[int, int] | None:
    """Give the size of a folder's file system and what is free of it, in bytes, as libvirt counts them."""
    try:
        told = os.statvfs(path)
    except (OSError, ValueError):
        return None
    return told.f_blocks * told.f_frsize, told.f_bfree * told.f_frsize


def _info(path: str, format: str) -> dict[str, Any] | None:
    command = ["qemu-img", "info", "--output=json", "--force-share", "-f", format, path]
    try:
        done = run(command, timeout=_TIMEOUT, memory=_MEMORY, cpu_seconds=_CPU_SECONDS)
    except ProgramFailed:
        return None
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def image(path: str, format: str | None) -> Image | None:
    """Read what an image says of itself, by ``qemu-img info`` with its format given.

    The format is never guessed: a raw image that a guest has written to could claim any backing file.

    Returns
    -------
    Image or None
        None where it cannot be known.
    """
    if kind(path) == "missing":
        return Image(exists=False)
    if format == "raw":
        return Image(exists=True)
    if not format or not format.isalnum():
        return None
    told = _info(path, format)
    if told is None:
        return None
    backing = told.get("full-backing-filename") or told.get("backing-filename")
    return Image(exists=True, backing_path=backing, backing_format=told.get("backing-filename-format"))


def _part(path: str, start: int, length: int) -> bytes:
    """Read a part of a file or device; empty where it cannot be read."""
    if kind(path) not in {"file", "device"}:  # opening a pipe would wait for whoever writes to it
        return b""
    try:
        with Path(path).open("rb") as file:
            file.seek(start)
            return file.read(length)
    except OSError:
        return b""


def backing_file(path: str) -> str | None:
    """Give what the header of a qcow2 image names as its backing store, without qemu-img: for many files.

    Returns
    -------
    str or None
        A path, or as it stands there what is written as ``json:`` or as a URI; None where it names none.
    """
    head = _part(path, 0, 20)
    if len(head) < 20 or head[:4] != _QCOW2_MAGIC:
        return None
    start, length = int.from_bytes(head[8:16], "big"), int.from_bytes(head[16:20], "big")
    if not start or start >= 1 << 62 or not 0 < length <= _LONGEST_BACKING:
        return None
    name = os.fsdecode(_part(path, start, length).partition(b"\0")[0])  # to QEMU it ends there
    if not name:
        return None
    if name.startswith(("json:", "nbd:")) or "://" in name:
        return name
    # A relative name is meant from where the image lies.
    return os.path.join(os.path.dirname(path), name.removeprefix("file:"))  # noqa: PTH118, PTH120 - of the host


def data_file(path: str) -> str | None:
    """Give the path of the external data file of a qcow2 image.

    Only an image whose header says that it has one is looked at with qemu-img.

    Returns
    -------
    str or None
        None where it has none, empty where it has one whose name cannot be known.
    """
    head = _part(path, 0, 80)
    if len(head) < 80 or head[:4] != _QCOW2_MAGIC or int.from_bytes(head[4:8], "big") < 3:
        return None
    if not int.from_bytes(head[72:80], "big") & _EXTERNAL_DATA:
        return None
    told = _info(path, "qcow2") or {}
    name = told.get("format-specific", {}).get("data", {}).get("data-file")
    # A relative name is meant from where the image lies.
    return str(Path(path).parent / name) if name else ""


def publish(part: Path, file: Path) -> None:
    """Give a finished file its name, never in place of a file that has appeared meanwhile."""
    try:
        os.link(part, file)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # Without hard links (vfat, some FUSE) this leaves a tiny window in which a new file may be replaced.
        if os.path.lexists(file):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(file)) from error
        part.rename(file)
