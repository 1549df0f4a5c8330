"""A server of the kit, started by its command, and the address that it prints."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def serving(
    folder: Path, *words: str, env: Mapping[str, str] | None = None
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Start a command in a folder, which is also its home; give the address that it prints."""
    process = subprocess.Popen(
        [sys.executable, "-m", "kvmnb", *words, "--no-browser"],
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


def fetch(address: str) -> int:
    """Give the status of an answer."""
    try:
        with urllib.request.urlopen(address, timeout=30) as answer:  # noqa: S310 - our own server
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


#: 127.0.0.1 and ::1, as the kernel writes them on a little-endian machine.
LOOPBACK = {"0100007F", "00000000000000000000000001000000"}


def listeners(port: int) -> set[str]:
    """Give the addresses at which something listens at the port."""
    lines = [line for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()]
    listening = [fields[1].split(":") for fields in map(str.split, lines) if fields[3] == "0A"]
    found = {address for address, hexadecimal in listening if int(hexadecimal, 16) == port}
    assert found
    return found
