"""libvirt's XML to values and back, as tables of paths.

A path is written like ``source/host/@name``: elements, and at the end perhaps an attribute.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any
from xml.etree import ElementTree as ET

from kvmnb.storage.model import PoolSpec, Volume

#: Per field of `PoolSpec` its place in the pool's XML, in the order in which libvirt writes them.
POOL_PATHS: dict[str, str] = {
    "type": "@type",
    "name": "name",
    "source_host": "source/host/@name",
    "source_path": "source/dir/@path",
    "source_dev": "source/device/@path",
    "source_initiator": "source/initiator/iqn/@name",
    "auth_type": "source/auth/@type",
    "auth_username": "source/auth/@username",
    "secret_usage": "source/auth/secret/@usage",
    "source_name": "source/name",
    "source_format": "source/format/@type",
    "target": "target/path",
}

#: What libvirt adds to a pool's XML by itself, so that its presence says nothing.
_POOL_OWN = {
    "uuid",
    "capacity",
    "allocation",
    "available",
    "target/permissions/mode",
    "target/permissions/owner",
    "target/permissions/group",
}

#: Formats that libvirt writes for a pool where none was given.
DEFAULT_FORMATS = {"fs": "auto", "netfs": "auto", "logical": "lvm2", "disk": "unknown"}


def find(root: ET.Element, path: str) -> str | None:
    """Give the text or attribute at a path, or None where there is none."""
    where, mark, attribute = path.rpartition("@")
    if mark:
        element = root.find(where.rstrip("/")) if where else root
        return None if element is None else element.get(attribute)
    return root.findtext(path)


def put(root: ET.Element, path: str, value: str) -> None:
    """Write a value at a path, making the elements on the way."""
    *steps, last = path.split("/")
    element = root
    for step in steps if last.startswith("@") else [*steps, last]:
        child = element.find(step)
        element = ET.SubElement(element, step) if child is None else child
    if last.startswith("@"):
        element.set(last[1:], value)
    else:
        element.text = value


def pool_xml(spec: PoolSpec) -> str:
    """Write the XML that defines a pool.

    Parameters
    ----------
    spec : PoolSpec
        The pool; empty fields are left out.

    Returns
    -------
    str
        The ``<pool>`` element, indented.
    """
    root = ET.Element("pool")
    for name, path in POOL_PATHS.items():
        value = getattr(spec, name)
        if value:
            put(root, path, value)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode")


def read_pool(xml: str) -> tuple[PoolSpec, bool, str]:
    """Read a pool's XML.

    Parameters
    ----------
    xml : str
        What libvirt gives as the pool's XML.

    Returns
    -------
    spec : PoolSpec
        What it is defined by.
    faithful : bool
        Whether the spec says all that the XML says, so that the pool can be defined anew from it.
    uuid : str
        The pool's UUID.
    """
    root = ET.fromstring(xml)
    values = {f.name: find(root, POOL_PATHS[f.name]) or "" for f in fields(PoolSpec)}
    if values["source_format"] == DEFAULT_FORMATS.get(values["type"]):
        values["source_format"] = ""
    spec = PoolSpec(**values)
    told = {*POOL_PATHS.values()} | _POOL_OWN
    seen = list(_leaves(root))
    faithful = len(seen) == len(set(seen)) and not {p for p in seen if p not in told and p[-4:] != "unit"}
    for path, usual in _usual_permissions().items():
        faithful = faithful and (find(root, path) or "") in usual
    return spec, faithful, find(root, "uuid") or ""


def _usual_permissions() -> dict[str, set[str]]:
    """Give the permissions that a folder has without being asked for; libvirt names those it finds."""
    where = "target/permissions"
    return {
        f"{where}/mode": {"", "0711", "0755"},
        f"{where}/owner": {"", "-1", "0", str(os.geteuid())},
        f"{where}/group": {"", "-1", "0", str(os.getegid())},
    }


def _leaves(element: ET.Element, prefix: str = "") -> Iterator[str]:
    """Give the path of every attribute and every text below an element."""
    for attribute in element.attrib:
        yield f"{prefix}@{attribute}"
    for child in element:
        path = f"{prefix}{child.tag}"
        if child.text and child.text.strip():
            yield path
        yield from _leaves(child, f"{path}/")


def volume_xml(
    name: str,
    capacity: int,
    *,
    allocation: int | None,
    format: str,
    backing_path: str = "",
    backing_format: str = "",
) -> str:
    """Write the XML that creates a volume.

    Parameters
    ----------
    name : str
        Its name.
    capacity : int
        The size that a guest sees, in bytes.
    allocation : int or None
        How much to allocate at once, in bytes. None leaves it to libvirt, which allocates raw volumes whole.
    format : str
        raw, qcow2 …; empty for pools whose volumes have none.
    backing_path, backing_format : str
        The file that it is to be an overlay of.

    Returns
    -------
    str
        The ``<volume>`` element.
    """
    root = ET.Element("volume")
    put(root, "name", name)
    put(root, "capacity", str(capacity))
    if allocation is not None:
        put(root, "allocation", str(allocation))
    if format:
        put(root, "target/format/@type", format)
    if backing_path:
        put(root, "backingStore/path", backing_path)
        if backing_format:
            put(root, "backingStore/format/@type", backing_format)
    return ET.tostring(root, encoding="unicode")


def clone_xml(xml: str, name: str) -> str:
    """Give a volume's XML under a new name, as ``virsh vol-clone`` does."""
    root = ET.fromstring(xml)
    put(root, "name", name)
    return ET.tostring(root, encoding="unicode")


def _nanoseconds(text: str | None) -> int | None:
    """Read libvirt's ``seconds.nanoseconds`` exactly; libvirt writes 0 for a time that it does not know."""
    seconds, _, rest = (text or "0").partition(".")
    time = int(seconds) * 1_000_000_000 + int(rest.ljust(9, "0")[:9])
    return time or None


def _integer(text: str | None) -> int | None:
    return int(text) if text else None


def _text(text: str | None) -> str | None:
    return text or None


#: Per field of `Volume` its place in the volume's XML and how it is read; an attribute is marked by ``@``.
VOLUME_PATHS: dict[str, tuple[str, Callable[[str | None], str | int | None]]] = {
    "type": ("@type", _text),
    "name": ("name", _text),
    "path": ("target/path", _text),
    "format": ("target/format@type", _text),
    "capacity": ("capacity", _integer),
    "allocation": ("allocation", _integer),
    "physical": ("physical", _integer),
    "backing_path": ("backingStore/path", _text),
    "backing_format": ("backingStore/format@type", _text),
    "mode": ("target/permissions/mode", _text),
    "owner": ("target/permissions/owner", _integer),
    "group": ("target/permissions/group", _integer),
    "modified": ("target/timestamps/mtime", _nanoseconds),
    "accessed": ("target/timestamps/atime", _nanoseconds),
    "changed": ("target/timestamps/ctime", _nanoseconds),
}


def _flat(element: ET.Element, prefix: str, found: dict[str, str | None]) -> dict[str, str | None]:
    """Collect every text and attribute below an element by path: one walk, since volumes are many."""
    for child in element:
        path = prefix + child.tag
        found[path] = child.text
        if child.attrib:
            for name, value in child.attrib.items():
                found[f"{path}@{name}"] = value
        if len(child):
            _flat(child, path + "/", found)
    return found


def read_volume(pool: str, xml: str) -> Volume:
    """Read a volume's XML.

    Parameters
    ----------
    pool : str
        The pool that it is in, which the XML does not say.
    xml : str
        What libvirt gives as the volume's XML.

    Returns
    -------
    Volume
        With sizes in bytes and times in nanoseconds since 1970.
    """
    root = ET.fromstring(xml)
    told = _flat(root, "", {"@type": root.get("type", "file")})
    values: dict[str, Any] = {name: read(told.get(path)) for name, (path, read) in VOLUME_PATHS.items()}
    if not values["backing_path"]:  # libvirt may name a format where there is no backing store
        values["backing_format"] = None
    return Volume(pool=pool, **{**values, "name": values["name"] or "", "path": values["path"] or ""})
