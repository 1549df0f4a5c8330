"""What the tests of guests' files get: images that are made once, and a host with copies of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kvmnb.host import connect
from tests.daemon import Daemon
from tests.guests.house import House, make_images


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of the images; never write to them."""
    folder = tmp_path_factory.mktemp("images")
    make_images(folder)
    return folder


@pytest.fixture
def house(clean_daemon: Daemon, images: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """Give a host that may be changed, with the means to make guests; mounts and notes of its own."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(clean_daemon.home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(clean_daemon.home))
    with connect(clean_daemon.uri, readonly=False) as host:
        yield House(clean_daemon, host, images)
