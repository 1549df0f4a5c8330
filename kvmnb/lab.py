"""Open the runbooks in JupyterLab: on this machine only, with a token, and say clearly at which address."""

from __future__ import annotations

import http
import http.client
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from kvmnb.errors import BadValue, NotFound
from kvmnb.places import working_folder

_FIRST_PORT = 8888
_PORTS = 100
#: Seconds that JupyterLab has to answer before the wait for it is given up.
_PATIENCE = 120.0


def lab(port: int | None, *, browser: bool, tell: Callable[[str], None]) -> None:
    """Serve the runbooks in JupyterLab until it is stopped.

    Parameters
    ----------
    port : int or None
        The port; the first that is free, from 8888, without it.
    browser : bool
        Whether to open a browser.
    tell : callable
        Gets the lines for a person; the address comes when the server answers there.

    Raises
    ------
    BadValue
        The port is taken.
    NotFound
        No port is free, or there are no runbooks.
    """
    folder, copied = working_folder()
    if not any(folder.glob("*.ipynb")):
        raise NotFound(f"There are no notebooks in {folder}", "go to a folder that has ./notebooks in it")
    if copied:
        tell(f"The runbooks were copied to {folder}, where you may change them: {len(copied)} new.")
    port, token = free_port(port), secrets.token_hex(24)
    waiter = threading.Thread(target=_announce, args=(port, token, folder, tell), daemon=True)
    waiter.start()
    _serve(folder, port, token, browser=browser)


def _serve(folder: Path, port: int, token: str, *, browser: bool) -> None:
    # A kernel that the user has installed under the same name must not take the place of this Python.
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    # Both are slow to load, and read the variable when they are.
    from jupyterlab.labapp import LabApp  # type: ignore[import-untyped]  # noqa: PLC0415

    from kvmnb.kernels import can_encrypt  # noqa: PLC0415

    # Given here and not to a program of its own: any user may read a program's arguments.
    arguments = [
        "--ServerApp.ip=localhost",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={folder}",
        f"--IdentityProvider.token={token}",
        "--log-level=WARN",
        "--LabApp.log_level=WARN",
    ]
    arguments += ["--KernelManager.transport_encryption=auto"] if can_encrypt() else []
    arguments += [] if browser else ["--no-browser"]
    arguments += ["--allow-root"] if os.geteuid() == 0 else []
    LabApp.launch_instance(arguments)


def free_port(wanted: int | None) -> int:
    """Give the wanted port, or one from 8888 on, that nobody listens at.

    Raises
    ------
    BadValue
        The wanted port is taken.
    NotFound
        None of them is free.
    """
    for port in [wanted] if wanted is not None else range(_FIRST_PORT, _FIRST_PORT + _PORTS):
        with closing(socket.socket()) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    if wanted is not None:
        raise BadValue(f"Port {wanted} cannot be listened at", "name another with --port, or leave it out")
    last = _FIRST_PORT + _PORTS - 1
    raise NotFound(f"No port from {_FIRST_PORT} to {last} is free", "name one with --port")


def answers_within(seconds: float, answers: Callable[[], bool]) -> bool:
    """Wait until a server answers; tell whether it did in time."""
    deadline = time.monotonic() + seconds
    while not answers():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def _announce(port: int, token: str, folder: Path, tell: Callable[[str], None]) -> None:
    """Say where the server is, once it lets the token in."""
    if not answers_within(_PATIENCE, lambda: _answers(port, token)):
        return
    tell(
        f"\nThe runbooks of {folder} are open in JupyterLab at\n\n"
        f"    http://localhost:{port}/lab?token={token}\n\n"
        "Keep the address to yourself: it lets its holder do all that you may do. Ctrl-C twice stops it."
    )


def _answers(port: int, token: str) -> bool:
    with closing(http.client.HTTPConnection("localhost", port, timeout=5)) as connection:
        try:
            connection.request("GET", "/api/status", headers={"Authorization": f"token {token}"})
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
