"""What the tests of images get."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kvmnb.images import qemu_img

MIB = 1 << 20


def _digests(folder: Path) -> dict[str, tuple[str, int]]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(p): (hashlib.sha256(p.read_bytes()).hexdigest(), p.stat().st_mtime_ns) for p in files}


@pytest.fixture
def untouched(tmp_path: Path) -> Iterator[Callable[[], None]]:
    """Have every test say when its images are ready; from then on none may change."""
    before: dict[str, tuple[str, int]] = {}

    def ready() -> None:
        before.update(_digests(tmp_path))

    yield ready
    if before:
        assert _digests(tmp_path) == before


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "images" / "a.qcow2"
    path.parent.mkdir()
    qemu_img.create(path, "qcow2", 8 * MIB)
    qemu_img.io(path, "qcow2", ["write -P 1 1M 1M"])
    return path
