"""The files of a record: a name that no other record has, and writing that leaves no half of one."""

from __future__ import annotations

import os
import tempfile
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import nbformat

from kvmnb.errors import BadValue, KvmnbError


class RecordFailed(KvmnbError, OSError):
    """A runbook's record cannot be written; without a record no runbook is run."""


def now() -> datetime:
    """Give the time, in UTC."""
    return datetime.now(UTC)


def load(path: Path) -> Any:  # noqa: ANN401 - nbformat has no types
    """Read a notebook; raise `BadValue` where the file is none."""
    try:
        notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    except (ValueError, AttributeError, nbformat.ValidationError) as error:
        # nbformat looks into what it has read before it has made sure that it is a notebook.
        what = f"{path} cannot be read as a notebook"
        raise BadValue(what, "give the path of a notebook that Jupyter opens") from error
    # An older notebook's cells have no ids, without which the stamp would not be valid in it.
    return nbformat.v4.upgrade(notebook) or notebook  # type: ignore[no-untyped-call]


def save(notebook: Any, path: Path) -> None:  # noqa: ANN401 - nbformat has no types
    """Write a notebook in one go."""
    write(path, nbformat.writes(notebook))  # type: ignore[no-untyped-call]


def reserve(wanted: Path | None, runbook: str, now: datetime) -> Path:
    """Take a name for a record that no file has yet, and make the empty file.

    Parameters
    ----------
    wanted : pathlib.Path or None
        The file, or a folder for a file named by runbook and time. None is the user's folder of records,
        ``kvmnb/records`` in ``XDG_STATE_HOME`` or ``~/.local/state``.
    runbook : str
        Name of the runbook.
    now : datetime.datetime
        When it starts.

    Returns
    -------
    pathlib.Path
        An absolute path.

    Raises
    ------
    BadValue
        There is such a file already, or its name does not end in .ipynb.
    RecordFailed
        It cannot be written.
    """
    folder = wanted if wanted is None or wanted.is_dir() else None
    if wanted is not None and folder is None:
        if wanted.suffix != ".ipynb":
            raise BadValue(f"The record {wanted} is no notebook", "give it a name that ends in .ipynb")
        if not _make(wanted):
            raise BadValue(f"The file {wanted} is there already", "name another: no record is overwritten")
        return wanted.absolute()
    folder = folder or _default_folder()
    base = f"{runbook}-{now.strftime('%Y%m%dT%H%M%SZ')}"
    # Two runs may start within one second.
    names = (f"{base}{'' if number == 1 else f'-{number}'}.ipynb" for number in count(1))
    return next(folder / name for name in names if _make(folder / name)).absolute()


def _default_folder() -> Path:
    named = Path(os.environ.get("XDG_STATE_HOME", ""))
    state = named if named.is_absolute() else Path.home() / ".local" / "state"
    return state / "kvmnb" / "records"


def _make(path: Path) -> bool:
    """Make the file, for the user alone; False where there is one already."""
    try:
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
    except OSError as error:
        raise _failed(path, error) from error
    try:
        path.touch(mode=0o600, exist_ok=False)
    except FileExistsError:
        return False
    except OSError as error:
        raise _failed(path, error) from error
    return True


def write(path: Path, text: str) -> None:
    """Write a file of a record in one go: a reader sees the old one or the new one, never a part."""
    # Output may hold half a character, from a name that is not UTF-8; a file cannot.
    data = text.encode(errors="backslashreplace")
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as new:
            try:
                new.write(data)
                new.flush()
                os.fsync(new.fileno())
                Path(new.name).replace(path)
            finally:
                Path(new.name).unlink(missing_ok=True)  # where it did not get that far
    except OSError as error:
        raise _failed(path, error) from error


def _failed(path: Path, error: OSError) -> RecordFailed:
    remedy = "make room or make it writable, or name another file with --record"
    return RecordFailed(f"The record {path} cannot be written: {error.strerror}", remedy)


def log_path(record: Path) -> Path:
    """Give the name of a file beside the record, for its full outputs, that no file has yet."""
    names = (f"{record.stem}{'' if number == 1 else f'-{number}'}.log" for number in count(1))
    return next(path for path in map(record.with_name, names) if not path.exists())
