"""What the tests of fleets get: a second daemon, hosts that answer at once, and one that never does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import Daemon
from tests.fleets.hosts import Hanging, simple


@pytest.fixture
def hanging(tmp_path: Path) -> Iterator[Hanging]:
    """Give a host that never answers, until the end of the test."""
    with Hanging(tmp_path) as host:
        yield host


@pytest.fixture
def one(tmp_path: Path) -> str:
    """Give the URI of a host with one pool and a guest."""
    return simple(tmp_path, "one", "vmdisk", guests=("vm1",))


@pytest.fixture
def two(tmp_path: Path) -> str:
    """Give the URI of a host with two pools."""
    return simple(tmp_path, "two", "vmdisk", "spare")


@pytest.fixture(scope="module")
def second(daemon: Daemon) -> Iterator[Daemon]:  # a test that has it needs a daemon, and is marked so
    """Give a daemon beside the session's own."""
    with Daemon() as other:
        yield other
