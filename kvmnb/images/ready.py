"""Whether a place is ready for a comparison, and which place to propose."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kvmnb.errors import BadValue, KvmnbError
from kvmnb.images.asked import need, sizes_asked
from kvmnb.images.candidates import Candidate, choose
from kvmnb.images.installed import formats as known_formats
from kvmnb.images.installed import version
from kvmnb.images.speed import cache_mode
from kvmnb.images.workspace import filesystem, folder, why, workspace
from kvmnb.schema import CHECKS
from kvmnb.units import format_size

if TYPE_CHECKING:
    import pandas as pd

#: Types of pools whose target is a folder with files in it.
_FOLDERS = {"dir", "fs", "netfs"}


def propose_place() -> str:
    """Propose a folder to compare formats in: where this user's guests would have their disks.

    Returns
    -------
    str
        ``$KVMNB_POOL_ROOT`` where that is set; else the target of the first running pool that is a folder
        which you may write to; else the folder for temporary files that outlive a restart.
    """
    root = os.environ.get("KVMNB_POOL_ROOT")
    if root:
        return root
    return next((target for target in _targets() if os.access(target, os.W_OK | os.X_OK)), _TEMPORARY)


#: Unlike /tmp it is seldom held in memory.
_TEMPORARY = "/var/tmp" if Path("/var/tmp").is_dir() else tempfile.gettempdir()  # noqa: S108 - proposed only


def _targets() -> list[str]:
    from kvmnb.host import connect  # noqa: PLC0415 - a comparison needs no libvirt

    try:
        with connect() as host:
            pools = host.pools()
    except KvmnbError:  # a proposal is not worth an error: the user names the place
        return []
    fit = pools[pools["type"].isin(_FOLDERS) & (pools["state"] == "running")]
    return fit["target"].dropna().tolist()


def check_place(
    where: str | os.PathLike[str],
    size: int | str = "1G",
    formats: Sequence[str | Candidate] | None = None,
    *,
    data: int | str = "32M",
) -> pd.DataFrame:
    """Look whether formats can be compared in a place; takes what `kvmnb.compare_formats` takes.

    Parameters
    ----------
    where : str or path
        The folder to measure in.
    size, formats, data
        As for `kvmnb.compare_formats`.

    Returns
    -------
    pandas.DataFrame
        The `kvmnb.schema.CHECKS` frame: one row per thing that must be true first, with its remedy.
    """

    def sizes() -> str:
        total, amount = sizes_asked(size, data)
        return f"{format_size(total)}, of which {format_size(amount)} are written"

    def candidates() -> str:
        return f"{len(choose(formats, known_formats()))} candidates, with qemu-img {version()}"

    def place() -> str:
        return f"writable, on {filesystem(folder(where))}"

    def space() -> str:
        asked = choose(formats, known_formats())
        wanted, free = need(asked, *sizes_asked(size, data)), shutil.disk_usage(folder(where)).free
        if free < wanted:
            raise BadValue(
                f"{format_size(free)} are free, and {format_size(wanted)} are needed",
                "free space, choose another place, or compare smaller disks or fewer formats",
            )
        return "enough for all of it"

    def direct() -> str:
        with workspace(folder(where)) as own:
            mode = cache_mode(own)
        return (
            "to the disk itself (cache=none)" if mode == "none" else "only through memory (cache=writeback)"
        )

    trials = (
        ("the sizes make sense", sizes),
        ("qemu-img knows the formats", candidates),
        ("the place can be written to", place),
        ("the place has space", space),
        ("how requests can go", direct),
    )
    return CHECKS.build(_check(what, trial) for what, trial in trials)


def _check(what: str, trial: Callable[[], str]) -> dict[str, object]:
    try:
        return {"check": what, "ok": True, "found": trial(), "remedy": None}
    except KvmnbError as error:
        return {"check": what, "ok": False, "found": error.what, "remedy": error.remedy}
    except OSError as error:  # such as a disk that is full to the last file
        remedy = "mend the place, or give another one"
        return {"check": what, "ok": False, "found": why(error), "remedy": remedy}
