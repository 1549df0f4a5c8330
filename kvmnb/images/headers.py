"""What the first bytes of an image say, read without qemu-img: its kind, and the other files that it names.

qemu-img opens whatever a header names: a backing store, a file with the data, an extent. An image may be
anybody's, and so may the names, so they are read here first. Nothing that they name is opened.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass

#: The formats of images that the kit works with.
FORMATS = ("raw", "qcow2", "qcow", "qed", "vdi", "vmdk", "vpc", "vhdx", "parallels", "luks")

#: Where each format has which bytes. A fixed vpc image has its own at the end.
_MAGIC = (
    ("vmdk", 0, b"KDMV"),
    ("vmdk", 0, b"COWD"),
    ("vmdk", 0, b"# Disk DescriptorFile"),
    ("qed", 0, b"QED\0"),
    ("vpc", 0, b"conectix"),
    ("vpc", -512, b"conectix"),
    ("vhdx", 0, b"vhdxfile"),
    ("luks", 0, b"LUKS\xba\xbe"),
    ("parallels", 0, b"WithoutFreeSpace"),
    ("parallels", 0, b"WithouFreSpacExt"),
    ("vdi", 64, b"\x7f\x10\xda\xbe"),
)
_QCOW = b"QFI\xfb"

#: How images begin that may name other files.
_NAMING = (_QCOW, b"QED\0", b"KDMV", b"COWD", b"# Disk DescriptorFile")

# qcow2: a bit of its incompatible features, and the header extensions that hold names.
_EXTERNAL_DATA = 1 << 2
_BACKING_FORMAT, _DATA_FILE = 0xE2792ACA, 0x44415441
_LARGEST_CLUSTER = 2 << 20

#: QEMU takes no longer name than this.
_LONGEST_NAME = 1023

# A VMDK descriptor: what QEMU could take for the file of an extent, in a line such as ``RW 63 FLAT "name" 0``
# but for the many liberties that it allows; and the parent, before whose name it passes over two characters.
_EXTENT = re.compile(rb'^[^="\n]*"([^"\r\n]*)', re.MULTILINE)
_PARENT = re.compile(rb'parentFileNameHint..([^"]*)', re.DOTALL)
_DESCRIPTOR = 1 << 20


@dataclass(frozen=True, slots=True)
class Named:
    """The other files that an image's header names, as they are written there.

    Parameters
    ----------
    backing, backing_format : str or None
        The image that it lies on.
    data : str or None
        The file that has its data; empty where its name could not be read.
    extents : tuple of str
        The files that it is made of, beside itself.
    """

    backing: str | None = None
    backing_format: str | None = None
    data: str | None = None
    extents: tuple[str, ...] = ()

    @property
    def parts(self) -> tuple[str, ...]:
        """The files without which the image itself is nothing; its backing store is not among them."""
        return self.extents if self.data is None else (self.data, *self.extents)


@dataclass(frozen=True, slots=True)
class Qcow2:
    """What the header of a qcow2 image says of its size and of what lies in it.

    Parameters
    ----------
    capacity : int
        The size that a guest sees, in bytes.
    cluster : int
        The unit in which it is allocated, in bytes.
    snapshots : int
        Number of its internal snapshots.
    external : bool
        Whether its data lies in another file.
    """

    capacity: int
    cluster: int
    snapshots: int
    external: bool


def part(path: str, start: int, length: int) -> bytes:
    """Read a part of a file or device, counted from its end where `start` is negative; empty without one."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - hot path, of 20,000 images
        if not (stat.S_ISREG(mode) or stat.S_ISBLK(mode)):
            return b""  # opening a pipe would wait for whoever writes to it
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - likewise
            file.seek(start, os.SEEK_END if start < 0 else os.SEEK_SET)
            return file.read(length)
    except (OSError, ValueError, OverflowError):
        return b""


def looks_like(path: str) -> str | None:
    """Tell what an image's first bytes claim to be: a hint for a person, never a reason to act.

    Parameters
    ----------
    path : str
        An image.

    Returns
    -------
    str or None
        One of `FORMATS`; None where they claim nothing, as those of most raw images.
    """
    head = part(path, 0, 512)
    if head[:4] == _QCOW:
        return {1: "qcow", 2: "qcow2", 3: "qcow2"}.get(int.from_bytes(head[4:8], "big"))
    for kind, start, magic in _MAGIC:
        found = head[start : start + len(magic)] if start >= 0 else part(path, start, len(magic))
        if found == magic:
            return kind
    return None


def qcow2(path: str) -> Qcow2 | None:
    """Read the header of a qcow2 image, without qemu-img: for many files.

    Parameters
    ----------
    path : str
        An image whose format is said to be qcow2.

    Returns
    -------
    Qcow2 or None
        None where it cannot be read, or is no such header.
    """
    head = part(path, 0, 80)
    bits = int.from_bytes(head[20:24], "big")
    if len(head) < 72 or head[:4] != _QCOW or int.from_bytes(head[4:8], "big") < 2 or not 9 <= bits <= 21:
        return None
    features = int.from_bytes(head[72:80], "big") if int.from_bytes(head[4:8], "big") >= 3 else 0
    return Qcow2(
        capacity=int.from_bytes(head[24:32], "big"),
        cluster=1 << bits,
        snapshots=int.from_bytes(head[60:64], "big"),
        external=bool(features & _EXTERNAL_DATA),
    )


def may_name(path: str) -> bool:
    """Tell quickly whether a file begins as an image that may name other files."""
    return part(path, 0, 32).startswith(_NAMING)


def named(path: str, format: str) -> Named:
    """Read which other files an image names.

    Parameters
    ----------
    path : str
        The image.
    format : str
        Its format, as it was said; a raw image names nothing, whatever it holds.
    """
    readers = {"qcow2": _of_qcow2, "qcow": _of_qcow, "qed": _of_qed, "vmdk": _of_vmdk}
    return readers[format](path) if format in readers else Named()


def _text(raw: bytes) -> str | None:
    return os.fsdecode(raw.partition(b"\0")[0]) or None  # to QEMU it ends there


def _name_at(path: str, start: int, length: int) -> str | None:
    if not start or start >= 1 << 62 or not 0 < length <= _LONGEST_NAME:
        return None
    return _text(part(path, start, length))


def _of_qcow(path: str) -> Named:
    head = part(path, 0, 20)
    if len(head) < 20 or head[:4] != _QCOW:
        return Named()
    start, length = int.from_bytes(head[8:16], "big"), int.from_bytes(head[16:20], "big")
    return Named(backing=_name_at(path, start, length))


def _of_qcow2(path: str) -> Named:
    backing = _of_qcow(path).backing
    head = part(path, 0, 104)
    new = len(head) == 104 and int.from_bytes(head[4:8], "big") >= 3
    external = new and bool(int.from_bytes(head[72:80], "big") & _EXTERNAL_DATA)
    if backing is None and not external:
        return Named()  # the extensions, up to 2 MiB, need not be read: a folder may have thousands of images
    formats: list[str | None] = []
    files: list[str | None] = []
    for kind, content in _extensions(path, int.from_bytes(head[100:104], "big") if new else 72):
        (formats if kind == _BACKING_FORMAT else files).append(_text(content))
    data = None
    if external:
        # Of two names there is no telling here which one QEMU would take.
        data = (files[0] or "") if len(set(files)) == 1 else ""
    return Named(backing, formats[-1] if backing and formats else None, data)


def _extensions(path: str, start: int) -> Iterator[tuple[int, bytes]]:
    """Give the extensions of a qcow2 header that hold names; a name that is too long is given as empty."""
    area = part(path, 0, _LARGEST_CLUSTER)  # all lie in the first cluster
    while start + 8 <= len(area):
        kind = int.from_bytes(area[start : start + 4], "big")
        length = int.from_bytes(area[start + 4 : start + 8], "big")
        if not kind:
            return
        if kind in {_BACKING_FORMAT, _DATA_FILE}:
            yield kind, area[start + 8 : start + 8 + length] if length <= _LONGEST_NAME else b""
        start += 8 + -(-length // 8) * 8


def _of_qed(path: str) -> Named:
    head = part(path, 0, 64)
    if len(head) < 64 or head[:4] != b"QED\0":
        return Named()
    features = int.from_bytes(head[16:24], "little")
    start, length = int.from_bytes(head[56:60], "little"), int.from_bytes(head[60:64], "little")
    backing = _text(part(path, start, length)) if features & 1 and length <= _LONGEST_NAME else None
    return Named(backing, "raw" if backing and features & 4 else None)


def _of_vmdk(path: str) -> Named:
    head = part(path, 0, 512)
    start = capacity = 0
    if head[:4] == b"KDMV":
        capacity, start = int.from_bytes(head[12:20], "little"), int.from_bytes(head[28:36], "little") * 512
    if head[:4] in {b"KDMV", b"COWD"}:
        # QEMU looks for the parent here, wherever the header says that its descriptor lies.
        parent = _PARENT.search(part(path, 512, 20 * 512))
        capacity = capacity or int(head[:4] == b"COWD")
    else:
        parent = _PARENT.search(part(path, 0, _DESCRIPTOR))
    # An image with a size of its own is its one extent.
    extents = [] if capacity or start >= 1 << 62 else _EXTENT.findall(part(path, start, _DESCRIPTOR))
    backing = _text(parent[1]) if parent else None
    return Named(backing, "vmdk" if backing else None, extents=tuple(_text(name) or "" for name in extents))


def _has_no_size(path: str) -> bool:
    """Tell whether a file is a vmdk extent that QEMU would look into for further extents."""
    head = part(path, 0, 20)
    return head[:4] == b"KDMV" and not any(head[12:20])


def is_path(name: str) -> bool:
    """Tell whether QEMU would take a name for that of a file, and not for ``nbd:…``, ``json:…`` or a URI."""
    return bool(name) and not re.match(r"[^:/]*:", name)


def resolve(path: str, name: str) -> str:
    """Give the path that a name in an image's header means: a relative one begins at the image's folder."""
    return os.path.join(os.path.dirname(path), name)  # noqa: PTH118, PTH120 - names as QEMU reads them


def is_beside(path: str, name: str) -> bool:
    """Tell whether a name in an image's header means a file in the image's own folder, links resolved."""
    if not is_path(name):
        return False
    folder = os.path.realpath(os.path.dirname(path))  # noqa: PTH120 - likewise
    return os.path.dirname(os.path.realpath(resolve(path, name))) == folder  # noqa: PTH120 - likewise


def foreign_parts(path: str, found: Named) -> tuple[str, ...]:
    """Give those files that an image is made of, but that lie outside its folder, or lead there in turn."""
    inner = [name for name in found.extents if is_beside(path, name) and _has_no_size(resolve(path, name))]
    return tuple(name for name in found.parts if name in inner or not is_beside(path, name))
