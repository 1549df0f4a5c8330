"""Asking an appliance about the files of one guest, without any mount on this machine."""

from __future__ import annotations

import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from kvmnb.errors import BadValue, KvmnbError, NotFound, Refused
from kvmnb.guests.appliance import PATIENCE, ask
from kvmnb.guests.mounting import look, refuse_mounted
from kvmnb.host import Host

Answer = dict[str, Any]

#: What an entry is, by the kind in its mode.
KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "folder",
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "pipe",
    stat.S_IFSOCK: "socket",
    stat.S_IFBLK: "block device",
    stat.S_IFCHR: "character device",
}


def kind(mode: int | None) -> str | None:
    """Give the word for what an entry is, by its mode."""
    return None if mode is None else KINDS.get(stat.S_IFMT(mode))


def octal(mode: int | None) -> str | None:
    """Give an entry's permissions as they are written."""
    return None if mode is None else f"{stat.S_IMODE(mode):04o}"


def guest_path(path: str | Path) -> str:
    """Give a path in a guest as it is asked for: from the root, and never upwards.

    Raises
    ------
    BadValue
        It holds ``..`` or a NUL.
    """
    parts = str(path).split("/")
    if ".." in parts or "\0" in str(path):
        raise BadValue(f"{str(path)!r} is no plain path in a guest", "leave out .. and NUL")
    return "/" + "/".join(part for part in parts if part not in {"", "."})


def ask_files(
    host: Host,
    guest: str,
    device: str | None,
    hear: Callable[[Answer], None],
    *,
    readonly: bool = True,
    patience: float = PATIENCE,
    **request: object,
) -> None:
    """Have an appliance do one task with a guest's files.

    Parameters
    ----------
    host, guest, device
        As for `kvmnb.mount`.
    hear : callable
        Gets the answers.
    readonly : bool
        Whether the guest stays as it is.
    patience : float
        The most seconds that it may take.
    **request
        The ``task`` and what it needs; see ``files_worker.py``.

    Raises
    ------
    kvmnb.errors.NotFound, kvmnb.errors.ReadOnly, kvmnb.errors.Refused
        As for `kvmnb.mount`; also for a path that is not there.
    kvmnb.guests.appliance.ApplianceFailed
        The appliance failed.
    """
    _, _, disks = look(host, guest, readonly=readonly)
    refuse_mounted(disks, readonly=readonly)
    with tempfile.TemporaryDirectory(prefix="kvmnb-word-") as folder:
        word = Path(folder) / "word"

        def tell(answer: Answer) -> None:
            if answer["event"] == "wanting":
                _refuse(guest, device, answer)
            if answer["event"] == "ready":  # the appliance holds the images, and has not written anything
                _, _, now = look(host, guest, readonly=False)
                if now != disks:
                    raise Refused(f"The disks of guest {guest!r} were changed meanwhile", "ask once more")
                word.touch()
            hear(answer)

        told: Answer = {
            "disks": [{"path": disk.path, "format": disk.format} for disk in disks],
            "device": device,
        }
        told |= {"readonly": readonly, "word": str(word), **request}
        ask(told, tell, patience=patience, program="files_worker.py")


def _refuse(guest: str, device: str | None, answer: Answer) -> NoReturn:
    kind, reason = answer["kind"], " ".join(str(answer["reason"]).split())
    if kind in {"device", "system"}:
        choice = ", ".join(answer["filesystems"]) or "none was found"
        what = (
            f"{device} of guest {guest!r} cannot be mounted"
            if device
            else f"No one system was found in guest {guest!r}"
        )
        raise NotFound(f"{what}: {reason}", f"choose a device of: {choice}")
    path = answer["path"]
    if kind == "exists":
        raise Refused(
            f"Nothing was copied: in guest {guest!r} there is {path!r} already", "give another name"
        )
    if kind == "no folder":
        raise BadValue(
            f"{path!r} in guest {guest!r} is no folder", "name the folder that it is to be copied to"
        )
    if kind == "missing":
        raise NotFound(f"There is no {path!r} in guest {guest!r}: {reason}", "list its folder with kvmnb.ls")
    raise KvmnbError(f"The appliance wants {kind!r}", "install one version of the kit")
