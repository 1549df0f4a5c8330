"""Mounting a guest's file systems through FUSE, so that they are finished when they are unmounted.

``guestmount`` runs captive: its end, and not that of the unmounting, is when the image is complete. A guard
beside it unmounts when this process is killed, and ends it where it has not mounted yet.
"""

from __future__ import annotations

import os
import secrets
import stat
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from kvmnb.cancelling import uncancellable
from kvmnb.errors import BadValue, MountLost, NotFound, ProgramFailed, ReadOnly, Refused, StillInUse
from kvmnb.guests import mounts
from kvmnb.guests.appliance import settings
from kvmnb.guests.disks import GuestDisk, disks_of, identity
from kvmnb.guests.fuse import require_fuse
from kvmnb.guests.guard import began, remove
from kvmnb.guests.mount_guards import problems
from kvmnb.guests.overlays import cover
from kvmnb.guests.reading import read_guests
from kvmnb.guests.writers import being_written
from kvmnb.host import Host
from kvmnb.programs import Held, find
from kvmnb.storage.model import Guest, Inventory, refusals
from kvmnb.storage.roles import GuestName

#: Seconds in which a program that has just ended lets go of an image.
_LETTING_GO = 3.0

#: Seconds in which an appliance must have started, under emulation on a busy host.
_START = 240.0

_GUARD = Path(__file__).with_name("guard.py")


@contextmanager
def mount(host: Host, guest: GuestName, device: str | None = None, readonly: bool = True) -> Iterator[Path]:
    """Mount a guest's file systems and give the folder where its files are.

    Links in the guest that begin with a slash are meant within the guest, but this machine's kernel takes
    them for its own: use `kvmnb.inside` for paths that may hold links, above all before you write.

    Parameters
    ----------
    host : Host
        A host whose images are on this machine; to write, one that was opened with ``readonly=False``.
    guest : str
        The guest's name.
    device : str, optional
        One file system, such as ``"/dev/sda1"`` or ``"/dev/centos/root"``, as `Host.filesystems` names it;
        without it the guest's own layout, as its system would mount it.
    readonly : bool
        Whether it can only be read. To write, the guest must be shut off, and so must every other guest that
        needs any of the files; and no image may lie on those that are written to.

    Yields
    ------
    pathlib.Path
        The folder. Once the block has ended, the image is complete on disk.

    Raises
    ------
    kvmnb.errors.NotFound
        There is no such guest or device, or no system in it; the message lists those that there are.
    kvmnb.errors.ReadOnly
        Writing was asked of a host that was opened for reading.
    kvmnb.errors.Refused
        It must not be mounted: it runs, a file is in use, or a disk is missing.
    kvmnb.errors.NoFuse
        Nothing can be mounted on this machine.
    kvmnb.errors.ProgramFailed
        It could not be mounted; the message says what libguestfs said.
    kvmnb.errors.StillInUse
        Files are still open at the end; the error names who holds them. It stays mounted: see
        `kvmnb.unmount`.
    kvmnb.errors.MountLost
        guestmount ended too early, so that what was written last may be missing.
    """
    require_fuse()
    if device is not None and not _is_device(device):
        raise BadValue(f"{device!r} is no device", "give one as host.filesystems() names it: /dev/sda1")
    seen, found, disks = look(host, guest, readonly=readonly)
    about = _start(host, seen, found, disks, device, readonly=readonly)
    try:
        yield about.root
    finally:
        leave(about)


def _is_device(device: object) -> bool:
    """Tell whether something can be the name of a device; the colon would end it for guestmount."""
    if not isinstance(device, str) or not device.isprintable():
        return False
    return device.startswith("/dev/") and ":" not in device


def leave(about: mounts.Mounted) -> None:
    """Unmount at the end of a block; a process that was forked within leaves it too, and must do nothing."""
    if os.getpid() != about.owner:
        return
    try:
        mounts.finish(about)
    except KeyboardInterrupt as stopped:
        stopped.add_note(
            f"Guest {about.guest!r} may still be mounted at {about.root}: see kvmnb.mounts(), and end it "
            "with kvmnb.unmount(path) before you start the guest."
        )
        raise


def look(host: Host, name: str, *, readonly: bool) -> tuple[Inventory, Guest, tuple[GuestDisk, ...]]:
    """Read the host now, find a guest, and see that its disks may be read, or written to.

    Raises
    ------
    kvmnb.errors.NotFound, kvmnb.errors.ReadOnly, kvmnb.errors.Refused
        As for `mount`.
    """
    if host.readonly and not readonly:
        raise ReadOnly(
            f"Writing into guest {name!r} was asked of a host that was opened for reading",
            "open it with kvmnb.connect(readonly=False)",
        )
    seen = host.inventory()
    guest = next((one for one in seen.guests() if one.name == name), None)
    if guest is None:
        known = ", ".join(sorted(one.name for one in seen.guests())) or "none is defined"
        raise NotFound(f"There is no guest {name!r} on {host.name}", f"choose one of: {known}")
    disks = disks_of(guest, seen)
    stopping = refusals(problems(seen, guest, disks, readonly=readonly))
    if stopping:
        first = stopping[0]
        raise Refused(f"The files of guest {name!r} stay as they are. {first.reason}", first.remedy, stopping)
    return seen, guest, disks


def refuse_mounted(disks: Sequence[GuestDisk], *, readonly: bool, folder: str = "") -> None:
    """Raise `Refused` where an image is used by others and one of the two would write to it.

    Others are this user's mounts, but for the one in `folder`, and where this one is to write, whichever
    program has an image open for writing: a guest of another daemon of this machine, too.
    """
    images = _files(disk.path for disk in disks)
    for other in mounts.listed():
        harm = not (readonly and other.readonly)
        if harm and other.folder != folder and images & _files(other.images) and other.status:
            raise Refused(
                f"Guest {other.guest!r} is {other.status} already, at {other.root}, and one of the two would "
                "write to its image",
                "unmount that first",
            )
    if readonly:
        return
    for disk in disks:
        if not os.access(disk.path, os.W_OK):
            raise Refused(
                f"You may not write to {disk.path}", "mount it for reading only, or ask for permission"
            )
    files = [path for disk in disks for path in (disk.path, *disk.chain)]
    deadline = time.monotonic() + _LETTING_GO
    while (written := being_written(files)) is not None and time.monotonic() < deadline:
        time.sleep(0.1)
    if written is not None:
        raise Refused(
            f"Another program has {written} open for writing, such as a guest of another libvirt daemon",
            "end that first, which fuser or lsof names, or mount it for reading only",
        )


def _files(paths: Iterable[str]) -> set[tuple[int, int]]:
    """Give what tells files and devices apart, whatever they are called."""
    found = set()
    for path in paths:
        with suppress(OSError):
            told = Path(path).stat()
            found.add((0, told.st_rdev) if stat.S_ISBLK(told.st_mode) else (told.st_dev, told.st_ino))
    return found


def _start(
    host: Host,
    seen: Inventory,
    guest: Guest,
    disks: tuple[GuestDisk, ...],
    device: str | None,
    *,
    readonly: bool,
) -> mounts.Mounted:
    mounts.sweep()
    folder = mounts.mounts_folder() / secrets.token_hex(4)
    folder.mkdir(parents=True, mode=0o700)
    about = mounts.Mounted(
        str(folder),
        guest.name,
        device or "",
        readonly,
        tuple(disk.path for disk in disks),
        time.time_ns(),
        os.getpid(),
        began(os.getpid()),
    )
    try:
        about.root.mkdir(mode=0o700)
        mounts.note(about)
        # Only now, so that of two who mount at once at least one sees the other.
        refuse_mounted(disks, readonly=readonly, folder=about.folder)
        files = _files(about.images)
        about = _serve(about, disks)
        if not readonly:
            _look_again(host, guest, disks, files)
    except ProgramFailed as error:
        _abandon(about)
        raise _explained(error, seen, guest, device) from error
    except BaseException:
        _abandon(about)
        raise
    return about


def _serve(about: mounts.Mounted, disks: Sequence[GuestDisk]) -> mounts.Mounted:
    """Start the guard and guestmount, and wait until the files are there."""
    scratch = Path(about.folder) / "scratch"
    scratch.mkdir(mode=0o700)
    unmount = find("guestunmount") or "guestunmount"
    words = [sys.executable, "-I", str(_GUARD), "{fd}", str(about.root), str(about.owner), unmount]
    guard = Held(words, to_program=True)
    try:
        # What it would leave behind when it is killed lies where it is removed with all else.
        worker = Held(_command(disks, about, scratch), settings() | {"LIBGUESTFS_TMPDIR": str(scratch)})
        mounts.OWN[about.folder] = (worker, guard)
    except BaseException:
        guard.close()  # then it ends guestmount, if that was started
        guard.wait(10)
        raise
    about = replace(about, worker=worker.pid, worker_began=began(worker.pid))
    mounts.note(about)
    worker.wait_ready(_START)
    about = replace(about, ready=True)
    mounts.note(about)
    return about


def _look_again(host: Host, guest: Guest, disks: tuple[GuestDisk, ...], files: set[tuple[int, int]]) -> None:
    """See that the guest was not started, nor its disks changed for others, while the appliance started."""
    _, _, now = look(host, guest.name, readonly=False)
    if now != disks or identity(now) is None or _files(disk.path for disk in now) != files:
        raise Refused(
            f"The disks of guest {guest.name!r} were changed while they were being mounted",
            "see what host.disks() says now, then mount it anew",
        )


def _abandon(about: mounts.Mounted) -> None:
    """Leave nothing of a mount that is not to be: no process, no folder."""
    with uncancellable():
        _clear(about)


def _clear(about: mounts.Mounted) -> None:
    held = mounts.OWN.get(about.folder)
    if held is None:
        remove(Path(about.folder))
        return
    about = replace(about, worker=held[0].pid, worker_began=began(held[0].pid))
    try:
        mounts.finish(about)
    except MountLost:
        pass  # it is what was just ended, or the error that brought us here
    except StillInUse:
        mounts.note(about)
        raise


def _explained(
    error: ProgramFailed, seen: Inventory, guest: Guest, device: str | None
) -> ProgramFailed | NotFound:
    """Say what could be mounted instead, where no system was found or the device is not there."""
    rows = [row for row in read_guests(seen, [guest])[0].rows if row.get("filesystem")]
    choice = ", ".join(f"{row['filesystem']} ({row['type']})" for row in rows if row["status"] == "ok")
    remedy = f"choose a device of: {choice or 'none can be mounted, see host.filesystems()'}"
    if device is None and ("operating system" in error.what or "multi-boot" in error.what):
        return NotFound(f"No one system was found in guest {guest.name!r}: {error.what}", remedy)
    if device is not None and device not in {name for row in rows for name in _names(row)}:
        return NotFound(f"There is no file system {device!r} in guest {guest.name!r}", remedy)
    return error


def _names(row: dict[str, str]) -> tuple[str, ...]:
    return row["filesystem"], row["device"]


def _command(disks: Sequence[GuestDisk], about: mounts.Mounted, scratch: Path) -> list[str]:
    words = ["guestmount", "--no-fork", "--fd={fd}", "--rw", *(["-o", "ro"] if about.readonly else [])]
    images = [(disk.path, disk.format) for disk in disks]
    if about.readonly:
        images = [(top, "qcow2") for top in cover(images, scratch)]
    for path, kind in images:
        words += [f"--format={kind}", "-a", path]
    return [*words, *(["-m", about.device] if about.device else ["-i"]), str(about.root)]
