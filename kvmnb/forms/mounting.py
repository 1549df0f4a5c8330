"""The goals of mounting a guest, of unmounting it, and of copying out of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from kvmnb.errors import KvmnbError, NotFound, StillInUse
from kvmnb.forms.calls import Arguments, CallGoal, call_goal, stands_in_the_way
from kvmnb.guests.copying import copy_out
from kvmnb.guests.fuse import require_fuse
from kvmnb.guests.mounting import look, mount, refuse_mounted
from kvmnb.guests.mounts import mounts, unmount
from kvmnb.host import Host
from kvmnb.storage.model import Problem

if TYPE_CHECKING:
    import pandas as pd

#: The mounts that forms of this kernel hold open, by their path. When the kernel ends, they are unmounted.
_held: dict[str, ExitStack] = {}


def hold(host: Host, guest: str, device: str | None = None, readonly: bool = True) -> pd.DataFrame:
    """Mount a guest and leave it mounted until `release`, or until this process ends.

    Parameters
    ----------
    host, guest, device, readonly
        As for `kvmnb.mount`.

    Returns
    -------
    pandas.DataFrame
        Its row of the `kvmnb.schema.MOUNTS` frame.

    Raises
    ------
    kvmnb.errors.KvmnbError
        As for `kvmnb.mount`.
    """
    with ExitStack() as stack:
        root = str(stack.enter_context(mount(host, guest, device, readonly)))
        _held[root] = stack.pop_all()
    frame = mounts()
    return frame[frame["path"] == root].reset_index(drop=True)


def release(path: str) -> pd.DataFrame:
    """Unmount a guest, whoever left it mounted.

    Parameters
    ----------
    path : str
        Where it is mounted, as `kvmnb.mounts` tells it.

    Returns
    -------
    pandas.DataFrame
        What `kvmnb.unmount` tells.

    Raises
    ------
    kvmnb.errors.KvmnbError
        As for `kvmnb.unmount`; it stays mounted.
    """
    frame = unmount(path)
    _held.pop(path, ExitStack()).close()
    return frame


def release_left() -> pd.DataFrame:
    """Unmount all that processes which have ended left mounted.

    Returns
    -------
    pandas.DataFrame
        The `kvmnb.schema.MOUNTS` frame of what is still mounted.

    Raises
    ------
    kvmnb.errors.StillInUse
        Some of it could not be unmounted; the rest was.
    """
    problems: list[str] = []
    for path in left_over(mounts()):
        try:
            release(path)
        except NotFound:
            continue  # another has cleared it meanwhile
        except KvmnbError as error:
            problems.append(str(error).rstrip("."))
    if problems:
        raise StillInUse(". ".join(problems), "close what is open there, then clear it again")
    return mounts()


def left_over(frame: pd.DataFrame) -> list[str]:
    """Give the paths of mounts whose owner, or whose program, has ended."""
    return [str(path) for path in frame.loc[frame["status"].isin({"stale", "dead"}), "path"]]


def mount_goal() -> CallGoal:
    """Make the goal of mounting a guest; read-only unless that is unticked."""
    return call_goal(
        hold,
        _mount_words,
        _mount_command,
        declared=mount,
        problems=_mount_problems,
        cell="with {} as root:\n    print(*sorted(root.iterdir()), sep='\\n')",
        undo="unmounting it, below; it is unmounted too when this notebook's kernel ends",
    )


def _mount_words(told: Arguments) -> str:
    what = told.get("device") or "the file systems"
    how = "for reading only" if told.get("readonly", True) else "for reading and WRITING"
    return f"Mount {what} of guest {told['guest']!r} {how}, in a new folder of your own"


def _mount_command(told: Arguments) -> list[str]:
    how = "--ro" if told.get("readonly", True) else "--rw"
    what = ["-m", str(told["device"])] if told.get("device") else ["-i"]
    return ["guestmount", how, f"--domain={told['guest']}", *what, "FOLDER"]


def _mount_problems(host: Host, told: Arguments) -> Iterator[Problem]:
    yield from stands_in_the_way(require_fuse)
    readonly = bool(told.get("readonly", True))

    def try_it(*, readonly: bool) -> None:
        _seen, _guest, disks = look(host, str(told["guest"]), readonly=readonly)
        refuse_mounted(disks, readonly=readonly)

    reading = list(stands_in_the_way(lambda: try_it(readonly=True), "guest"))
    yield from reading
    for row in mounts().itertuples():
        if (row.guest, row.status) == (told["guest"], "mounted"):
            yield Problem(f"It is mounted already, at {row.path}", "see the mounts below", "guest", "warn")
    if not readonly and not reading:
        yield from stands_in_the_way(lambda: try_it(readonly=False), "readonly")


def unmount_goal(chosen: Callable[[], str]) -> CallGoal:
    """Make the goal of unmounting what is chosen in the table of mounts."""
    return call_goal(
        release,
        lambda told: f"Unmount {told['path']}, and wait until the image is complete",
        lambda told: ["guestunmount", str(told["path"])],
        declared=unmount,
        leave_out=("path",),
        chosen=lambda: {"path": chosen()} if chosen() else None,
        needed="a mount, chosen in the table of mounts",
    )


def copy_out_goal(chosen: Callable[[], Arguments | None]) -> CallGoal:
    """Make the goal of copying out of a guest what is chosen in the table of its files."""
    return call_goal(
        copy_out,
        lambda told: (
            f"Copy {told['paths']!r} out of guest {told['guest']!r} to the folder {told['folder']!r}"
        ),
        _copy_command,
        leave_out=("guest", "paths", "device"),
        chosen=chosen,
        needed="a file or folder, chosen in the table of files",
        problems=_copy_problems,
    )


def _copy_command(told: Arguments) -> list[str]:
    if told.get("device"):
        where = [f"--domain={told['guest']}", "-m", told["device"]]
        return ["guestfish", "--ro", *where, "copy-out", told["paths"], told["folder"]]
    return ["virt-copy-out", "-d", told["guest"], told["paths"], told["folder"]]


def _copy_problems(host: Host, told: Arguments) -> Iterator[Problem]:
    def can_be_read() -> None:
        _seen, _guest, disks = look(host, str(told["guest"]), readonly=True)
        refuse_mounted(disks, readonly=True)

    yield from stands_in_the_way(can_be_read)
    folder = Path(str(told["folder"])).expanduser()
    name = str(told["paths"]).rpartition("/")[2]
    if not folder.is_dir():
        yield Problem(f"There is no folder {str(folder)!r} here", "name one, or make it first", "folder")
    elif (folder / name).is_symlink() or (folder / name).exists():
        yield Problem(f"There is something at {str(folder / name)!r}", "choose another folder", "folder")
