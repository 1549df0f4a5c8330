"""What the tests of guests' files get: images that are made once, and a host with copies of them."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from kvmnb.host import connect
from tests.daemon import Daemon
from tests.guests.house import House, make_images


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of the images, made once for all processes of a run; never write to them."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with (shared / "images.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder, made = shared / "images", shared / "images.made"
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)  # another could not make them
            folder.mkdir()
            make_images(folder)
            made.touch()
    return folder


@pytest.fixture
def house(clean_daemon: Daemon, images: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """Give a host that may be changed, with the means to make guests; mounts and notes of its own."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(clean_daemon.home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(clean_daemon.home))
    with connect(clean_daemon.uri, readonly=False) as host:
        yield House(clean_daemon, host, images)
