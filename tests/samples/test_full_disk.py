"""A full disk fails a sample, shows nothing of it, and harms none that is there."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from kvmnb.errors import HistoryFailed
from kvmnb.samples.reading import history
from kvmnb.samples.tidying import compact_history
from tests.daemon import Daemon
from tests.samples.making import NOON, data_files, put
from tests.storage_devices import loop_device

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")

HOUR = timedelta(hours=1)


@pytest.fixture
def small(clean_daemon: Daemon, tmp_path: Path) -> Iterator[Path]:
    """Give the folder of a file system of 4 MiB."""
    with loop_device(clean_daemon, 4 << 20) as device:
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", "-N", "256", device], check=True)
        subprocess.run(["mount", device, tmp_path], check=True)
        try:
            yield tmp_path
        finally:
            subprocess.run(["umount", tmp_path], check=True)


def leave(folder: Path, room: int) -> Path:
    """Fill the file system but for some bytes; give the file that does."""
    kept, filler = folder / "kept", folder / "filler"
    kept.write_bytes(bytes(room))
    os.sync()
    with filler.open("wb") as file:
        size, step = 0, 1 << 20
        while step >= 1024:  # its blocks
            try:
                os.posix_fallocate(file.fileno(), size, step)
                size += step
            except OSError:
                step //= 2
    kept.unlink()
    os.sync()
    return filler


def test_a_full_disk_shows_nothing_of_a_sample(small: Path) -> None:
    store = small / "store"
    first = put(store, NOON)
    before = data_files(store)
    failed: list[str] = []
    for kilobytes in range(0, 400, 3):
        filler = leave(small, kilobytes << 10)
        try:
            # A name of its own, so that it needs new folders, and rows that need many blocks.
            put(store, NOON + HOUR * kilobytes, 300, host=f"host{kilobytes}")
        except HistoryFailed as error:
            failed.append(str(error))
        else:
            break
        finally:
            filler.unlink()
        assert data_files(store) == before
        assert list((store / ".parts").iterdir()) == []
        assert set(history("volumes", store)["sample"]) == {first}
    assert len(failed) > 5
    assert all("No space left" in said for said in failed)
    assert history("volumes", store)["sample"].nunique() == 2


def test_a_full_disk_stops_a_compaction_before_it_deletes(small: Path) -> None:
    store = small / "store"
    for number in range(4):
        put(store, NOON + HOUR * number, 100)
    before = history("volumes", store)
    filler = leave(small, 0)
    files = data_files(store)
    with pytest.raises(HistoryFailed, match="No space left"):
        compact_history(store)
    assert data_files(store) == files
    filler.unlink()
    compact_history(store)
    assert len(data_files(store)) == 4
    assert history("volumes", store).equals(before)
