"""Runs one libguestfs appliance and tells, a line of JSON at a time, what it finds in a guest's disks.

A program of its own, started by the interpreter that has the libguestfs bindings: Debian has them for its own
Python only. It imports nothing of the kit, reads its request from its one argument, and changes no disk: what
it is given are overlays, which are thrown away.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import guestfs

_Row = dict[str, Any]

#: How often an appliance is started whose kernel has mixed up the disks.
_STARTS = 3

#: Seconds in which its kernel must have found them all.
_FINDING = 20.0

#: No fstab is larger; what is larger was made to be read for long.
_LARGEST_TEXT = 1 << 20

#: How libguestfs begins the name of a subvolume of btrfs: then its device, a slash, and what btrfs calls it.
_SUBVOLUME = "btrfsvol:"


def say(event: str, **told: object) -> None:
    """Write one line."""
    sys.stdout.write(json.dumps({"event": event, **told}) + "\n")
    sys.stdout.flush()


def attempt(call: Callable[..., Any], *arguments: object) -> tuple[Any, str]:
    """Give what a call gives, or why it failed; a text that is no UTF-8 fails too."""
    try:
        return call(*arguments), ""
    except (RuntimeError, UnicodeDecodeError) as error:
        return None, str(error)


def opened(request: _Row) -> guestfs.GuestFS:
    """Start an appliance with the guest's disks: overlays, where they are only to be read."""
    for _ in range(_STARTS):
        handle = guestfs.GuestFS(python_return_dict=True)
        handle.set_memsize(request["memory"] >> 20)
        for number, disk in enumerate(request["disks"]):
            # Never read-only: libguestfs would add a layer of its own, and have QEMU guess what is below.
            handle.add_drive(disk["path"], readonly=False, format=disk["format"], label=label(number))
        handle.launch()
        if in_order(handle, len(request["disks"])):
            return handle
        handle.close()
    raise RuntimeError("the appliance does not call the disks by their order")


def label(number: int) -> str:
    """Give the name by which a disk is known in the appliance; letters are all that it may hold."""
    return chr(ord("a") + number % 26) * (number // 26 + 1)


def in_order(handle: guestfs.GuestFS, count: int) -> bool:
    """Tell whether the first disk is /dev/sda, and so on: a busy kernel may find another one first."""
    deadline = time.monotonic() + _FINDING
    wanted = [label(number) for number in range(count)]
    while count > 1:
        found, _ = attempt(handle.list_disk_labels)  # those of partitions, a1 and so on, are among them
        if found and set(wanted) <= set(found):
            numbers = [attempt(handle.device_index, found[one])[0] for one in wanted]
            return numbers == list(range(count))
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def stack(handle: guestfs.GuestFS) -> dict[str, list[str]]:
    """Give for each logical volume what it lies on, nearest first: its group, then partitions or disks."""
    attempt(handle.lvm_scan, True)  # the appliance can have started before it had seen every disk
    volumes, _ = attempt(handle.lvs)
    # Not by pvs_full: it gives the kernel's names, which need not be those that libguestfs gives and takes.
    physical, _ = attempt(handle.pvs)
    by_uuid = {(attempt(handle.pvuuid, one)[0] or "").replace("-", ""): one for one in physical or ()}
    found: dict[str, list[str]] = {}
    for volume in volumes or ():
        group = volume.rpartition("/")[0]
        uuids, _ = attempt(handle.vgpvuuids, group.removeprefix("/dev/"))
        found[volume] = [group, *(by_uuid.get(uuid.replace("-", ""), "") for uuid in uuids or ())]
    return found


def device_of(handle: guestfs.GuestFS, mountable: str) -> str:
    """Give the device of a file system, of which btrfs has several on one.

    Not by mountable_device: where the kernel has found the disks in another order than they were given, it
    gives the kernel's name, which means another disk to every other call.
    """
    if not mountable.startswith(_SUBVOLUME):
        return mountable
    rest = mountable.removeprefix(_SUBVOLUME)
    known = [one for call in (handle.list_devices, handle.list_partitions, handle.lvs) for one in call()]
    fitting = [one for one in known if rest.startswith(f"{one}/")]
    return max(fitting, key=len, default=rest)


def canonical(handle: guestfs.GuestFS, device: str) -> str:
    """Give a device's usual name: the appliance's own disk can shift the letters."""
    name, failed = attempt(handle.canonical_device_name, device)
    return device if failed else str(name)


def disks_under(handle: guestfs.GuestFS, devices: list[str]) -> list[int]:
    """Give the numbers of the disks that devices lie on, from 0."""
    numbers = set()
    for one in devices:
        whole, failed = attempt(handle.part_to_dev, one)
        number, _ = attempt(handle.device_index, one if failed else whole)
        if number is not None:
            numbers.add(number)
    return sorted(numbers)


def whole(parents: list[str]) -> bool:
    """Tell whether everything that a logical volume lies on is there."""
    return all(one.startswith("/dev/") for one in parents)


def devices_of_kind(handle: guestfs.GuestFS, kind: str) -> list[str]:
    """Give the disks, partitions and volumes whose content is of a kind, such as crypto_LUKS."""
    found = []
    for call in (handle.list_devices, handle.list_partitions, handle.lvs):
        devices, _ = attempt(call)
        found += [device for device in devices or () if attempt(handle.vfs_type, device)[0] == kind]
    return found


def stray(handle: guestfs.GuestFS, stacked: dict[str, list[str]]) -> Iterator[_Row]:
    """Give a row for each physical volume of LVM on which no logical volume was found."""
    used = {one for below in stacked.values() for one in below[1:]}
    for name in devices_of_kind(handle, "LVM2_member"):
        if name not in used:
            uuid, _ = attempt(handle.pvuuid, name)
            size, _ = attempt(handle.blockdev_getsize64, name)
            yield {
                "filesystem": canonical(handle, name),
                "device": canonical(handle, name),
                "type": "LVM2_member",
                "parents": [],
                "disks": disks_under(handle, [name]),
                "size": size,
                "label": "",
                "uuid": uuid or "",
            }


def usage(handle: guestfs.GuestFS, mountable: str) -> _Row:
    """Mount a file system read-only and read how full it is, and what it says of others; or why it cannot."""
    _, failed = attempt(handle.mount_ro, mountable, "/")
    if failed:
        return {"unread": failed}
    try:
        told, failed = attempt(handle.statvfs, "/")
        if failed:
            return {"unread": failed}
        unit = told["frsize"] or told["bsize"]
        return {
            "capacity": told["blocks"] * unit,
            "used": (told["blocks"] - told["bfree"]) * unit,
            "available": told["bavail"] * unit,
            "inodes": told["files"],
            "inodes_used": told["files"] - told["ffree"],
            "fstab": lines_of(handle, "/etc/fstab"),
            "system": system_name(lines_of(handle, "/etc/os-release")),
        }
    finally:
        attempt(handle.umount_all)


def lines_of(handle: guestfs.GuestFS, path: str) -> list[str]:
    """Give the lines of a small text file of the guest; none where there is none, or it is too large."""
    size, _ = attempt(handle.filesize, path)
    if not size or size > _LARGEST_TEXT:
        return []
    lines, _ = attempt(handle.read_lines, path)
    return list(lines or ())


def system_name(lines: list[str]) -> str:
    """Give the operating system's name from the lines of ``/etc/os-release``."""
    told = dict(line.split("=", 1) for line in lines if "=" in line)
    return told.get("PRETTY_NAME", told.get("NAME", "")).strip("\"'")


def names_of(row: _Row) -> set[str]:
    """Give every name under which a guest's fstab may mean a file system."""
    device = row["device"]
    names = {device}
    if row["uuid"]:
        names |= {f"UUID={row['uuid']}", f"/dev/disk/by-uuid/{row['uuid']}"}
    if row["label"]:
        names |= {f"LABEL={row['label']}", f"/dev/disk/by-label/{row['label']}"}
    if row["parents"]:  # the device mapper doubles a dash that belongs to a name
        group, _, volume = device.removeprefix("/dev/").partition("/")
        names.add(f"/dev/mapper/{group.replace('-', '--')}-{volume.replace('-', '--')}")
    if device.startswith("/dev/sd"):
        names |= {f"/dev/{bus}{device.removeprefix('/dev/sd')}" for bus in ("vd", "hd", "xvd")}
    return names


def places(rows: list[_Row]) -> None:
    """Note in each row where the guest itself mounts it, by the fstab of its system."""
    for row in rows:
        row["mounted"] = []
    for system in rows:
        for line in system.get("fstab", ()):
            words = line.split()
            if len(words) < 2 or words[0].startswith("#"):
                continue
            for row in rows:
                if words[0].strip('"') in names_of(row) and words[1] not in row["mounted"]:
                    row["mounted"].append(words[1])


def filesystems(handle: guestfs.GuestFS) -> Iterator[_Row]:
    """Give a row for every file system, and for what lies where one could be."""
    stacked = stack(handle)
    kinds, failed = attempt(handle.list_filesystems)
    if failed:
        raise RuntimeError(failed)
    # libguestfs does not count what is encrypted among the file systems.
    kinds |= dict.fromkeys(devices_of_kind(handle, "crypto_LUKS"), "crypto_LUKS")
    # A volume that lies on a missing disk too is sometimes counted among them, and sometimes not.
    kinds |= {one: "unknown" for one in stacked if one not in kinds and not whole(stacked[one])}
    for mountable, kind in kinds.items():
        device = device_of(handle, mountable)
        row: _Row = {"filesystem": mountable, "device": canonical(handle, device), "type": kind}
        row["parents"] = [canonical(handle, one) for one in stacked.get(device, [])]
        row["incomplete"] = not whole(row["parents"])
        row["disks"] = disks_under(handle, stacked[device][1:] if device in stacked else [device])
        row["size"], _ = attempt(handle.blockdev_getsize64, device)
        row["label"], _ = attempt(handle.vfs_label, mountable)
        row["uuid"], _ = attempt(handle.vfs_uuid, mountable)
        if kind not in {"swap", "unknown"} and not kind.startswith("crypto_"):
            row |= usage(handle, mountable)
        yield row
    yield from stray(handle, stacked)


def end_with_parent() -> None:
    """Have the kernel end this process with the one that asked; libguestfs then ends its QEMU."""
    ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGTERM, 0, 0, 0)  # PR_SET_PDEATHSIG
    if os.getppid() == 1:
        sys.exit(1)


def main() -> int:
    """Read the request, answer it."""
    end_with_parent()
    request = json.loads(sys.argv[1])
    try:
        handle = opened(request)
    except RuntimeError as error:
        say("failed", reason=str(error))
        return 1
    say("launched")
    try:
        rows = list(filesystems(handle))
        places(rows)
        for row in rows:
            row.pop("fstab", None)
            say("filesystem", **row)
    except RuntimeError as error:
        say("failed", reason=str(error))
        return 1
    finally:
        attempt(handle.shutdown)
        handle.close()
    say("done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
