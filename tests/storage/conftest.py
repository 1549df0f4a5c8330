"""What every storage test gets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kvmnb.host import Host, connect
from tests.daemon import Daemon
from tests.storage.builders import Site


@pytest.fixture
def host(clean_daemon: Daemon) -> Iterator[Host]:
    """Give the tests' daemon as a host that may be changed."""
    with connect(clean_daemon.uri, readonly=False) as opened:
        yield opened


@pytest.fixture
def site(clean_daemon: Daemon, host: Host) -> Site:
    """Give the tests' daemon with what is needed to put something there."""
    return Site(clean_daemon, host)
