"""Reading the folders and text files of a guest, through its mount or by an appliance; and writing lines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from kvmnb.errors import BadValue, KvmnbError
from kvmnb.forms import view
from kvmnb.guests.browsing import ls
from kvmnb.guests.inside import inside
from kvmnb.guests.logs import tail_file, tail_mounted
from kvmnb.guests.mounts import mounts
from kvmnb.host import Host
from kvmnb.notebook.tables import printable
from kvmnb.schema import LS

#: How many lines of a file are shown.
_LINES = 40

#: Of a line so many letters are shown at most; a hostile one may be endless.
_LONGEST = 2000


@dataclass(frozen=True)
class Where:
    """A place in a guest.

    Parameters
    ----------
    guest : str
        The guest; empty where none is chosen.
    device : str
        The file system, empty for the guest's own layout.
    path : str
        The path there, exactly.
    """

    guest: str = ""
    device: str = ""
    path: str = "/"

    def child(self, name: str) -> Where:
        """Give the place of an entry of this folder."""
        return replace(self, path=f"{self.path.rstrip('/')}/{name}")

    def parent(self) -> Where:
        """Give the folder above."""
        return replace(self, path=self.path.rstrip("/").rpartition("/")[0] or "/")

    def arguments(self) -> dict[str, str]:
        """Give it as the kit's functions take it, without the path."""
        return {"guest": self.guest, **({"device": self.device} if self.device else {})}


def mounted_at(where: Where) -> Path | None:
    """Give the folder where the same file systems of a guest are mounted; None where they are not."""
    for row in mounts().itertuples():
        device = "" if row.device is pd.NA else row.device
        if (row.guest, device, row.status) == (where.guest, where.device, "mounted"):
            return Path(str(row.path))
    return None


def read_folder(host: Host, where: Where) -> pd.DataFrame:
    """List a folder: through its mount, where there is one, else by an appliance.

    Parameters
    ----------
    host : Host
        The host.
    where : Where
        The folder; without a guest there is nothing in it.

    Returns
    -------
    pandas.DataFrame
        The `kvmnb.schema.LS` frame.

    Raises
    ------
    kvmnb.errors.KvmnbError
        As for `kvmnb.ls`; a mount that fails too.
    """
    if not where.guest:
        return LS.empty()
    root = mounted_at(where)
    if root is None:
        return ls(host, where.guest, where.path, where.device or None)
    return _through(root, where, ls)


def read_text(host: Host, where: Where) -> pd.DataFrame:
    """Give the last lines of a file, as `read_folder` lists folders."""
    root = mounted_at(where)
    if root is None:
        return tail_file(host, where.guest, where.path, _LINES, where.device or None)
    return _through(root, where, lambda _file: tail_mounted(root, where.path, _LINES))


def _through(root: Path, where: Where, read: Callable[[Path], pd.DataFrame]) -> pd.DataFrame:
    try:
        return read(inside(root, where.path))
    except NotADirectoryError as error:
        raise BadValue(f"{where.path!r} is no folder", "go up, and choose a folder") from error
    except OSError as error:
        raise KvmnbError(
            f"{where.path!r} of guest {where.guest!r} cannot be read through its mount: {error.strerror}",
            "unmount the guest and mount it anew",
        ) from error


def lines_html(frame: pd.DataFrame) -> str:
    """Write the lines of a LOGS frame, each log under its name; a line that is no text is left out."""
    parts = []
    for log, rows in frame.groupby("log", sort=False):
        told = [_line(line) for line in rows["line"].dropna()]
        if not told:
            why = ", ".join(rows["reason"].fillna(rows["status"]).unique())
            parts.append(f"<div><b>{view.words(printable(str(log)))}</b>: {view.words(printable(why))}</div>")
            continue
        body = "\n".join(told)
        parts.append(f"<div><b>{view.words(printable(str(log)))}</b></div><pre tabindex='0'>{body}</pre>")
    return f"<div class='kvmnb-text' role='status'>{''.join(parts)}</div>"


def _line(line: str) -> str:
    if "\0" in line:
        return "(this is no text)"
    return view.words(printable(line[:_LONGEST]) + (" …" if len(line) > _LONGEST else ""))
