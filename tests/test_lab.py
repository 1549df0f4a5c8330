"""JupyterLab answers at the address that is printed, to the token alone, on this machine alone."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from kvmnb.cli import main
from tests.notebooks import write
from tests.serving import fetch, serving


def test_lab_answers_at_the_address_it_prints(tmp_path: Path) -> None:
    (tmp_path / "notebooks").mkdir()
    write(tmp_path / "notebooks" / "mine.ipynb", "1")
    (tmp_path / "config").mkdir()
    # A user's own settings must not open it to others.
    settings = {"ServerApp": {"ip": "0.0.0.0", "allow_root": False}, "IdentityProvider": {"token": ""}}  # noqa: S104
    (tmp_path / "config" / "jupyter_server_config.json").write_text(json.dumps(settings))
    with serving(tmp_path, "lab") as (address, process):
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
