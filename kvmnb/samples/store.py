"""The folders and names of a store of samples."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from urllib.parse import quote, unquote

from kvmnb.errors import BadValue, HistoryFailed, NotFound

#: The frame whose rows make samples count; it is written last and removed first.
SAMPLES = "samples"

#: Where files are while they are written. Not beside the others: Polars, which reads a folder with all that
#: is in it, would stumble over them there.
PARTS = ".parts"

#: What Hive, Spark and Arrow call a partition whose value is not known.
_UNKNOWN = "__HIVE_DEFAULT_PARTITION__"

_SAMPLE = r"\d{8}T\d{12}Z-[0-9a-f]{12}"
_RAW = re.compile(rf"(?P<sample>{_SAMPLE})\.parquet", re.ASCII)
_MERGED = re.compile(rf"merged-{_SAMPLE}\.parquet", re.ASCII)


def default_store() -> Path:
    """Give where the store is: ``KVMNB_HISTORY``, else ``kvmnb/history`` in the user's state folder."""
    told = os.environ.get("KVMNB_HISTORY")
    if told:
        return Path(told)
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "kvmnb" / "history"


def new_id(when: datetime, unique: str | None = None) -> str:
    """Make an id that no other sample has and that sorts by time; `unique` is twelve digits of base 16."""
    return f"{when.astimezone(UTC).strftime('%Y%m%dT%H%M%S%fZ')}-{unique or secrets.token_hex(6)}"


def merged_name() -> str:
    """Make a name for a file of many samples."""
    return f"merged-{new_id(datetime.now(UTC))}.parquet"


def sample_of(name: str) -> str | None:
    """Give the sample that a file holds; None for a file of many samples."""
    match = _RAW.fullmatch(name)
    return match["sample"] if match else None


def is_ours(name: str) -> bool:
    """Tell whether a file has a name that the kit gives."""
    return bool(_RAW.fullmatch(name) or _MERGED.fullmatch(name))


@dataclass(frozen=True, order=True)
class Partition:
    """One day, in UTC, of one host.

    Parameters
    ----------
    day : str
        Such as ``2026-11-25``.
    host : str
        The host's name; empty for one without a name.
    """

    day: str
    host: str

    @classmethod
    def of(cls, when: datetime, host: str) -> Partition:
        """Give the partition that a sample belongs to."""
        return cls(when.astimezone(UTC).date().isoformat(), host)

    @property
    def path(self) -> Path:
        """Its folders below a frame's; every character that could mean something is percent-encoded."""
        return Path(f"day={self.day}", f"host={quote(self.host, safe='') or _UNKNOWN}")


@dataclass(frozen=True)
class Store:
    """A folder with samples.

    Parameters
    ----------
    path : Path
        The folder.
    """

    path: Path

    @classmethod
    def named(cls, path: str | Path | None, *, must_exist: bool = True) -> Store:
        """Give the store at a path, or the user's own.

        Raises
        ------
        NotFound
            There is no such folder, though there must be.
        BadValue
            The path is empty.
        """
        if path == "":  # to a Path that would be the current folder
            raise BadValue("The store of samples has no name", "name a folder, or leave it out for your own")
        store = cls(Path(path).absolute() if path is not None else default_store().absolute())
        if must_exist and not store.path.is_dir():
            remedy = 'take a first sample with "kvmnb sample", or name another folder'
            raise NotFound(f"There is no store of samples at {store.path}", remedy)
        return store

    @property
    def parts(self) -> Path:
        """Where files are while they are written."""
        return self.path / PARTS

    def folder(self, frame: str, partition: Partition) -> Path:
        """Give the folder of one frame's files of one day of one host."""
        return self.path / frame / partition.path

    def frames(self) -> list[str]:
        """Give the frames that it has anything of."""
        return [name for name in _entries(self.path) if (self.path / name).is_dir()]

    def partitions(
        self, frame: str, first: str = "", last: str = "9", hosts: frozenset[str] | None = None
    ) -> list[Partition]:
        """List the partitions of a frame from a first to a last day, by day and host."""
        found = []
        for day in _values(self.path / frame, "day"):
            if _is_day(day) and first <= day <= last:
                for host in _values(self.path / frame / f"day={day}", "host"):
                    partition = Partition(day, "" if host == _UNKNOWN else unquote(host))
                    if hosts is None or partition.host in hosts:
                        found.append(partition)
        return sorted(found)


def _values(folder: Path, key: str) -> Iterator[str]:
    """Give what stands after ``key=`` in the names of a folder's folders."""
    return (name.removeprefix(f"{key}=") for name in _entries(folder) if name.startswith(f"{key}="))


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _entries(folder: Path) -> list[str]:
    """List what no reader of such stores would leave out; empty where there is no folder."""
    try:
        return sorted(path.name for path in folder.iterdir() if not path.name.startswith((".", "_")))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise HistoryFailed(
            f"The folder {folder} of the store of samples cannot be read: {error.strerror}",
            "mend it or its permissions",
        ) from error


def files(folder: Path) -> list[str]:
    """List a partition's files as they were at one moment; empty where there are none.

    A listing while files are put together could miss the new file, which came after it had begun, and the old
    ones, which went before it ended. So two that agree are asked for.
    """
    seen = _entries(folder)
    for _ in range(100):
        again = _entries(folder)
        if again == seen:
            return seen
        seen = again
    raise HistoryFailed(f"The folder {folder} changes all the time", "try again when less is written to it")
