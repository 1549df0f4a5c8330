"""The mounts of guests that this user has made, by whichever process, and unmounting them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kvmnb.errors import MountLost, NotFound, ProgramFailed, Refused, StillInUse
from kvmnb.guests.guard import began, end, group, mounted, remove
from kvmnb.guests.holders import elsewhere, holders_of, take_away_elsewhere
from kvmnb.programs import Held, find, run
from kvmnb.schema import MOUNTS, returns

if TYPE_CHECKING:
    import pandas as pd

#: Seconds that an image may take to be finished once it is unmounted.
FINISH = 300.0

#: How often guestunmount tries anew, waiting 1, then 2 seconds: somebody may just be looking.
_RETRIES = 2

#: Seconds in which an appliance that is not very busy answers.
_ANSWER = 60.0

#: Seconds after which a folder that no note tells of was left by a process that was killed.
_FORGOTTEN = 60.0

_REASONS = {
    "mounted": None,
    "stale": "the process that mounted it has ended; unmount it with kvmnb.unmount(path)",
    "starting": "its appliance is starting",
    "unfinished": "it is unmounted, but the image is still being finished: do not start the guest yet",
    "dead": "guestmount has ended, so that nothing there can be reached; clear it with kvmnb.unmount(path)",
}


@dataclass(frozen=True, slots=True)
class Mounted:
    """What is kept of a mount, in a file beside it.

    Parameters
    ----------
    folder : str
        The folder of the mount: ``root`` in it is where the guest's files are.
    guest, device : str
        The guest, and the device; empty where its whole layout is mounted.
    readonly : bool
        Whether it can only be read.
    images : tuple of str
        Its disks' top images.
    since : int
        When, in nanoseconds since 1970.
    owner : int
        Process id of whoever mounted it.
    owner_began : str
        When that process was started, as the kernel tells it.
    worker : int
        Process id of guestmount; 0 before it is started.
    worker_began : str
        When it was started.
    ready : bool
        Whether the files have been there; from then on guestmount may have something to finish.
    """

    folder: str
    guest: str
    device: str
    readonly: bool
    images: tuple[str, ...]
    since: int
    owner: int
    owner_began: str
    worker: int = 0
    worker_began: str = ""
    ready: bool = False

    @property
    def root(self) -> Path:
        """Where the guest's files are."""
        return Path(self.folder) / "root"

    @property
    def serving(self) -> bool:
        """Whether guestmount runs, which serves the files."""
        return self.worker != 0 and began(self.worker) == self.worker_began

    @property
    def working(self) -> bool:
        """Whether guestmount runs, or its QEMU, which has the image open and may outlive it."""
        if self.worker == 0 or began(self.worker) not in {"", self.worker_began}:
            return False  # where its number has been given anew, nothing of its group is left
        return bool(group(self.worker))

    @property
    def owned(self) -> bool:
        """Whether the process that mounted it runs."""
        return began(self.owner) == self.owner_began

    @property
    def status(self) -> str:
        """How it is; empty where it is no mount any more."""
        if mounted(str(self.root)):
            return ("mounted" if self.owned else "stale") if self.serving else "dead"
        if self.owned and not self.ready:
            return "starting" if self.working or not self.worker else ""
        return "unfinished" if self.working else ""


#: The programs behind this process's own mounts, by the folder: guestmount and the guard.
OWN: dict[str, tuple[Held, Held]] = {}


def mounts_folder() -> Path:
    """Give the folder of this user's mounts, which no other user can reach."""
    user = os.getuid()
    places = [os.environ.get("XDG_RUNTIME_DIR", ""), f"/run/user/{user}", "/run" if user == 0 else ""]
    for place in places:
        if place and Path(place).is_dir() and os.access(place, os.W_OK | os.X_OK):
            break
    else:
        place = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    # The kernel tells where something is mounted by the path without links.
    return Path(place).resolve() / "kvmnb" / "mounts"


def note(about: Mounted) -> None:
    """Keep what is known of a mount."""
    file = Path(about.folder) / "mount.json"
    part = file.with_suffix(".part")
    part.write_text(json.dumps(asdict(about)))
    part.replace(file)


def listed() -> Iterator[Mounted]:
    """Give what is kept of every mount, those of earlier crashes too, oldest first."""
    found = []
    for file in mounts_folder().glob("*/mount.json"):
        with suppress(OSError, ValueError, TypeError):  # it is just being removed, or another wrote it
            told = json.loads(file.read_text())
            found.append(Mounted(**{**told, "images": tuple(told["images"]), "folder": str(file.parent)}))
    yield from sorted(found, key=lambda one: one.since)


def sweep() -> None:
    """Remove the folders of mounts that have ended."""
    known = {about.folder: about for about in listed()}
    for folder in mounts_folder().glob("*"):
        about = known.get(str(folder))
        if about is None:
            # Without a note it is just being made, or just being removed, or forgotten.
            with suppress(OSError):
                if time.time() - folder.stat().st_mtime > _FORGOTTEN:
                    remove(folder)
        elif not about.status:
            remove(folder)


@returns(MOUNTS)
def mounts() -> pd.DataFrame:
    """List the guests' file systems that this user has mounted, those of processes that crashed too."""
    return MOUNTS.build(_row(about, about.status) for about in listed() if about.status)


def _row(about: Mounted, status: str, reason: str | None = None) -> dict[str, object]:
    return {
        "guest": about.guest,
        "device": about.device or None,
        "path": str(about.root),
        "readonly": about.readonly,
        "owner": about.owner,
        "worker": about.worker or None,
        "since": about.since,
        "status": status,
        "reason": reason or _REASONS.get(status),
    }


@returns(MOUNTS)
def unmount(path: str | Path) -> pd.DataFrame:
    """Unmount a guest's file system that an earlier process left, or that could not be unmounted before.

    It is no action, since it concerns no object of libvirt's. Files that are open stand in its way, and so
    does another process that still has it mounted.

    Parameters
    ----------
    path : str or Path
        Its ``path``, as `mounts` tells it.

    Raises
    ------
    kvmnb.errors.NotFound
        Nothing is mounted there by the kit.
    kvmnb.errors.Refused
        Another process uses it and still runs.
    kvmnb.errors.StillInUse
        Files are open, the error names who holds them; or the image is not finished yet.
    """
    known = {str(about.root): about for about in listed() if about.status}
    about = known.get(str(path))
    if about is None:
        raise NotFound(
            f"No guest is mounted at {str(path)!r}", f"choose one of: {', '.join(known) or 'none is mounted'}"
        )
    if about.owned and about.owner != os.getpid():
        raise Refused(
            f"{path} is in use by the process {about.owner}, which mounted it and still runs",
            "let it end its block, or end that process: it is unmounted by itself then",
        )
    try:
        finish(about)
    except MountLost as lost:
        return MOUNTS.build([_row(about, "lost", str(lost))])
    status = "finished" if about.owned else "unmounted"
    known_end = "" if about.owned else "guestmount ended; how, only the process that started it could tell"
    return MOUNTS.build([_row(about, status, known_end)])


def finish(about: Mounted) -> None:
    """Unmount, wait until the image is complete, and leave nothing behind.

    Raises
    ------
    StillInUse
        It could not be unmounted, or is not finished yet.
    MountLost
        guestmount or its appliance had ended before it was unmounted, or guestmount says that it failed.
    """
    held = OWN.get(about.folder)
    dead = mounted(str(about.root)) and not about.serving
    if not about.ready and about.serving and not mounted(str(about.root)):
        end(about.worker)  # nothing was ever mounted, so nothing was written
    # guestmount itself does not tell of it at its end.
    silent = not dead and about.ready and mounted(str(about.root)) and not _answers(about.root)
    _leave(about, dead=dead)
    if not _ended(about, held):
        copies = sorted(elsewhere(str(about.root)))
        raise StillInUse(
            f"The image of guest {about.guest!r} was not finished within {FINISH:g} seconds",
            f"wait for the process {about.worker} to end before you start the guest"
            + "".join(f"; process {one} has a copy of the mount in a namespace of its own" for one in copies),
        )
    status = held[0].wait(0) if held else 0
    said = "its appliance has ended" if silent else "guestmount has ended"
    if held and status != 0:
        said = held[0].failure().what
    forget(about)
    if dead or silent or status != 0:
        missing = "" if about.readonly else "; what was written last may be missing from the image"
        raise MountLost(
            f"The mount of guest {about.guest!r} was lost: {said}{missing}",
            "look at the kernel's log for a lack of memory, then mount it anew"
            + ("" if about.readonly else " and check what you wrote"),
        )


def _answers(root: Path) -> bool:
    """Tell whether the appliance behind a mount still answers; what takes long is taken for an answer."""
    try:
        return run(["stat", "--file-system", str(root)], timeout=_ANSWER, check=False).returncode == 0
    except ProgramFailed:
        return True


def forget(about: Mounted) -> None:
    """End the guard of a mount that has ended, and remove its folder."""
    held = OWN.pop(about.folder, None)
    if held:
        worker, guard = held
        guard.kill()  # a process that was forked meanwhile may hold its pipe open
        guard.close()
        worker.close()
    remove(Path(about.folder))


def _leave(about: Mounted, *, dead: bool) -> None:
    """Take the mount away, lazily where it is dead: nothing can be written through it any more."""
    root = str(about.root)
    if dead:
        fusermount = next((name for name in ("fusermount3", "fusermount") if find(name)), "fusermount3")
        run([fusermount, "-u", "-z", root], timeout=60, check=False)
    elif mounted(root):
        run(["guestunmount", "--quiet", f"--retry={_RETRIES}", root], timeout=60, check=False)
    if mounted(root):
        if not about.serving and not dead:  # it ended meanwhile
            _leave(about, dead=True)
            return
        holders = ", ".join(holders_of(about.root)) or "a program that cannot be named"
        raise StillInUse(
            f"{root} of guest {about.guest!r} is still in use by {holders}",
            "close what is open there, then unmount it with kvmnb.unmount(path)",
        )


def _ended(about: Mounted, held: tuple[Held, Held] | None) -> bool:
    deadline = time.monotonic() + FINISH
    take_away_elsewhere(str(about.root))
    if held and held[0].wait(FINISH) is None:
        return False
    # Where guestmount was killed, its QEMU has the image open for a while yet.
    while about.working and time.monotonic() < deadline:
        time.sleep(0.1)
    return not about.working
