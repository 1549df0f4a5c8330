"""Files that appear whole or not at all, and what is left of those whose writer was killed."""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import pyarrow as pa
import pyarrow.parquet as pq

from kvmnb.errors import HistoryFailed
from kvmnb.samples.arrow import plain
from kvmnb.samples.store import Store

#: Rows that are decoded at once. A day of 1,000 volumes has a few such groups, so that who wants the last
#: sample of each day reads only the last of them.
_GROUP = 1 << 16


class Drafts:
    """Files that are being written. At the end of the block what was not published is gone.

    Each is locked for as long as it is a draft: a lock ends with its process, so that what lies there without
    one is surely left over. The store may be on NFS where that passes locks on to its server.

    Parameters
    ----------
    store : Store
        It is made where it is not there yet.
    durable : bool
        Whether what is published is there even after the power fails. It costs much of the time.
    """

    def __init__(self, store: Store, *, durable: bool = True) -> None:
        self._store = store
        self._durable = durable
        self._drafts: list[tuple[int, Path, Path]] = []

    def __enter__(self) -> Self:
        try:
            if not self._store.path.is_dir():
                make_folders(self._store.path, mode=0o700)  # names of guests are nobody else's business
            self._store.parts.mkdir(exist_ok=True)
        except OSError as error:
            raise _failed(self._store.path, error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for descriptor, draft, _target in self._drafts:
            with suppress(FileNotFoundError):  # published
                draft.unlink()
            os.close(descriptor)

    def write(self, table: pa.Table, target: Path, owner: str) -> None:
        """Write a file to the disk, where no reader sees it yet.

        Parameters
        ----------
        table : pyarrow.Table
            Its content, with its metadata.
        target : pathlib.Path
            Where it is to be.
        owner : str
            What the draft is known by: the sample's id.

        Raises
        ------
        HistoryFailed
            There is no room for it, or it may not be written.
        """
        frame = target.relative_to(self._store.path).parts[0]
        draft = self._store.parts / f"{owner}.{frame}"
        try:
            descriptor = _locked(draft)
            self._drafts.append((descriptor, draft, target))
            with open(descriptor, "wb", closefd=False) as file:
                _write(table, file)
            if self._durable:
                os.fsync(descriptor)
        except OSError as error:
            raise _failed(draft, error) from error

    def publish(self) -> None:
        """Move each file to where it is to be, in the order in which they were written.

        When this returns, they are on the disk and stay there. The last one gets there after all the others
        are safe. Where one cannot be moved, all are taken back.

        Raises
        ------
        HistoryFailed
            One could not be moved.
        """
        done: list[Path] = []
        try:
            for _descriptor, draft, target in self._drafts[:-1]:
                _move(draft, target)
                done.append(target)
            for folder in {target.parent for target in done} if self._durable else ():
                sync(folder)
            for _descriptor, draft, target in self._drafts[-1:]:
                _move(draft, target)
                done.append(target)
                if self._durable:
                    sync(target.parent)
        except OSError as error:
            for target in reversed(done):  # the last first: it is what makes the others count
                with suppress(OSError):  # such as one that a pruning has removed
                    target.unlink()
            raise _failed(self._store.path, error) from error


def _write(table: pa.Table, file: IO[bytes]) -> None:
    """Write a table by groups of rows; coded text becomes plain, which every reader takes for what it is."""
    schema = pa.schema([(f.name, plain(f.type)) for f in table.schema], metadata=table.schema.metadata)
    with pq.ParquetWriter(file, schema, compression="zstd", write_page_checksum=True) as writer:
        for start in range(0, len(table), _GROUP):
            writer.write_table(table.slice(start, _GROUP).cast(schema), row_group_size=_GROUP)


def _failed(path: Path, error: OSError) -> HistoryFailed:
    remedy = "make room or make it writable, or name another folder for the store of samples"
    return HistoryFailed(f"{path} cannot be written: {error.strerror or error}", remedy)


def _locked(draft: Path) -> int:
    """Make an empty file that no sweep removes; give its open descriptor."""
    while True:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)  # it was swept away between the two


def _move(draft: Path, target: Path) -> None:
    for attempt in range(10):
        try:
            make_folders(target.parent)
            draft.rename(target)
        except FileNotFoundError:  # the folder was just removed, as being empty, by a pruning
            if attempt == 9:
                raise
        else:
            return


def make_folders(folder: Path, mode: int = 0o777) -> None:
    """Make a folder and those above it, and see that they are on the disk."""
    try:
        folder.mkdir(mode=mode)
    except FileExistsError:
        return
    except FileNotFoundError:
        make_folders(folder.parent, mode)
        make_folders(folder, mode)
        return
    sync(folder.parent)


def sync(folder: Path) -> None:
    """See that what has changed in a folder is on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some FUSE file systems cannot do that for folders
            raise
    finally:
        os.close(descriptor)


def under_way(store: Store) -> set[str]:
    """Give the samples that are being written, and remove what writers that were killed have left.

    Returns
    -------
    set of str
        Their ids. One that has none of its files here is complete, or will never be.
    """
    found: set[str] = set()
    try:
        drafts = list(store.parts.iterdir())
    except FileNotFoundError:
        return found
    except OSError as error:
        raise _failed(store.parts, error) from error
    for draft in drafts:
        if _held(draft):
            found.add(draft.name.partition(".")[0])
    return found


def _held(draft: Path) -> bool:
    """Tell whether somebody writes a draft; remove it where nobody does."""
    try:
        descriptor = os.open(draft, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError:  # another user's: leave it to them
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with suppress(FileNotFoundError):  # published, or swept by another, since it was opened
            draft.unlink()
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
