"""The dashboard as it is started by its command, and its address."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def dashboard(
    folder: Path, *words: str, env: Mapping[str, str] | None = None
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Start it in a folder, which is also its home; give the address that it prints."""
    process = subprocess.Popen(
        [sys.executable, "-m", "kvmnb", "dashboard", "--no-browser", *words],
        cwd=folder,
        env={**(env or os.environ), "HOME": str(folder), "JUPYTER_CONFIG_DIR": str(folder / "config")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    watchdog = threading.Timer(120, process.kill)
    watchdog.start()
    try:
        assert process.stdout is not None
        said: list[str] = []
        for line in process.stdout:
            said.append(line)
            if line.strip().startswith("http://"):
                break
        else:
            pytest.fail(f"no address was printed: {said}")
        yield said[-1].strip(), process
    finally:
        process.terminate()
        process.communicate(timeout=30)
        watchdog.cancel()
