"""What stands in the way of mounting a guest's disks, for reading and for writing. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from kvmnb.guests.disks import GuestDisk
from kvmnb.storage import image_guards
from kvmnb.storage.model import Guest, Inventory, Problem
from kvmnb.storage.usage import Usage

_READ = "mount it for reading only"
_VERB = "write to"

#: The one state in which a guest has no disk open: of one that crashed, QEMU may be kept for looking at it.
_OFF = "shut off"


def problems(
    seen: Inventory, guest: Guest, disks: Sequence[GuestDisk], *, readonly: bool
) -> Iterator[Problem]:
    """Give each reason not to mount a guest's disks, and each thing to know before.

    Parameters
    ----------
    seen : Inventory
        What was just read of the host.
    guest : Guest
        The guest.
    disks : sequence of GuestDisk
        Its disks.
    readonly : bool
        Whether they will only be read.
    """
    if seen.reader.images is None:
        yield Problem(
            f"The images of guest {guest.name!r} are on another machine, out of reach",
            "connect to the libvirt daemon of this machine, or work on that one",
        )
        return
    if guest.problem:
        yield Problem(f"Guest {guest.name!r} could not be read: {guest.problem}", "mend its definition first")
    if not disks:
        yield Problem(f"Guest {guest.name!r} has no disk of its own", "choose another guest")
    for disk in disks:
        if disk.status:
            yield Problem(f"Disk {disk.target} of guest {guest.name!r}: {disk.reason}", "mend that first")
    if not readonly and not any(disk.status for disk in disks):
        yield from _writing(seen, guest, disks)


def _writing(seen: Inventory, guest: Guest, disks: Sequence[GuestDisk]) -> Iterator[Problem]:
    if guest.state != _OFF:
        yield Problem(
            f"Guest {guest.name!r} is {guest.state}: two who write to one file system destroy it",
            f"shut it off first, or {_READ}",
        )
    usage = Usage.of(seen)
    files = [path for disk in disks for path in _files(disk, usage)]
    for path in dict.fromkeys(files):
        for use in usage.uses_of(path):
            if use.guest.name != guest.name and use.guest.state != _OFF:
                yield Problem(f"{path} is also needed by {use}", f"shut that guest off, or {_READ}")
        yield from image_guards.memory_saved(path, seen, _VERB)
    for path in dict.fromkeys(usage.real(disk.path) for disk in disks):
        for use in usage.uses_of(path):
            if not use.direct:
                yield Problem(f"{path} lies below an image of {use}", f"write to that image, or {_READ}")
        yield from (replace(one, field="") for one in image_guards.overlays_on(path, seen, _VERB))
    if usage.blind:
        yield Problem(
            f"It cannot be known whether another guest needs these files: {usage.blind[0]}",
            f"mend what is named, or {_READ}",
        )


def _files(disk: GuestDisk, usage: Usage) -> Iterator[str]:
    """Give every file that a disk lies on, those that hold an image's data in its place too."""
    for path in (disk.path, *disk.chain):
        yield usage.real(path)
        data = usage.inventory.reader.data_file(path)
        if data:
            yield usage.real(data)
