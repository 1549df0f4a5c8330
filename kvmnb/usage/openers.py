"""Which processes of this machine have an image open. Reads only; pipes and sockets are left alone."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from kvmnb.guests.writers import being_written
from kvmnb.storage.model import Inventory
from kvmnb.usage.orphans import candidates, orphans

if TYPE_CHECKING:
    import pandas as pd

_ALL = "other users' processes could not be looked at, so that one of them may have it open"
_AWAY = "the host is another machine, so that its processes could not be looked at"


def openers(seen: Inventory, paths: Iterable[str]) -> tuple[dict[str, list[str]], str]:
    """Give who has files open.

    Parameters
    ----------
    seen : Inventory
        What was read of the host.
    paths : iterable of str
        Files of the host, links resolved.

    Returns
    -------
    dict of str to list of str
        Per file that is open, by whom.
    str
        Why not every process could be looked at; empty where all were.
    """
    if seen.reader.images is None:
        return {}, _AWAY
    wanted = set(paths)
    found: dict[str, list[str]] = {}
    hidden = False
    for process in Path("/proc").glob("[0-9]*"):
        try:
            links = list((process / "fd").iterdir())
        except PermissionError:
            hidden = True
            continue
        except OSError:  # it has ended
            continue
        for path in {path for link in links if (path := _target(link)) in wanted}:
            found.setdefault(path, []).append(_called(process))
    for path in wanted - found.keys():  # a lock also tells of a process that cannot be seen
        if being_written([path]):
            found[path] = ["a process that has locked it for writing"]
    return found, _ALL if hidden else ""


def _target(link: Path) -> str:
    with suppress(OSError):
        return os.readlink(link)  # noqa: PTH115 - a Path would drop what is written there
    return ""


def _called(process: Path) -> str:
    name = "a process"
    with suppress(OSError):
        name = (process / "comm").read_text().strip()
    return f"{name} (process {process.name})"


def orphans_now(seen: Inventory) -> pd.DataFrame:
    """Make the frame of the volumes that nobody is known to need, having looked at who has them open."""
    found = candidates(seen)
    held, not_looked = openers(seen, [image.path for image in found if image.path])
    return orphans(seen, found, held, not_looked)
