"""Waiting for guests that run under emulation."""

from __future__ import annotations

import time

from tests.daemon import Daemon

#: Seconds; on a quiet machine a guest needs ten.
_PATIENCE = 120.0


def connected(daemon: Daemon, name: str) -> None:
    """Wait until a guest's agent listens."""
    began = time.monotonic()
    while "state='connected'" not in daemon.virsh("dumpxml", name):
        assert time.monotonic() - began < _PATIENCE, f"no agent in {name}"
        time.sleep(0.3)


def wait_off(daemon: Daemon, name: str) -> None:
    """Wait until a guest has turned itself off."""
    began = time.monotonic()
    while "running" in daemon.virsh("domstate", name):
        assert time.monotonic() - began < _PATIENCE, f"{name} does not end"
        time.sleep(0.3)
