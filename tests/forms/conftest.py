"""What the tests of forms get: libvirt's made-up host, and the tests' own daemon where that is not enough."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kvmnb.host import Host, connect
from tests.daemon import Daemon
from tests.storage.builders import Site


@pytest.fixture(scope="session")
def made_up() -> Iterator[Host]:
    """Give libvirt's made-up host, which lives in this process and has the pool ``default-pool``."""
    with connect("test:///default", readonly=False) as host:
        yield host


@pytest.fixture
def site(clean_daemon: Daemon) -> Iterator[Site]:
    """Give the tests' daemon with what is needed to put something there."""
    with connect(clean_daemon.uri, readonly=False) as host:
        yield Site(clean_daemon, host)
