"""What a guest's agent told, as the rows that an appliance would give of the same guest. Pure.

The agent sees what is mounted, with what the guest has not written to its disks yet. It tells neither labels,
UUIDs nor how many files there are, and of what is not mounted only that it is there. Of ext4 its size leaves
out what only root may fill. Of xfs it counts as used, as the guest does, what xfs keeps back for its own
tables while it is mounted for writing: an appliance, which mounts it for reading, shows less.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: Devices that are no storage of the guest's own: images mounted in it, CDs, floppies, and memory.
_PASSING = re.compile(r"/dev/(loop|sr|fd|ram|zram)\d+")

#: The device mapper writes a dash that belongs to a name twice; a single one joins group and volume.
_JOINT = re.compile(r"(?<!-)-(?!-)")

#: No size that an agent may tell truly is as large.
_TOO_LARGE = 1 << 63

_Row = dict[str, Any]

#: What libvirt gives: values by names such as ``fs.0.mountpoint``.
Told = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Device:
    """A block device as the agent tells of it."""

    name: str
    partition: bool
    below: tuple[str, ...]
    target: str
    mapped: str


def rows(told: Told, targets: Sequence[str]) -> list[_Row]:
    """Give a row for each file system that the agent tells of, and for what it does not tell about.

    Parameters
    ----------
    told : mapping
        What libvirt gave; see `kvmnb.guests.agent.ask_agent`.
    targets : sequence of str
        The guest's disks by the names of its definition, in its order.

    Returns
    -------
    list of dict
        As `kvmnb.guests.reading.Contents` has them.
    """
    devices = _Devices(told, targets)
    found: dict[str, _Row] = {}
    for number in range(told.get("fs.count", 0)):
        row = _filesystem(told, f"fs.{number}.", devices)
        if row is None:
            continue
        # One that is mounted at several places is one row; those without a name are not taken for one.
        known = found.setdefault(row["filesystem"] or f"{number}", row)
        known["mounted"] += [place for place in row["mounted"] if place not in known["mounted"]]
    listed = list(found.values())
    listed += [
        devices.about(name)
        | {"status": "not mounted", "reason": "the guest has not mounted it, so that its agent tells no more"}
        for name in devices.tops()
        if devices.name(name) not in found
    ]
    touched = {target for row in listed for target in row["disks"]}
    listed += [
        {"disks": [target], "status": "not told", "reason": "the guest's agent tells nothing of this disk"}
        for target in targets
        if target not in touched
    ]
    return listed


def _filesystem(told: Told, key: str, devices: _Devices) -> _Row | None:
    """Give the row of one mounted file system; None for one that is no storage of the guest's own."""
    name, place = told.get(f"{key}name"), told.get(f"{key}mountpoint")
    device = f"/dev/{name}" if name else ""
    if _PASSING.fullmatch(device):
        return None
    row = devices.about(device) | {
        "type": told.get(f"{key}fstype"),
        "mounted": [place] if place else [],
        "system": told.get("os.pretty-name", "") if place == "/" else "",
    }
    if not device:
        row |= {"filesystem": None, "device": None}
    capacity, used = told.get(f"{key}total-bytes"), told.get(f"{key}used-bytes")
    if capacity is None or used is None or not 0 <= used <= capacity < _TOO_LARGE:
        return row | {"status": "not told", "reason": "the guest's agent does not tell how full it is"}
    return row | {
        "capacity": capacity,
        "used": used,
        "available": capacity - used,
        "status": "ok",
        "reason": None,
    }


class _Devices:
    """The guest's block devices, under the names that libguestfs would give them."""

    def __init__(self, told: Told, targets: Sequence[str]) -> None:
        self._targets = list(targets)
        self._known = {one.name: one for one in _devices(told)}

    def about(self, name: str) -> _Row:
        """Give what a row says of a device."""
        own = self.name(name)
        known = self._known.get(name)
        group, joint, _volume = own.removeprefix("/dev/").partition("/")
        parents: list[str] = []
        if known is not None and known.mapped:
            named = [f"/dev/{group}"] if joint and group != "mapper" else []
            parents = [*named, *(self.name(one) for one in known.below)]
        return {
            "filesystem": own,
            "device": own,
            "parents": parents,
            "disks": [target for target in self._targets if target in self._roots(name)],
        }

    def name(self, device: str) -> str:
        """Give a device's name as libguestfs has it: disks are sda, sdb … in the order of the definition."""
        known = self._known.get(device)
        if known is None:
            return device
        if known.mapped:
            parts = [part.replace("--", "-") for part in _JOINT.split(known.mapped)]
            return "/dev/" + "/".join(parts) if len(parts) == 2 else f"/dev/mapper/{known.mapped}"
        if known.target in self._targets:
            return f"/dev/sd{_letters(self._targets.index(known.target))}"
        if known.partition and len(known.below) == 1:
            whole = self._known.get(known.below[0])
            if whole is not None and whole.target in self._targets:
                number = device.removeprefix(whole.name).removeprefix("p")
                return self.name(whole.name) + number
        return device

    def tops(self) -> Iterator[str]:
        """Give the devices of the guest's own disks on which no other lies."""
        used = {below for one in self._known.values() for below in one.below}
        for name in self._known:
            if name not in used and self._roots(name) & set(self._targets):
                yield name

    def _roots(self, name: str) -> set[str]:
        """Give the targets of the disks that a device lies on; each device is looked at once."""
        waiting, seen = [name], set[str]()
        while waiting:
            one = waiting.pop()
            if one in self._known and one not in seen:
                seen.add(one)
                waiting += self._known[one].below
        return {self._known[one].target for one in seen} - {""}


def _devices(told: Told) -> Iterator[_Device]:
    for number in range(told.get("disk.count", 0)):
        key = f"disk.{number}."
        if not told.get(f"{key}name"):
            continue
        count = told.get(f"{key}dependency.count", 0)
        yield _Device(
            told[f"{key}name"],
            bool(told.get(f"{key}partition")),
            tuple(filter(None, (told.get(f"{key}dependency.{one}.name") for one in range(count)))),
            told.get(f"{key}alias", ""),
            told.get(f"{key}guest_alias", ""),
        )


def _letters(number: int) -> str:
    """Give the letters of a disk: a to z, aa and so on."""
    last = chr(ord("a") + number % 26)
    return last if number < 26 else _letters(number // 26 - 1) + last
