"""Show the dashboard in a browser: on this machine only, with a token, for reading unless asked otherwise."""

from __future__ import annotations

import http.client
import importlib.util
import os
import secrets
import tempfile
import threading
import webbrowser
from collections.abc import Callable
from contextlib import closing
from html import escape
from pathlib import Path
from typing import Any

from kvmnb.errors import NotFound
from kvmnb.lab import answers_within, free_port
from kvmnb.places import find

#: The notebook that is shown.
NOTEBOOK = "05_dashboard"

#: Set for the notebook's kernel where it may change the host; `kvmnb.dashboard.may_write` asks for it.
_WRITE = "KVMNB_DASHBOARD_WRITE"

_HERE = "127.0.0.1"
#: Seconds that Voilà has to answer before the wait for it is given up.
_PATIENCE = 60.0
#: Seconds after which the kernel of a page that nobody looks at any more is ended.
_FORGOTTEN = 600


def may_write() -> bool:
    """Tell whether the dashboard was started with ``--write``; a notebook opened by itself is for reading."""
    return os.environ.get(_WRITE) == "1"


def dashboard(
    port: int | None, *, uri: str | None, write: bool, browser: bool, tell: Callable[[str], None]
) -> None:
    """Serve the dashboard by Voilà until it is stopped.

    Parameters
    ----------
    port : int or None
        The port; the first that is free, from 8888, without it.
    uri : str or None
        The libvirt URI; what virsh would use without it.
    write : bool
        Whether the host is opened for changes.
    browser : bool
        Whether to open a browser.
    tell : callable
        Gets the lines for a person; the address comes when the server answers there.

    Raises
    ------
    BadValue
        The port is taken.
    NotFound
        No port is free, there is no such notebook, or Voilà is not installed.
    """
    if importlib.util.find_spec("voila") is None:
        raise NotFound("Voilà is not installed", "run: pip install 'kvmnb[dashboard]'")
    notebook, port, token = find(NOTEBOOK), free_port(port), secrets.token_hex(24)
    os.environ[_WRITE] = "1" if write else "0"
    if uri:
        os.environ["LIBVIRT_DEFAULT_URI"] = uri
    address = f"http://{_HERE}:{port}/?token={token}"
    with tempfile.TemporaryDirectory(prefix="kvmnb-") as folder:  # which only the user can enter
        door = _door(Path(folder), address) if browser else None
        waiter = threading.Thread(target=_announce, args=(port, address, write, door, tell), daemon=True)
        waiter.start()
        _serve(notebook, port, token)


def _serve(notebook: Path, port: int, token: str) -> None:
    # A kernel that the user has installed under the same name must not take the place of this Python.
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    # Slow to load, and the first reads the variable when it is.
    from traitlets.config import Config  # noqa: PLC0415
    from voila.app import Voila  # noqa: PLC0415

    # No settings of the user's, nor a voila.py in this folder, may open it to others.
    app = Voila.instance(config_file_paths=[], config=Config(_settings(port, token)))
    app.initialize([str(notebook)])
    app.start()


def _settings(port: int, token: str) -> dict[str, dict[str, Any]]:
    """Give Voilà's settings; in this process, as any user may read a program's arguments."""
    from kvmnb.kernels import can_encrypt  # noqa: PLC0415

    return {
        "Voila": {
            "ip": _HERE,
            "port": port,
            "port_retries": 0,
            "token": token,
            "open_browser": False,
            "log_level": "ERROR",  # it warns of each notebook that it would not trust in JupyterLab
            "tornado_settings": _headers(port),
        },
        # It would give the pictures beside the notebook to anybody.
        "VoilaConfiguration": {"file_allowlist": [], "show_tracebacks": False},
        "MappingKernelManager": {"cull_idle_timeout": _FORGOTTEN, "cull_interval": 60},
        "KernelManager": {"transport_encryption": "auto"} if can_encrypt() else {},
    }


def _headers(port: int) -> dict[str, Any]:
    """Keep the page from loading anything from elsewhere, such as the letters that Voilà's template wants."""
    own = f"'self' ws://{_HERE}:{port}"
    policy = (
        f"default-src {own} data: blob: 'unsafe-inline' 'unsafe-eval'; "
        "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
    )
    return {"headers": {"Content-Security-Policy": policy}}


def _door(folder: Path, address: str) -> Path:
    """Write a page that leads to the address: a browser's arguments can be read by any user, the file not."""
    page = folder / "dashboard.html"
    page.write_text(f"<meta http-equiv='refresh' content='0; url={escape(address)}'>")
    return page


def _announce(port: int, address: str, write: bool, door: Path | None, tell: Callable[[str], None]) -> None:
    """Say where the server is, once it answers."""
    if not answers_within(_PATIENCE, lambda: _answers(port)):
        return
    what = "The host can be changed there." if write else "Nothing can be changed there."
    tell(
        f"\nThe dashboard is at\n\n    {address}\n\n"
        f"{what} Keep the address to yourself: it lets its holder in. Ctrl-C stops it."
    )
    if door is not None:
        webbrowser.open(door.as_uri())


def _answers(port: int) -> bool:
    with closing(http.client.HTTPConnection(_HERE, port, timeout=5)) as connection:
        try:
            connection.request("HEAD", "/login")  # and not the page itself, which would start a kernel
            return connection.getresponse().status < http.HTTPStatus.INTERNAL_SERVER_ERROR
        except (OSError, http.client.HTTPException):
            return False
