"""A program that has an image open for writing is seen by the locks that it holds."""

from __future__ import annotations

from pathlib import Path

from kvmnb.guests.writers import being_written
from tests.guests.holding import holding


def test_who_writes_is_seen_and_who_reads_is_not(tmp_path: Path) -> None:
    first, second = tmp_path / "first.raw", tmp_path / "second.raw"
    for image in (first, second):
        image.write_bytes(bytes(1 << 20))
    paths = [str(first), str(second)]
    assert being_written(paths) is None
    with holding(second, readonly=True):
        assert being_written(paths) is None
    with holding(second):
        assert being_written(paths) == str(second)
    assert being_written(paths) is None


def test_what_is_not_there_is_not_written(tmp_path: Path) -> None:
    assert being_written([str(tmp_path / "absent"), "\0"]) is None
