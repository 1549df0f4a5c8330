"""Listing what is in a guest's folders, in an appliance or where it is mounted."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from kvmnb.errors import BadValue
from kvmnb.guests.asking import Answer, ask_files, guest_path, kind, octal
from kvmnb.host import Host
from kvmnb.schema import LS, returns

if TYPE_CHECKING:
    import pandas as pd

_Row = dict[str, Any]

#: A time in a frame counts nanoseconds from 1970, either way; file systems can hold later and earlier ones.
_FURTHEST = 2**63 - 1


@overload
def ls(host: Host, guest: str, path: str | Path = "/", device: str | None = None) -> pd.DataFrame: ...


@overload
def ls(host: Path) -> pd.DataFrame: ...


@returns(LS)
def ls(
    host: Host | Path, guest: str | None = None, path: str | Path = "/", device: str | None = None
) -> pd.DataFrame:
    """List a folder of a guest, whether it runs or not, and with no need to mount it or for FUSE.

    Reads only: an appliance of libguestfs opens the disks read-only. Links are listed as links; one in
    ``path`` is followed within the guest.

    Parameters
    ----------
    host : Host or Path
        The host; or a folder of a guest that is mounted, such as ``root / "etc"``, and nothing else.
    guest : str
        The guest's name.
    path : str or Path
        The folder, or one file, in the guest.
    device : str, optional
        As for `kvmnb.mount`.

    Raises
    ------
    kvmnb.errors.NotFound
        There is no such guest, device or path; the message says what there is.
    kvmnb.errors.Refused
        A disk is missing, or is written to at the moment.
    """
    read_at = time.time_ns()
    if isinstance(host, Path):
        rows = sorted(_mounted(host), key=lambda row: str(row["name"]))
        return LS.build(rows, guest=None, device=None, read_at=read_at)
    if guest is None:
        raise BadValue(
            "A guest is missing", "give the host and the guest's name, or a folder that is mounted"
        )
    where = guest_path(path)
    found: list[_Row] = []

    def hear(answer: Answer) -> None:
        if answer["event"] == "entry":
            told = answer["stat"] or {}
            row = _row(where, answer["name"], answer["target"], **told)
            found.append({**row, "guest": guest, "source": "appliance"})

    ask_files(host, guest, device, hear, task="list", path=where)
    return LS.build(
        sorted(found, key=lambda row: str(row["name"])), guest=guest, device=device, read_at=read_at
    )


def _row(
    folder: str,
    name: str,
    target: str | None,
    *,
    mode: int | None = None,
    uid: int | None = None,
    gid: int | None = None,
    size: int | None = None,
    atime: int | None = None,
    mtime: int | None = None,
    ctime: int | None = None,
    reason: str = "what it is cannot be read: its file system may be damaged",
) -> _Row:
    known = mode is not None
    if not all(time is None or abs(time) < _FURTHEST for time in (atime, mtime, ctime)):
        known, reason = False, "its times lie outside of what can be told, the years 1678 to 2261"
        atime, mtime, ctime = None, None, None
    return {
        "folder": folder,
        "name": name,
        "type": kind(mode),
        "size": size,
        "mode": octal(mode),
        "owner": uid,
        "group": gid,
        "modified": mtime,
        "accessed": atime,
        "changed": ctime,
        "target": target,
        "status": "ok" if known else "unreadable",
        "reason": None if known else reason,
    }


def _mounted(folder: Path) -> Iterator[_Row]:
    """Give the entries of a folder of this machine; nothing is opened but the folder itself."""
    with os.scandir(folder) as entries:
        for entry in entries:
            told: _Row = {}
            target = None
            try:
                facts = entry.stat(follow_symlinks=False)
                told = {
                    "mode": facts.st_mode,
                    "uid": facts.st_uid,
                    "gid": facts.st_gid,
                    "size": facts.st_size,
                }
                told |= {"atime": facts.st_atime_ns, "mtime": facts.st_mtime_ns, "ctime": facts.st_ctime_ns}
                if stat.S_ISLNK(facts.st_mode):
                    target = os.readlink(entry.path)  # noqa: PTH115 - exactly as it is written
            except OSError as error:
                told = {"reason": str(error.strerror)}
            yield {**_row(str(folder), entry.name, target, **told), "guest": None, "source": "mount"}
