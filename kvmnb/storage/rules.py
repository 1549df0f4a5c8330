"""Rules that several actions share: names, sizes, targets, and what must not be touched."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from typing import Literal

from kvmnb.storage.action import given, shell_line
from kvmnb.storage.guards import listing
from kvmnb.storage.model import FOLDER_POOLS, Inventory, Pool, PoolSpec, Problem
from kvmnb.storage.usage import Usage
from kvmnb.units import format_size

#: A file name may have 255 bytes; libvirt keeps a pool's definition in a file named NAME.xml.
LONGEST_NAME = 250

_SECTOR = 512


def name_problems(name: str, field: str, thing: str) -> Iterator[Problem]:
    """Say why a new pool or volume may not have a name.

    Stricter than libvirt: a name that needs care in a shell, in XML, as a file name or after ``virsh`` is
    refused when it is given, never when it exists already.
    """
    shown = f"{thing} name {(name if len(name) <= 40 else name[:37] + '…')!r}"
    wrong = _name_fault(name)
    if wrong:
        allowed = f"use letters, digits and . _ + - and spaces, at most {LONGEST_NAME} bytes"
        yield Problem(f"The {shown} {wrong}", f"{allowed}, beginning with a letter, a digit or _", field)


def _name_fault(name: str) -> str:
    size = len(name.encode(errors="replace"))
    bad = next((c for c in name if not (unicodedata.category(c)[0] in "LMN" or c in "._+- ")), None)
    faults = (
        (not name, "is empty"),
        ("/" in name or name == "..", "could lead out of its folder"),
        (".." in name, "holds '..'"),
        (name.startswith("-"), "begins with '-', so that programs would take it for an option"),
        (name != name.strip(), "begins or ends with a space"),
        (bad is not None, f"holds {bad!r}"),
        (not name[:1].isalnum() and not name.startswith("_"), f"begins with {name[:1]!r}"),
        (size > LONGEST_NAME, f"has {size} bytes"),
    )
    return next((fault for is_so, fault in faults if is_so), "")


def pool_missing(name: str, seen: Inventory, field: str = "pool") -> Iterator[Problem]:
    """Say that there is no such pool."""
    if seen.pool(name) is None:
        known = ", ".join(sorted(seen.pools))
        remedy = f"choose one of: {known}" if known else "define one first"
        yield Problem(f"There is no pool {name!r}", remedy, field)


def transient(name: str, field: str = "pool", severity: Literal["refuse", "warn"] = "refuse") -> Problem:
    """Say that a pool runs without a definition, and how it gets one: only with its own UUID."""
    dump = shell_line(["virsh", "pool-dumpxml", *given("--pool", name)])
    return Problem(
        f"Pool {name!r} is transient: it runs without being defined, and is gone once it is stopped",
        f"define it as it is if it is to stay: {dump} > pool.xml; virsh pool-define pool.xml",
        field,
        severity,
    )


def pool_not_running(name: str, seen: Inventory) -> Iterator[Problem]:
    """Say that there is no such pool, or that its volumes can't be touched."""
    yield from pool_missing(name, seen)
    pool = seen.pool(name)
    if pool is not None and not pool.active:
        yield Problem(f"Pool {name!r} is {pool.state}", "start it first", "pool")


def volume_missing(pool: str, name: str, seen: Inventory, field: str = "name") -> Iterator[Problem]:
    """Say that there is no such volume, or no such running pool."""
    yield from pool_not_running(pool, seen)
    found = seen.pool(pool)
    if found is not None and found.active and seen.volume(pool, name) is None:
        yield Problem(
            f"Pool {pool!r} has no volume {name!r}",
            f"list its volumes with host.volumes({pool!r}); a file that was put there by hand shows after "
            f"a refresh",
            field,
        )


def path_taken(pool: Pool, name: str, seen: Inventory, field: str) -> Iterator[Problem]:
    """Say that something which libvirt does not know lies where a new volume of a folder would."""
    if pool.spec.type not in FOLDER_POOLS or pool.assumed or _name_fault(name):
        return
    path = f"{pool.spec.target.rstrip('/')}/{name}"
    if seen.kind(path) not in {"missing", None}:
        yield Problem(
            f"Something lies at {path!r} already, though libvirt knows no volume {name!r}",
            "refresh the pool to see it, or choose another name",
            field,
        )


def capacity_problems(capacity: int) -> Iterator[Problem]:
    """Say why a volume may not have a capacity."""
    if capacity <= 0:
        yield Problem(f"The capacity is {format_size(capacity)}", "give a size above zero", "capacity")
    elif capacity % _SECTOR:
        up = -(-capacity // _SECTOR) * _SECTOR
        yield Problem(
            f"The capacity {capacity} is no multiple of {_SECTOR} bytes, a disk's sector",
            f"use {up}",
            "capacity",
        )


def space_problems(pool: Pool, more: int, *, at_once: bool) -> Iterator[Problem]:
    """Say that a pool has not the space: refused when it is taken at once, else a warning."""
    if pool.available is None or more <= pool.available:
        return
    free = format_size(pool.available)
    if at_once:
        yield Problem(
            f"Pool {pool.name!r} has {free} free, less than the {format_size(more)} that are to be allocated",
            "choose a smaller size, free space, or do not preallocate",
            "capacity",
        )
    else:
        yield Problem(
            f"Pool {pool.name!r} has {free} free, less than the {format_size(more)} that are promised",
            "watch the pool: a guest that fills its disk will find no space",
            "capacity",
            "warn",
        )


def target_problems(spec: PoolSpec, seen: Inventory) -> Iterator[Problem]:
    """Say why a pool may not have its target."""
    target = spec.target
    if not target.startswith("/"):
        yield Problem(
            f"The target {target!r} is no absolute path", "give a path that begins with /", "target"
        )
        return
    if (
        not target.isprintable()
        or os.path.normpath(target) != target.rstrip("/")
        or target[:2] in {"/", "//"}
    ):
        yield Problem(
            f"The target {target!r} is not a plain path",
            "give the path of one folder without '.', '..', '//' or control characters",
            "target",
        )
        return
    if spec.type in FOLDER_POOLS:
        if seen.kind(target) not in {"directory", "missing", None}:
            yield Problem(
                f"The target {target!r} exists and is no directory", "choose another path", "target"
            )
        parent = os.path.dirname(target.rstrip("/"))  # noqa: PTH120 - a path of the host, not of here
        if seen.kind(target) == "missing" and seen.kind(parent) == "missing":
            yield Problem(
                f"The folder {parent!r} does not exist: it is made too, and stays when the pool is removed",
                "remove it by hand when it is no longer wanted",
                "target",
                "warn",
            )
        yield from _nested_targets(spec, seen)


def _nested_targets(spec: PoolSpec, seen: Inventory) -> Iterator[Problem]:
    mine = seen.reader.real(spec.target.rstrip("/"))
    for other in seen.pools.values():
        if other.name == spec.name or other.spec.type not in FOLDER_POOLS:
            continue
        theirs = seen.reader.real(other.spec.target)
        if mine == theirs:
            yield Problem(
                f"The target {spec.target!r} is the target of pool {other.name!r}", "choose another", "target"
            )
        elif mine.startswith(theirs + "/"):
            yield Problem(
                f"The target {spec.target!r} lies inside {theirs!r}, the target of pool {other.name!r}",
                "choose a folder outside it",
                "target",
            )
        elif theirs.startswith(mine + "/"):
            yield Problem(
                f"The target of pool {other.name!r}, {theirs!r}, lies inside {spec.target!r}",
                "its folder will show as a volume of type dir",
                "target",
                "warn",
            )


def said(word: str, name: str, doing: str) -> Iterator[Problem]:
    """Say that something which can't be undone needs the name as its word of confirmation."""
    if word != name:
        told = f"{doing[:1].upper()}{doing[1:]} cannot be undone"
        yield Problem(told, f"give its name to say that you mean it: confirm={name!r}", "confirm")


def pool_users(pool: str, seen: Inventory) -> Iterator[Problem]:
    """Warn of the guests that name a pool or need its volumes."""
    usage = Usage.of(seen)
    paths = {usage.real(volume.path) for volume in seen.volumes_of(pool)}
    by_path = {use.guest.name for path in paths for use in usage.uses.get(path, ())}
    by_name = {guest.name for guest in seen.guests() for disk in guest.disks if disk.pool == pool}
    names = sorted(by_path | by_name)
    if names:
        yield Problem(
            f"Guests use volumes of pool {pool!r}: {listing(names)}",
            "those that run go on running; those that name the pool cannot be started without it",
            "pool",
            "warn",
        )


def logical_volumes(pool: str, seen: Inventory) -> Iterator[Problem]:
    """Refuse to take a volume group away from under its volumes."""
    names = [volume.name for volume in seen.volumes_of(pool)]
    if names:
        yield Problem(
            f"The volume group of pool {pool!r} would take {len(names)} volume(s) with it: {listing(names)}",
            "delete them first, each by its name",
            "pool",
        )


def _mount_point_not_empty(pool: Pool, seen: Inventory) -> Iterator[Problem]:
    """Refuse to remove a mount point that holds files of its own; what is mounted there does not count."""
    if pool.active or pool.assumed:
        return  # the file system lies over the folder now, so that what is below cannot be seen
    names = list(seen.reader.entries(pool.spec.target) or ())
    if names:
        yield Problem(
            f"The mount point {pool.spec.target!r} of pool {pool.name!r} holds {len(names)} file(s) of its "
            f"own: {listing(names)}",
            "move them elsewhere, or keep the folder and only stop and undefine the pool",
            "pool",
        )


def folder_not_empty(pool: Pool, seen: Inventory) -> Iterator[Problem]:
    """Refuse to remove a folder that is not empty: libvirt would refuse it too, but only half-way."""
    if pool.spec.type in {"fs", "netfs"}:
        yield from _mount_point_not_empty(pool, seen)
        return
    names = [volume.name for volume in seen.volumes_of(pool.name)]
    what = "volume(s)"
    if not names:
        gone = {n for (p, n), v in seen.assumed.items() if p == pool.name and v is None}
        names = [n for n in seen.reader.entries(pool.spec.target) or () if n not in gone]
        what = "file(s)"
    if names:
        yield Problem(
            f"The folder {pool.spec.target!r} of pool {pool.name!r} holds {len(names)} {what}"
            f": {listing(names)}",
            "delete them first, or keep the folder and only stop and undefine the pool",
            "pool",
        )
