"""Rules that the actions on image files share: paths, formats, options, sizes, and what must not be touched.

Pure: all that must be looked at is asked of the inventory.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Literal

from kvmnb.errors import BadValue
from kvmnb.images.headers import FORMATS, is_beside
from kvmnb.images.options import read_options
from kvmnb.storage import guards, rules
from kvmnb.storage.model import FOLDER_POOLS, Inventory, Problem
from kvmnb.storage.usage import Usage
from kvmnb.units import format_size

#: Formats that can be made: luks wants a secret, which the kit does not hand over.
CREATABLE = tuple(name for name in FORMATS if name != "luks")

#: The largest disk that an image of a format can have, in bytes. Of qcow2, qemu-img itself is asked.
LARGEST_SIZES = {
    "vpc": 2040 << 30,
    "vhdx": 64 << 40,
    "qed": 64 << 40,
    "vdi": 0x1FFFFF8000000,
}

#: Kinds of vmdk that are several files, which the kit could neither move nor remove as one.
_SEVERAL_FILES = {"monolithicFlat", "twoGbMaxExtentFlat", "twoGbMaxExtentSparse"}

#: What is said otherwise, or not at all.
_OWN_FIELDS = {
    "backing_file": "say it as backing_path",
    "backing_fmt": "say it as backing_format",
    "size": "say it as size",
    "data_file": "leave it out: an image of two files can neither be moved nor removed as one",
    "data_file_raw": "leave it out: an image of two files can neither be moved nor removed as one",
}


def elsewhere(seen: Inventory) -> Iterator[Problem]:
    """Say that the host is another machine, whose files qemu-img cannot reach from here."""
    if seen.reader.images is None:
        yield Problem(
            f"qemu-img works on files of this machine, but {seen.uri or 'the host'} is another one",
            "run the notebook on that machine, or work on volumes of its pools",
        )


def path_problems(path: str, field: str) -> Iterator[Problem]:
    """Say why something is not the plain path of a file."""
    if not path.startswith("/"):
        yield Problem(f"{path!r} is no absolute path", "give a path that begins with /", field)
    elif "\0" in path or os.path.normpath(path) != path or path[:2] in {"/", "//"}:
        yield Problem(
            f"{path!r} is not a plain path", "give the path of one file without '.', '..' or '//'", field
        )
    elif not _has_bytes(path):
        yield Problem(f"{path!r} holds what no path can hold", "give the path as the system shows it", field)


def _has_bytes(path: str) -> bool:
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        return False
    return True


def folder_of(path: str) -> str:
    """Give the folder of a path of the host."""
    return os.path.dirname(path)  # noqa: PTH120 - a path of the host, as text


def name_of(path: str) -> str:
    """Give the file name of a path of the host: the word that confirms what is lost."""
    return os.path.basename(path)  # noqa: PTH119 - likewise


def new_file(path: str, seen: Inventory, field: str) -> Iterator[Problem]:
    """Say why no new image can be made at a path."""
    problems = [*path_problems(path, field), *elsewhere(seen)]
    yield from problems
    if problems:
        return
    yield from rules.name_problems(name_of(path), field, "image")
    folder, images = folder_of(path), seen.reader.images
    kind = seen.kind(folder)
    if kind != "directory":
        what = "does not exist" if kind == "missing" else "is no folder"
        yield Problem(f"The folder {folder!r} {what}", "make the folder first, or give another", field)
    elif images is not None and seen.reader.kind(folder) == "directory" and not images.writable(folder):
        yield Problem(
            f"You may not write in the folder {folder!r}", "ask as a user who may, or give another", field
        )
    if seen.kind(path) != "missing" or (images is not None and images.is_link(path)):
        yield Problem(
            f"Something lies at {path!r} already", "choose another name; nothing is written over", field
        )


def in_pool(path: str, seen: Inventory, field: str) -> Iterator[Problem]:
    """Say that libvirt sees what changes in a pool's folder only once the pool is refreshed."""
    pool = pool_of(path, seen)
    if pool:
        yield Problem(
            f"{path!r} lies in the folder of pool {pool!r}: libvirt does not see what changes there",
            f"refresh the pool afterwards: kvmnb.RefreshPool({pool!r})",
            field,
            "warn",
        )


def pool_of(path: str, seen: Inventory) -> str | None:
    """Give the running pool in whose folder a path lies."""
    if any(path_problems(path, "")):
        return None
    folder = seen.reader.real(folder_of(path))
    for pool in seen.pools.values():
        is_folder = pool.spec.type in FOLDER_POOLS and pool.spec.target
        if is_folder and pool.active and seen.reader.real(pool.spec.target.rstrip("/")) == folder:
            return pool.name
    return None


def existing(
    path: str, format: str, seen: Inventory, fields: tuple[str, str], *, whole: bool = True
) -> Iterator[Problem]:
    """Say why there is no image of that format at a path that could be changed or copied.

    ``whole``: with all that it lies on, as most commands of qemu-img need it.
    """
    problems = [*path_problems(path, fields[0]), *elsewhere(seen)]
    if format not in FORMATS:
        known = ", ".join(FORMATS)
        problems.append(Problem(f"{format!r} is no format of disk images", f"say one of: {known}", fields[1]))
    yield from problems
    if problems:
        return
    kind = seen.kind(path)
    if kind not in {"file", "device"}:
        what = f"There is nothing at {path!r}" if kind == "missing" else f"{path!r} is no image but a {kind}"
        yield Problem(what, "give the path of an image", fields[0])
        return
    told = seen.image(path, format)
    if isinstance(told, str):
        yield Problem(f"{path!r} cannot be read as {format}: {told}", "say its right format", fields[1])
    elif told is not None:
        if told.encrypted:
            what = (
                f"The content of {path!r} is encrypted, and wants a secret, which the kit does not hand over"
            )
            yield Problem(what, "do it by hand with qemu-img", fields[0])
        yield from _below(path, format, seen, fields[0], whole=whole)


def _below(path: str, format: str, seen: Inventory, field: str, *, whole: bool) -> Iterator[Problem]:
    """Say why what an image lies on must not be opened: any file of the host could be read by that."""
    if seen.reader.images is None or seen.reader.kind(path) == "missing":
        return  # it is there only by assumption, made by a step of this plan
    chain = seen.reader.images.chain(path, format)
    if isinstance(chain, str):
        yield Problem(chain, "do not open an image of a stranger", field)
        return
    usage = Usage.of(seen)
    for below, kind in chain:
        if whole and seen.kind(below) == "missing":
            yield Problem(
                f"The image {path!r} lies on {below!r}, which is not there",
                "bring it back, or start the pool or mount the file system that it is in",
                field,
            )
        users = guards.running_users(guards.image(below, seen), seen, direct=True) if whole else []
        if users:
            yield Problem(
                f"The image {path!r} lies on {below!r}, which is open in {guards.listing(users)}",
                "shut the guest off first: what lies below an overlay must stay as it is",
                field,
            )
        if is_beside(path, below) or usage.real(below) in usage.by_path:
            continue
        yield Problem(
            f"The image {path!r} lies on {below!r}, in another folder and in no running pool",
            f"if you trust it, have libvirt know it by a pool, or look at it by itself as {kind}",
            field,
        )


def options_of(text: str) -> dict[str, str]:
    """Read options; those that cannot be read count as none, and are a problem of their own."""
    try:
        return read_options(text)
    except BadValue:
        return {}


def format_problems(format: str, options: str, seen: Inventory, fields: tuple[str, str]) -> Iterator[Problem]:
    """Say why no new image can have a format, or such options."""
    if format not in CREATABLE:
        why = (
            "wants a secret, which the kit does not hand over" if format == "luks" else "is no format to make"
        )
        yield Problem(f"{format!r} {why}", f"choose one of: {', '.join(CREATABLE)}", fields[0])
        return
    try:
        named = read_options(options)
    except BadValue as error:
        yield Problem(error.what, error.remedy, fields[1])
        return
    known = seen.reader.images.options(format) if seen.reader.images else {}
    if isinstance(known, str):
        yield Problem(f"This qemu-img makes no {format} images: {known}", "choose another format", fields[0])
        return
    for name, value in named.items():
        if name in _OWN_FIELDS:
            yield Problem(f"{name!r} is not for the options", _OWN_FIELDS[name], fields[1])
        elif name.startswith("encrypt") or name == "key-secret":
            what = f"{name!r} wants a secret, which the kit does not hand over"
            yield Problem(what, "encrypt by hand with qemu-img", fields[1])
        elif known and name not in known:
            own = ", ".join(key for key in known if key not in _OWN_FIELDS and not key.startswith("encrypt"))
            yield Problem(f"{format} has no option {name!r}", f"its options are: {own or 'none'}", fields[1])
        elif format == "vmdk" and name == "subformat" and value in _SEVERAL_FILES:
            yield Problem(
                f"A vmdk image that is {value} has several files, which cannot be moved or removed as one",
                "choose monolithicSparse or streamOptimized",
                fields[1],
            )


def size_problems(format: str, size: int, options: str, seen: Inventory) -> Iterator[Problem]:
    """Say why a new image of a format cannot have a size."""
    problems = [
        Problem(p.reason.replace("capacity", "size"), p.remedy, "size") for p in rules.capacity_problems(size)
    ]
    yield from problems
    most = LARGEST_SIZES.get(format)
    if most is not None and size > most:
        yield Problem(
            f"A {format} image can have {format_size(most)} at most, not {format_size(size)}",
            "choose a smaller size, or qcow2",
            "size",
        )
    elif not problems and format in {"raw", "qcow2"} and seen.reader.images is not None:
        refused = seen.reader.images.measured(format, size, options_of(options))
        if refused:
            yield Problem(
                f"qemu-img would not make it: {refused}", "choose another size, or other options", "options"
            )


def all_at_once(options: str) -> bool:
    """Tell whether a new image takes all of its space when it is made."""
    named = options_of(options)
    whole = {"preallocation": {"falloc", "full"}, "subformat": {"fixed"}, "static": {"on"}}
    return any(named.get(name) in values for name, values in whole.items())


def space_problems(path: str, need: int, seen: Inventory, *, at_once: bool, field: str) -> Iterator[Problem]:
    """Say that the file system has not the space: refused where it is taken at once, else a warning."""
    folder = folder_of(path)
    if seen.reader.images is None or not folder.startswith("/") or seen.reader.kind(folder) != "directory":
        return
    free = seen.reader.images.free(folder)
    if need <= free:
        return
    severity: Literal["refuse", "warn"] = "refuse" if at_once else "warn"
    how = "that are to be allocated" if at_once else "that it may come to take"
    remedy = (
        "choose a smaller size, free space, or do not preallocate" if at_once else "watch the file system"
    )
    yield Problem(
        f"The folder {folder!r} has {format_size(free)} free, less than the {format_size(need)} {how}",
        remedy,
        field,
        severity,
    )


def text(value: object, field: str) -> str:
    """Give a field as text: a path may come as a Path."""
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, str):
        raise BadValue(
            f"The {field.replace('_', ' ')} of an image is text, not {value!r}", f"give {field} as text"
        )
    return value


def flag(value: object, field: str) -> bool:
    """Give a field as yes or no: the text "no", taken for true, would cut off what should stay."""
    if not isinstance(value, bool):
        raise BadValue(f"{field} is True or False, not {value!r}", f"give {field}=True or {field}=False")
    return value
