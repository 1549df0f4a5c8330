"""What a guest's XML says of the files that it needs: its disks, and everything else that is a path."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree import ElementTree as ET

from kvmnb.storage.model import Disk
from kvmnb.storage.xml import find

#: Per type of disk the attribute of its ``<source>`` that names a path on the host.
_SOURCE_PATH = {"file": "file", "block": "dev", "dir": "dir"}

#: The namespace of the note that `kvmnb.demo` leaves in the definition of each guest that it makes.
DEMO = "urn:kvmnb:demo:1"

#: Files of a guest that are no disks: their role and place in its XML.
_GUEST_FILES = {
    "kernel": "os/kernel",
    "initrd": "os/initrd",
    "dtb": "os/dtb",
    "loader": "os/loader",
    "nvram": "os/nvram",
}


def _source_path(element: ET.Element) -> str | None:
    """Give the path that the ``<source>`` of a disk, backing store or mirror names, or None."""
    source = element.find("source")
    attribute = _SOURCE_PATH.get(element.get("type", "file"))
    return None if source is None or attribute is None else source.get(attribute)


def read_disks(root: ET.Element, where: str = "") -> tuple[Disk, ...]:
    """Read the disks of a guest's XML.

    Parameters
    ----------
    root : xml.etree.ElementTree.Element
        The ``<domain>`` element.
    where : str
        Which of the guest's definitions it is, kept with each disk.

    Returns
    -------
    tuple of Disk
        In the order of the XML.
    """
    disks = []
    for element in root.iterfind("devices/disk"):
        source = element.find("source")
        below = [_source_path(e) for tag in ("backingStore", "mirror") for e in element.iter(tag)]
        is_volume = element.get("type") == "volume" and source is not None
        disks.append(
            Disk(
                target=find(element, "target/@dev") or "",
                device=element.get("device", "disk"),
                bus=find(element, "target/@bus"),
                type=element.get("type", "file"),
                format=find(element, "driver/@type"),
                readonly=element.find("readonly") is not None or element.get("device") == "cdrom",
                path=_source_path(element),
                pool=source.get("pool") if is_volume and source is not None else None,
                volume=source.get("volume") if is_volume and source is not None else None,
                below=tuple(path for path in below if path),
                where=where,
            )
        )
    return tuple(disks)


def read_guest_files(root: ET.Element) -> tuple[tuple[str, str], ...]:
    """Read every file that a guest's XML names beside its disks, as (role, path).

    Whatever looks like an absolute path counts, wherever it stands: libvirt has many places for a file and
    gets new ones, and one too many does no harm.
    """
    found = dict.fromkeys((role, root.findtext(path) or "") for role, path in _GUEST_FILES.items())
    listed = {path for disk in read_disks(root) for path in (disk.path, *disk.below)}
    for steps, value in _values(root, ()):
        path = value if value.startswith("/") else value.strip()
        if path.startswith("/") and not (steps[:2] == ("devices", "disk") and path in listed):
            found[_role(steps), path] = None
    for argument in read_arguments(root):
        found |= dict.fromkeys(("qemu argument", path) for path in _paths_in(argument))
    return tuple((role, path) for role, path in found if path)


def read_arguments(root: ET.Element) -> tuple[str, ...]:
    """Read what a guest's XML hands to QEMU as it is, where it may name a file: arguments and variables."""
    values = (value for steps, value in _values(root, ()) if steps[:1] == ("commandline",))
    return tuple(value for value in values if "/" in value)


def read_made(root: ET.Element) -> tuple[tuple[str, str], ...]:
    """Read which volumes `kvmnb.demo` made with a guest, as (pool, name).

    A copy of the guest has the same note but another UUID, and its volumes are not its own.
    """
    note = root.find(f"metadata/{{{DEMO}}}demo")
    if note is None or note.get("uuid") != root.findtext("uuid"):
        return ()
    return tuple((one.get("pool", ""), one.get("name", "")) for one in note.iterfind(f"{{{DEMO}}}volume"))


def _values(element: ET.Element, steps: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Give every attribute and text below an element, each with the elements on the way to it."""
    for child in element:
        way = (*steps, child.tag.rpartition("}")[2])
        for name, value in child.attrib.items():
            yield (*way, "@" + name), value
        if child.text:
            yield way, child.text
        yield from _values(child, way)


def _role(steps: tuple[str, ...]) -> str:
    """Name the part of a guest that a value belongs to."""
    if steps[0] == "commandline":
        return "qemu argument"
    if steps == ("os", "nvram", "@template"):
        return "nvram template"
    return steps[1] if steps[0] in {"devices", "os"} and len(steps) > 1 else steps[0]


def _paths_in(argument: str) -> Iterator[str]:
    """Give what may be a path in an argument such as ``file=/a,if=none``; QEMU writes a comma twice."""
    for piece in re.split(r"(?<!,),(?!,)", argument):
        for part in (piece, *re.split(r"[=:\"']", piece)):
            if part.startswith("/"):
                yield part.replace(",,", ",")
