"""The dashboard answers at the address that is printed, to the token alone, on this machine alone."""

from __future__ import annotations

import json
import re
import socket
import urllib.error
import urllib.request
from http.client import HTTPConnection
from pathlib import Path

import pytest

from kvmnb import dashboard as module
from kvmnb.cli import main
from kvmnb.dashboard import may_write
from tests.notebooks import write
from tests.serving import LOOPBACK, fetch, listeners, serving

_NO_KERNEL = "00000000-0000-0000-0000-000000000000"


def test_the_dashboard_lets_nobody_in_without_the_token(tmp_path: Path) -> None:
    write(tmp_path / "notebooks" / "05_dashboard.ipynb", "1", make_folder=True)
    (tmp_path / "notebooks" / "secret.png").write_bytes(b"a picture")
    (tmp_path / "config").mkdir()
    # Neither a user's own settings nor those of a folder may open it to others.
    settings = {"Voila": {"ip": "0.0.0.0", "token": ""}}  # noqa: S104
    for folder in (tmp_path, tmp_path / "config"):
        (folder / "voila.json").write_text(json.dumps(settings))
    with serving(tmp_path, "dashboard") as (address, process):
        found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/\?token=([0-9a-f]{48})", address)
        assert found
        port, token = int(found[1]), found[2]
        assert listeners(port) <= LOOPBACK
        for path in ("/", "/?token=wrong"):
            connection = HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("GET", path)
            answer = connection.getresponse()
            assert (answer.status, answer.headers["Location"].partition("?")[0]) == (302, "/login")
            assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
            connection.close()
        base = f"http://127.0.0.1:{port}"
        assert fetch(f"{base}/api/kernels/{_NO_KERNEL}") == 403
        assert fetch(f"{base}/api/kernels/{_NO_KERNEL}?token={token}") == 404
        assert fetch(f"{base}/voila/files/secret.png") == 403
        assert fetch(f"{base}/voila/files/05_dashboard.ipynb") == 403
        assert token not in Path(f"/proc/{process.pid}/cmdline").read_text()
    assert process.returncode == 0
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(base, timeout=5)


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["dashboard", "--port", str(taken.getsockname()[1])]) == 1
    assert re.fullmatch(r"kvmnb: Port \d+ cannot be listened at\. Name another .*\n", capsys.readouterr().err)


def test_a_notebook_opened_by_itself_is_for_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(module._WRITE, raising=False)
    assert not may_write()


def test_the_page_that_leads_there_names_the_whole_address(tmp_path: Path) -> None:
    page = module._door(tmp_path, "http://127.0.0.1:1/?token=abc&x=1")
    assert "url=http://127.0.0.1:1/?token=abc&amp;x=1'" in page.read_text()
