"""Reading what is inside the guests' disks: side by side, within limits, and nothing silently lost."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

from kvmnb.errors import KvmnbError
from kvmnb.guests import memory
from kvmnb.guests.agent_rows import rows as agent_rows
from kvmnb.guests.appliance import MEMORY, ApplianceFailed, ask
from kvmnb.guests.disks import GuestDisk, disks_of
from kvmnb.guests.writers import being_written
from kvmnb.storage.model import Guest, Inventory

#: Is told how many guests have been read, how many there are, and the name of one that is being read.
Tell = Callable[[int, int, str], None]

#: Asks a running guest's agent; gives what libvirt says, or why nothing could be learned.
AskAgent = Callable[[Guest], Mapping[str, Any] | str]

_Row = dict[str, Any]

#: How often what is told of the progress is told again, in seconds.
_GLANCE = 0.1

#: How long what is to be stopped is waited for, in seconds; an appliance is killed within a fifth of one.
_GRACE = 3.0

#: What a mount says, in the C locale, that failed for want of memory and not of a sound file system.
_NO_MEMORY = "Cannot allocate memory"

#: What may be otherwise at the next try, so that it is not remembered.
_UNSURE = {"corrupt", "appliance failed"}


@dataclass(slots=True)
class Contents:
    """What was found in one guest's disks.

    Parameters
    ----------
    guest : Guest
        The guest.
    rows : list of dict
        A row per file system, as the worker gives it, with ``status`` and ``reason``; and one per disk
        without any, or for the guest where nothing could be read.
    source : str
        appliance, agent or cache.
    read_at : int
        When it was read, in nanoseconds since 1970.
    """

    guest: Guest
    rows: list[_Row] = field(default_factory=list)
    source: str = "appliance"
    read_at: int = 0


def side_by_side() -> int:
    """Give how many appliances may run at once: one per processor, within half of the free memory."""
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            free = int(line.split()[1]) * 1024
    return max(1, min(os.cpu_count() or 1, free // 2 // MEMORY))


def read_guests(
    seen: Inventory,
    guests: Sequence[Guest],
    *,
    fresh: bool = False,
    tell: Tell | None = None,
    agent: AskAgent | None = None,
) -> list[Contents]:
    """Read what is inside the disks of guests.

    Parameters
    ----------
    seen : Inventory
        What was read of the host.
    guests : sequence of Guest
        Which guests.
    fresh : bool
        Whether to read also what is remembered.
    tell : callable, optional
        Told of the progress, by this thread.
    agent : callable, optional
        Asks the agent of a running guest; see `kvmnb.guests.agent.ask_agent`. Without it, and where no agent
        answers, running guests are read by an appliance.

    Returns
    -------
    list of Contents
        One per guest, in the order given.
    """
    stop = Event()
    found: dict[int, Contents] = {}
    pool = ThreadPoolExecutor(side_by_side())
    try:
        waiting: dict[Future[Contents], int] = {
            pool.submit(_read, guest, disks_of(guest, seen), fresh, stop, agent): number
            for number, guest in enumerate(guests)
        }
        if tell and guests:
            tell(0, len(guests), guests[0].name)
        while len(found) < len(guests):
            # Told also while nothing has ended: what is told may want to stop all this, by raising.
            ended, _ = wait(waiting.keys(), _GLANCE, FIRST_COMPLETED)
            found |= {waiting.pop(one): one.result() for one in ended}
            left = [guest.name for number, guest in enumerate(guests) if number not in found]
            if tell:
                tell(len(found), len(guests), left[0] if left else "")
    finally:
        stop.set()
        # Appliances are ended at once; only an agent that owes its answer is not waited for to the end.
        wait([one for one in waiting if not one.cancel()], _GRACE)
        pool.shutdown(wait=False, cancel_futures=True)
    return [found[number] for number in range(len(guests))]


def _read(
    guest: Guest, disks: tuple[GuestDisk, ...], fresh: bool, stop: Event, agent: AskAgent | None
) -> Contents:
    """Read one guest; where that cannot be done, it is said of this guest, and the others are read."""
    try:
        return _contents(guest, disks, fresh, stop, agent)
    except (KvmnbError, OSError) as error:
        rows = [_gap("unreadable", str(error), tuple(disk.target for disk in disks))]
        return Contents(guest, rows, read_at=time.time_ns())


def _contents(
    guest: Guest, disks: tuple[GuestDisk, ...], fresh: bool, stop: Event, agent: AskAgent | None
) -> Contents:
    contents = Contents(guest, read_at=time.time_ns())
    if guest.problem:
        contents.rows = [_gap("unreadable", guest.problem)]
        return contents
    if not disks:
        contents.rows = [_gap("no disk", "the guest has no disk of its own")]
        return contents
    why_not = ""
    if guest.running and agent is not None:
        told = agent(guest)
        if not isinstance(told, str):
            contents.source = "agent"
            contents.rows = agent_rows(told, [disk.target for disk in disks])
            return contents
        why_not = told
    readable = tuple(disk for disk in disks if not disk.status)
    contents.rows = [_gap(disk.status, disk.reason, (disk.target,)) for disk in disks if disk.status]
    kept = None if fresh or guest.running else memory.recall(readable)
    if kept is not None:
        contents.source = "cache"
        rows, contents.read_at = kept
        contents.rows += rows
    elif readable:
        contents.rows += _appliance(guest, readable, stop)
    if why_not:
        for row in contents.rows:
            row["reason"] = row["reason"] or f"as it is on disk, not as the guest sees it: {why_not}"
    return contents


def _appliance(guest: Guest, disks: tuple[GuestDisk, ...], stop: Event) -> list[_Row]:
    key = memory.before(disks)
    images = [path for disk in disks for path in (disk.path, *disk.chain)]
    writer = None if guest.running else being_written(images)
    rows: list[_Row] = []

    def hear(answer: dict[str, Any]) -> None:
        if answer["event"] == "filesystem":
            rows.append(_judged(answer, disks))

    request = {"disks": [{"path": disk.path, "format": disk.format} for disk in disks]}
    try:
        ask(request, hear, stop=stop)
    except ApplianceFailed as error:
        gap = _gap(error.status, str(error), tuple(disk.target for disk in disks))
        if error.status != "timed out":  # QEMU refuses some images that another program writes to
            writer = writer or being_written(images)
        rows.append(gap)
        return [_doubtful(row, writer) for row in rows] if writer else rows
    touched = {target for row in rows for target in row["disks"]}
    rows += [
        _gap("empty", "no file system, partition or volume was found on it", (disk.target,))
        for disk in disks
        if disk.target not in touched
    ]
    if guest.running:
        return rows
    writer = writer or being_written(images)
    if writer is not None:
        return [_doubtful(row, writer) for row in rows]
    if not any(row["status"] in _UNSURE for row in rows):
        memory.keep(disks, key, rows, time.time_ns())
    return rows


def _doubtful(row: _Row, writer: str) -> _Row:
    """Say of what was read that it may be of two times, or of what was not that this may be why."""
    reason = f"another program has {writer} open for writing"
    if "filesystem" in row:
        reason += ", and may have changed what was read while it was read"
    return row | {"status": "locked", "reason": f"{reason}; {row['reason']}" if row["reason"] else reason}


def _judged(answer: dict[str, Any], disks: tuple[GuestDisk, ...]) -> _Row:
    """Say of a file system whether it could be read, and name the guest's disks that it lies on."""
    row = {key: value for key, value in answer.items() if key != "event"}
    row["disks"] = [disks[number].target for number in row["disks"] if number < len(disks)]
    kind, unread, incomplete = row["type"], row.pop("unread", ""), row.pop("incomplete", False)
    if incomplete:
        row |= {"status": "incomplete", "reason": "a disk of its volume group is missing"}
    elif kind == "swap":
        row |= {"status": "swap", "reason": "swap space holds no files"}
    elif kind.startswith("crypto_"):
        row |= {"status": "encrypted", "reason": "it is encrypted, and its key is not here"}
    elif kind == "LVM2_member":
        row |= {"status": "incomplete", "reason": "no logical volume of its volume group could be found"}
    elif kind == "unknown":
        row |= {"status": "unknown", "reason": "what is in it is of no type that libguestfs knows"}
    elif _NO_MEMORY in unread:
        row |= {"status": "appliance failed", "reason": "its appliance has too little memory to mount it"}
    elif unread:
        row |= {"status": "corrupt", "reason": f"it cannot be mounted: {' '.join(unread.split())}"}
    else:
        row |= {"status": "ok", "reason": None}
    return row


def _gap(status: str, reason: str, disks: tuple[str, ...] = ()) -> _Row:
    """Give the row of what could not be read."""
    return {"disks": list(disks), "status": status, "reason": reason}
