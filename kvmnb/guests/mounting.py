"""Mounting a guest's file systems through FUSE, so that they are finished when they are unmounted.

``guestmount`` runs captive: its end, and not that of the unmounting, is when the image is complete. A guard
beside it unmounts when this process is killed.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from kvmnb.errors import KvmnbError, NotFound, ProgramFailed, Refused
from kvmnb.guests.appliance import settings
from kvmnb.guests.disks import GuestDisk, disks_of
from kvmnb.host import Host
from kvmnb.programs import Held, run
from kvmnb.storage.model import Guest, Inventory, Problem
from kvmnb.storage.usage import Usage

#: Seconds in which an appliance must have started, under emulation on a busy host.
_START = 240.0

#: Seconds that an image may take to be finished once it is unmounted.
_FINISH = 300.0


class StillInUse(KvmnbError):
    """A mounted file system has open files, so that it cannot be unmounted."""


@dataclass(frozen=True, slots=True)
class Mounted:
    """What is kept of a mount, in a file beside it.

    Parameters
    ----------
    folder : Path
        The folder of the mount: ``root`` in it is where the guest's files are.
    guest, device : str
        The guest, and the device; empty where its whole layout is mounted.
    readonly : bool
        Whether it can only be read.
    owner, worker : int
        Process ids of whoever mounted it, and of guestmount.
    since : int
        When, in nanoseconds since 1970.
    """

    folder: Path
    guest: str
    device: str
    readonly: bool
    owner: int
    worker: int
    since: int

    @property
    def root(self) -> Path:
        """Where the guest's files are."""
        return self.folder / "root"


def mounts_folder() -> Path:
    """Give the folder of this user's mounts."""
    base = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    place = (
        Path(base) if Path(base).is_dir() and os.access(base, os.W_OK) else Path(f"/tmp/kvmnb-{os.getuid()}")
    )
    return place / "kvmnb" / "mounts"


@contextmanager
def mount(host: Host, guest: str, device: str | None = None, readonly: bool = True) -> Iterator[Path]:
    """Mount a guest's file systems and give the folder where its files are.

    Parameters
    ----------
    host : Host
        A host whose images are on this machine.
    guest : str
        The guest's name.
    device : str, optional
        One file system, such as ``"/dev/sda1"`` or ``"/dev/centos/root"``, as `Host.filesystems` names it;
        without it the guest's own layout, as its system would mount it.
    readonly : bool
        Whether it can only be read. To write, the guest must be shut off, and so must every other guest that
        needs any of the files.

    Yields
    ------
    pathlib.Path
        The folder. Once the block has ended, the image is complete on disk.

    Raises
    ------
    kvmnb.errors.NotFound
        There is no such guest.
    kvmnb.errors.Refused
        It must not be mounted: it runs, a file is in use, or a disk is missing.
    kvmnb.errors.ProgramFailed
        It could not be mounted; the message says what libguestfs said.
    StillInUse
        Files are still open at the end; the error names who holds them. The mount stays until they are closed.
    """
    found, disks = _look(host, guest)
    _require(host.inventory(), found, disks, readonly=readonly)
    folder = mounts_folder() / f"{secrets.token_hex(4)}"
    root = folder / "root"
    root.mkdir(parents=True, mode=0o700)
    try:
        worker = Held(_command(disks, device, root, readonly=readonly), settings())
    except ProgramFailed:
        _remove(folder)
        raise
    try:
        worker.wait_ready(_START)
    except BaseException:
        worker.kill()
        _remove(folder)
        raise
    about = Mounted(folder, guest, device or "", readonly, os.getpid(), worker.pid, time.time_ns())
    _note(about)
    guard = Held(["guestunmount", "--quiet", "--fd={fd}", str(root)], to_program=True)
    try:
        yield root
    finally:
        _unmount(about, worker)
        guard.close()
        guard.wait(10)
        worker.close()
        _remove(folder)


def _look(host: Host, name: str) -> tuple[Guest, tuple[GuestDisk, ...]]:
    seen = host.inventory()
    for guest in seen.guests():
        if guest.name == name:
            return guest, disks_of(guest, seen)
    known = ", ".join(sorted(guest.name for guest in seen.guests())) or "none is defined"
    raise NotFound(f"There is no guest {name!r} on {host.name}", f"choose one of: {known}")


def _require(seen: Inventory, guest: Guest, disks: Sequence[GuestDisk], *, readonly: bool) -> None:
    problems = tuple(_problems(seen, guest, disks, readonly=readonly))
    if problems:
        first = problems[0]
        raise Refused(f"Nothing was mounted. {first.reason}", first.remedy, problems)


def _problems(
    seen: Inventory, guest: Guest, disks: Sequence[GuestDisk], *, readonly: bool
) -> Iterator[Problem]:
    if guest.problem:
        yield Problem(f"Guest {guest.name!r} could not be read: {guest.problem}", "mend its definition first")
    if not disks:
        yield Problem(f"Guest {guest.name!r} has no disk of its own", "choose another guest")
    for disk in disks:
        if disk.status:
            yield Problem(f"Disk {disk.target} of guest {guest.name!r}: {disk.reason}", "mend that first")
    if readonly:
        return
    if guest.running:
        yield Problem(
            f"Guest {guest.name!r} is {guest.state}: two who write to one file system destroy it",
            "shut it off first, or mount it for reading only",
        )
    usage = Usage.of(seen)
    for path in dict.fromkeys(usage.real(one) for disk in disks for one in (disk.path, *disk.chain)):
        for use in usage.uses_of(path):
            if use.guest.name != guest.name and (
                use.guest.running or path in {usage.real(d.path) for d in disks}
            ):
                yield Problem(
                    f"{path} is also needed by {use}", "shut that guest off, or mount it for reading only"
                )
    if usage.blind:
        yield Problem(
            f"It cannot be known whether another guest needs these files: {usage.blind[0]}",
            "mend what is named, or mount it for reading only",
        )


def _command(disks: Sequence[GuestDisk], device: str | None, root: Path, *, readonly: bool) -> list[str]:
    words = ["guestmount", "--no-fork", "--fd={fd}", "--ro" if readonly else "--rw"]
    for disk in disks:
        words += [f"--format={disk.format}", "-a", disk.path]
    return [*words, *(["-m", device] if device else ["-i"]), str(root)]


def _note(about: Mounted) -> None:
    told = {
        "guest": about.guest,
        "device": about.device,
        "readonly": about.readonly,
        "owner": about.owner,
        "worker": about.worker,
        "since": about.since,
    }
    (about.folder / "mount.json").write_text(json.dumps(told))


def _unmount(about: Mounted, worker: Held) -> None:
    done = run(["guestunmount", "--quiet", str(about.root)], timeout=60, check=False)
    if done.returncode not in {0, 3}:  # 3: it is not mounted any more
        holders = ", ".join(holders_of(about.root)) or "a program that cannot be named"
        raise StillInUse(
            f"{about.root} of guest {about.guest!r} is still in use by {holders}",
            "close what is open there, then unmount it with host.apply(kvmnb.Unmount(...))",
        )
    status = worker.wait(_FINISH)
    if status is None:
        raise StillInUse(
            f"The image of guest {about.guest!r} was not finished within {_FINISH:g} seconds",
            f"wait for the process {about.worker} to end before you start the guest",
        )
    if status != 0:
        raise worker.failure()


def holders_of(root: Path) -> Iterator[str]:
    """Name the processes that have files open below a folder, or work in it, as far as they may be seen."""
    inside = f"{root}/"
    for process in Path("/proc").glob("[0-9]*"):
        links = [process / "cwd", process / "root"]
        with suppress(OSError):
            links += list((process / "fd").iterdir())
        for link in links:
            with suppress(OSError):
                target = os.readlink(link)
                if target == str(root) or target.startswith(inside):
                    name = (process / "comm").read_text().strip()
                    yield f"{name} (process {process.name}), which has {target}"
                    break


def _remove(folder: Path) -> None:
    """Remove a mount's folder; never what is mounted there."""
    with suppress(OSError):
        (folder / "mount.json").unlink(missing_ok=True)
        (folder / "root").rmdir()
        folder.rmdir()
