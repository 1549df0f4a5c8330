"""Who keeps a mount from being taken away: open files, and copies of it in other mount namespaces."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from kvmnb.guests.guard import mounted
from kvmnb.programs import find, run


def holders_of(root: Path) -> Iterator[str]:
    """Name the processes that have files open below a folder, or work in it, as far as they may be seen."""
    inside = f"{root}/"
    for process in Path("/proc").glob("[0-9]*"):
        links = [process / "cwd", process / "root", process / "exe"]
        with suppress(OSError):
            links += list((process / "fd").iterdir())
        for link in links:
            with suppress(OSError):
                target = str(link.readlink())
                if target == str(root) or target.startswith(inside):
                    name = (process / "comm").read_text().strip()
                    yield f"{name} (process {process.name}), which has {target!r}"
                    break


def elsewhere(root: str) -> Iterator[int]:
    """Give one process of each other mount namespace that has a copy of a mount, as containers may.

    As long as one has it, guestmount serves it, and the image is not finished.
    """
    spaces = set()
    with suppress(OSError):
        spaces.add(Path("/proc/self/ns/mnt").readlink())
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            space = (process / "ns/mnt").readlink()
            if space not in spaces:
                spaces.add(space)
                if mounted(root, process.name):
                    yield int(process.name)


def take_away_elsewhere(root: str) -> None:
    """Unmount what other namespaces have copied, which only root may."""
    if os.geteuid() == 0 and find("nsenter"):
        for process in elsewhere(root):
            run(["nsenter", f"--mount=/proc/{process}/ns/mnt", "umount", root], timeout=60, check=False)
