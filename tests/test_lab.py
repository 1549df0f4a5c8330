"""JupyterLab answers at the address that is printed, to the token alone, on this machine alone."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kvmnb.cli import main
from tests.notebooks import write

KVMNB = [sys.executable, "-m", "kvmnb"]


def fetch(address: str) -> int:
    """Give the status of an answer."""
    try:
        with urllib.request.urlopen(address, timeout=30) as answer:  # noqa: S310 - our own server
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


@contextmanager
def lab(folder: Path, *words: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Start JupyterLab in a folder; give the address that it prints."""
    process = subprocess.Popen(
        [*KVMNB, "lab", "--no-browser", *words],
        cwd=folder,
        env=os.environ | {"HOME": str(folder), "JUPYTER_CONFIG_DIR": str(folder / "config")},
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
        watchdog.cancel()
        process.terminate()
        process.communicate(timeout=30)


#: 127.0.0.1 and ::1, as the kernel writes them on a little-endian machine.
LOOPBACK = {"0100007F", "00000000000000000000000001000000"}


def listeners(port: int) -> set[str]:
    """Give the addresses at which something listens at the port."""
    lines = [line for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()]
    listening = [fields[1].split(":") for fields in map(str.split, lines) if fields[3] == "0A"]
    found = {address for address, hexadecimal in listening if int(hexadecimal, 16) == port}
    assert found
    return found


def test_lab_answers_at_the_address_it_prints(tmp_path: Path) -> None:
    (tmp_path / "notebooks").mkdir()
    write(tmp_path / "notebooks" / "mine.ipynb", "1")
    (tmp_path / "config").mkdir()
    # A user's own settings must not open it to others.
    settings = {"ServerApp": {"ip": "0.0.0.0", "allow_root": False}, "IdentityProvider": {"token": ""}}  # noqa: S104
    (tmp_path / "config" / "jupyter_server_config.json").write_text(json.dumps(settings))
    with lab(tmp_path) as (address, process):
        found = re.fullmatch(r"http://localhost:(\d+)/lab\?token=([0-9a-f]{48})", address)
        assert found
        port, token = found.groups()
        assert fetch(address) == 200
        contents = f"http://localhost:{port}/api/contents"
        assert fetch(contents) == 403
        assert fetch(f"{contents}?token=wrong") == 403
        with urllib.request.urlopen(f"{contents}?token={token}", timeout=30) as answer:  # noqa: S310
            assert [one["name"] for one in json.load(answer)["content"]] == ["mine.ipynb"]
        assert token not in Path(f"/proc/{process.pid}/cmdline").read_text()
        listening = subprocess.run(
            ["ss", "-Hltn", f"sport = :{port}"], capture_output=True, text=True, check=True
        )
        assert {line.split()[3] for line in listening.stdout.splitlines()} <= {
            f"127.0.0.1:{port}",
            f"[::1]:{port}",
        }
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)
    with pytest.raises(urllib.error.URLError):
        fetch(address)


def test_lab_at_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["lab", "--port", str(taken.getsockname()[1])]) == 1
    assert re.fullmatch(r"kvmnb: Port \d+ cannot be listened at\. Name another .*\n", capsys.readouterr().err)
