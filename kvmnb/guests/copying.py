"""Copying files out of a guest and into it, without any mount on this machine."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from kvmnb.errors import BadValue, NotFound, Refused
from kvmnb.guests.asking import Answer, ask_files, guest_path, kind, octal
from kvmnb.host import Host
from kvmnb.schema import COPIED, returns
from kvmnb.storage.files import publish
from kvmnb.storage.roles import GuestName, Role

if TYPE_CHECKING:
    import pandas as pd

#: Makes what is told how many bytes are behind and how many there are in all, such as `kvmnb.progress_bar`.
MakeProgress = Callable[[str], Callable[[int, int], None]]

#: Seconds that copying may take; its progress shows whether it goes on.
_PATIENCE = 24 * 3600.0

Paths = str | Path | Sequence[str | Path]


@returns(COPIED)
def copy_out(
    host: Host,
    guest: GuestName,
    paths: Paths,
    folder: Annotated[str | Path, Role.FOLDER],
    device: str | None = None,
    *,
    progress: MakeProgress | None = None,
) -> pd.DataFrame:
    """Copy files and folders out of a guest, whether it runs or not, and without FUSE.

    Nothing is replaced, and nothing is there under its name before all is complete. Permissions and times
    are kept, owners and setuid bits are not; links, devices and pipes are not copied, since here they would
    mean something else: each has a row that says so.

    Parameters
    ----------
    host : Host
        A host whose images are on this machine.
    guest : str
        The guest's name.
    paths : str, Path or a sequence of them
        What to copy; of a link that to which it leads in the guest.
    folder : str or Path
        A folder of this machine.
    device : str, optional
        As for `kvmnb.mount`.
    progress : callable, optional
        Makes what is told of the progress in bytes, such as `kvmnb.progress_bar`.

    Raises
    ------
    kvmnb.errors.NotFound
        There is no such guest, device or path, or no such folder here.
    kvmnb.errors.Refused
        Something of that name is in the folder already, there is no room for it, or a disk cannot be read.
    """
    wanted = [guest_path(path) for path in _each(paths)]
    names = [path.rpartition("/")[2] for path in wanted]
    if not wanted or "" in names or len(set(names)) < len(names):
        raise BadValue(f"{paths!r} does not say what to copy", "name files or folders, each name once")
    into = Path(folder).absolute()
    if not into.is_dir():
        raise NotFound(f"There is no folder {str(into)!r}", "make it first")
    for name in names:
        if os.path.lexists(into / name):
            raise _there_already(into / name)
    told = progress(f"Copy {len(wanted)} out of guest {guest}") if progress else None
    rows: list[Answer] = []
    part = into / f".kvmnb-{secrets.token_hex(8)}.part"
    part.mkdir(mode=0o700)
    try:
        hear = _listener(rows, told, str(into))
        ask_files(host, guest, device, hear, patience=_PATIENCE, task="copy_out", paths=wanted, to=str(part))
        _publish(part, into, names)
    finally:
        shutil.rmtree(part)
    ends = [str(into / name) for name in names]
    return _frame(rows, guest, device, ends)


def _publish(part: Path, into: Path, names: Sequence[str]) -> None:
    """Give what is complete its names; where one of them was taken meanwhile, take all back."""
    done: list[Path] = []
    end = into
    try:
        for number, name in enumerate(names):
            copy, end = part / str(number), into / name
            if not copy.exists():
                continue  # it was not copied, which its row says
            if copy.is_dir():
                _publish_folder(copy, end)
            else:
                publish(copy, end)
            done.append(end)
    except BaseException as error:  # Ctrl-C too
        for one in done:
            shutil.rmtree(one) if one.is_dir() else one.unlink()
        if isinstance(error, OSError) and error.errno in {errno.EEXIST, errno.ENOTEMPTY}:
            raise _there_already(end) from error
        raise


def _publish_folder(copy: Path, end: Path) -> None:
    end.mkdir()  # which fails where anything is there; an empty folder is then replaced
    try:
        copy.rename(end)
    except OSError:
        with suppress(OSError):  # another has put something into it meanwhile, which stays
            end.rmdir()
        raise


def _there_already(path: Path) -> Refused:
    return Refused(f"Nothing was copied: there is something at {str(path)!r}", "choose another folder")


@returns(COPIED)
def copy_in(
    host: Host,
    guest: GuestName,
    files: Annotated[Paths, Role.FILE],
    folder: str | Path,
    device: str | None = None,
    *,
    progress: MakeProgress | None = None,
) -> pd.DataFrame:
    """Copy files and folders of this machine into a guest that is shut off, without FUSE.

    Nothing is replaced. Each is written under a name of its own, ``.kvmnb-….part``, and gets its name once
    all are complete; if it is interrupted or killed meanwhile, such a part may stay. They belong to the
    guest's root user; a guest that uses SELinux labels them with ``restorecon``. Links, devices and pipes
    are not copied, but a link that is named itself is followed.

    Parameters
    ----------
    host : Host
        A host that was opened with ``readonly=False``, whose images are on this machine.
    guest : str
        The guest's name.
    files : str, Path or a sequence of them
        What to copy.
    folder : str or Path
        The folder in the guest.
    device, progress
        As for `copy_out`.

    Raises
    ------
    kvmnb.errors.NotFound
        There is no such guest, device or folder, or no such file here.
    kvmnb.errors.ReadOnly, kvmnb.errors.Refused
        As for `kvmnb.mount` with ``readonly=False``; or something of that name is in the guest already, or
        there is no room for it.
    """
    sources = [Path(file).absolute() for file in _each(files)]
    if not sources or len({source.name for source in sources}) < len(sources):
        raise BadValue(f"{files!r} does not say what to copy", "name files or folders, each name once")
    if any(source.name in {"", ".."} for source in sources):
        raise BadValue(f"{files!r} does not say what it is to be called", "give paths that end with a name")
    for source in sources:
        if not (source.is_file() or source.is_dir()):
            raise NotFound(f"There is no file or folder {str(source)!r}", "see what ls says")
    told = progress(f"Copy {len(sources)} into guest {guest}") if progress else None
    rows: list[Answer] = []
    to, paths = guest_path(folder), [str(source) for source in sources]
    hear = _listener(rows, told, f"{to} in guest {guest}")
    ask_files(
        host, guest, device, hear, readonly=False, patience=_PATIENCE, task="copy_in", paths=paths, to=to
    )
    ends = [f"{to.rstrip('/')}/{source.name}" for source in sources]
    return _frame(rows, guest, device, ends)


def _each(paths: Paths) -> list[str | Path]:
    return [paths] if isinstance(paths, str | Path) else list(paths)


def _listener(
    rows: list[Answer], told: Callable[[int, int], None] | None, place: str
) -> Callable[[Answer], None]:
    def hear(answer: Answer) -> None:
        if answer["event"] == "copied":
            rows.append(answer)
        elif answer["event"] == "progress" and told:
            told(answer["done"], answer["total"])
        elif answer["event"] == "no room":
            raise Refused(
                f"Nothing was copied: there is no room at {place}: {answer['reason']}",
                "free some space there, or choose another folder",
            )

    return hear


def _frame(rows: list[Answer], guest: str, device: str | None, ends: list[str]) -> pd.DataFrame:
    return COPIED.build(
        (_row(row, guest, ends) for row in rows), guest=guest, device=device, read_at=time.time_ns()
    )


def _row(answer: Answer, guest: str, ends: list[str]) -> dict[str, Any]:
    number, slash, below = answer["copy"].partition("/")
    copied = not answer["status"]
    return {
        "guest": guest,
        "path": answer["path"],
        "copy": ends[int(number)] + slash + below if copied else None,
        "type": kind(answer["mode"]),
        "size": answer["size"],
        "mode": octal(answer["mode"]),
        "source": "appliance",
        "status": answer["status"] or "ok",
        "reason": answer["reason"] or None,
    }
