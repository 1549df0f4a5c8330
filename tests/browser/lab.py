"""JupyterLab on a copy of the notebooks, and a headless Chromium that opens one of them."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlencode

import pytest
from playwright.sync_api import ConsoleMessage, Locator, Page, expect, sync_playwright

from tests.daemon import Daemon, program
from tests.plugin import notebook_environment

_ROOT = Path(__file__).parent.parent.parent
#: Where pictures for people are kept; git ignores it.
OUTPUT = _ROOT / "tests" / "output"
CHROMIUM = "/usr/bin/chromium"

#: For a cell or a page of JupyterLab, on a machine that is busy; a healthy one answers at once.
_PATIENCE = 30_000

#: Nothing leaves the machine, neither for JupyterLab's news nor for the browser's own purposes.
_NO_NEWS = {"fetchNews": "false", "checkForUpdates": False}
_SERVER = (
    "--no-browser",
    "--ServerApp.ip=127.0.0.1",
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.extension_manager=readonly",
)
BROWSER = (
    "--no-sandbox",  # Chromium refuses to run as root with one
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


class LabError(Exception):
    """JupyterLab did not start, or refused; the text is what it said."""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _environment(daemon: Daemon, base: Path, token: str) -> dict[str, str]:
    """Give what the server, and each kernel that it starts, gets."""
    with pytest.MonkeyPatch.context() as patch:
        notebook_environment(patch, daemon)
        kept = dict(os.environ)
    folders = {f"JUPYTER_{name}_DIR": str(base / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
    # In the environment, because everybody on the machine can read a command line.
    return kept | folders | {"JUPYTER_TOKEN": token}


class Lab:
    """A JupyterLab of this Python environment, whose kernels have the tests' daemon.

    Attributes
    ----------
    folder : pathlib.Path
        What it serves: copies of the notebooks that were opened.
    log : pathlib.Path
        What it says.
    """

    def __init__(self, daemon: Daemon, base: Path) -> None:
        self.folder = base / "notebooks"
        self.log = base / "jupyterlab.log"
        self._base = base
        self._token = secrets.token_hex(16)
        self._port = _free_port()
        self.folder.mkdir()
        settings = base / "config/lab/user-settings/@jupyterlab/apputils-extension"
        settings.mkdir(parents=True)
        (settings / "notification.jupyterlab-settings").write_text(json.dumps(_NO_NEWS))
        # setpriv: if the tests are killed, the kernel ends the server, which ends its notebooks' kernels.
        command = [program("setpriv", "util-linux"), "--pdeathsig", "TERM"]
        command += [sys.executable, "-m", "jupyterlab"]
        command += [*_SERVER, "--allow-root"] if os.geteuid() == 0 else _SERVER
        command += [f"--ServerApp.port={self._port}", "--ServerApp.port_retries=0"]
        with self.log.open("wb") as log:
            self._server = subprocess.Popen(
                [*command, f"--ServerApp.root_dir={self.folder}"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=_environment(daemon, base, self._token),
                cwd=base,
                start_new_session=True,  # Ctrl-C is for the tests; they end the server in their own time
            )

    def __enter__(self) -> Self:
        with ExitStack() as on_failure:
            on_failure.callback(self._stop)
            self._wait_until_it_answers()
            on_failure.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + _PATIENCE / 1000
        while not self._answers():
            if self._server.poll() is not None or time.monotonic() > deadline:
                raise LabError(f"JupyterLab did not start. It said:\n{self.log.read_text()}")
            time.sleep(0.02)

    def _ask(self, path: str, method: str = "GET") -> bytes:
        with closing(HTTPConnection("127.0.0.1", self._port, timeout=_PATIENCE / 1000)) as connection:
            connection.request(method, f"/api/{path}", headers={"Authorization": f"token {self._token}"})
            answer = connection.getresponse()
            said = answer.read()
        if answer.status >= 400:
            raise LabError(f"JupyterLab said {answer.status} to {method} {path}")
        return said

    def _answers(self) -> bool:
        try:
            self._ask("status")
        except ConnectionRefusedError:
            return False
        return True

    def _end_kernels(self) -> None:
        """End what notebooks have left running, so that the next one begins with a kernel of its own."""
        for session in json.loads(self._ask("sessions")):
            self._ask(f"sessions/{session['id']}", "DELETE")

    def _stop(self) -> None:
        """End the server, which on this signal ends its kernels first."""
        self._server.terminate()
        try:
            self._server.wait(timeout=20)
        except subprocess.TimeoutExpired:
            # A kernel ends by itself when it finds its server gone.
            self._server.kill()
            self._server.wait()

    def url(self, notebook: str) -> str:
        """Give the address of a notebook, with the token and an empty workspace."""
        return f"{self.origin}lab/tree/{notebook}?{urlencode({'token': self._token, 'reset': ''})}"

    @property
    def origin(self) -> str:
        """Where everything that the page loads has to come from."""
        return f"http://127.0.0.1:{self._port}/"

    @contextmanager
    def open(
        self, notebook: str, *, width: int = 1280, height: int = 900, scale: float = 1
    ) -> Iterator[Runbook]:
        """Open a fresh copy of a notebook in a browser of its own; keep a picture of a failure.

        The notebook is one of the kit's, by its name, or any other, by its absolute path.
        """
        shutil.copy(_ROOT / "notebooks" / notebook, self.folder)
        expect.set_options(timeout=_PATIENCE)
        with sync_playwright() as playwright:
            # The profile is a temporary folder of Playwright's; what else Chromium keeps goes to this home.
            home: dict[str, str | float | bool] = {**os.environ, "HOME": str(self._base)}
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=BROWSER, env=home)
            page = browser.new_page(viewport={"width": width, "height": height}, device_scale_factor=scale)
            page.set_default_timeout(_PATIENCE)
            runbook = Runbook(page)
            page.on("console", runbook.note_console)
            page.on("pageerror", lambda error: runbook.errors.append(str(error)))
            page.on("request", lambda request: runbook.note_request(request.url, self.origin))
            with ExitStack() as at_end:
                at_end.callback(self._end_kernels)
                at_end.callback(browser.close)
                at_end.push(runbook.keep_failure)
                page.goto(self.url(Path(notebook).name))
                runbook.wait_until_idle()
                yield runbook


@dataclass
class Runbook:
    """A notebook, open in JupyterLab, and what an operator does with it.

    Attributes
    ----------
    page : playwright.sync_api.Page
        The browser's page.
    errors : list of str
        What the browser's console called an error, and uncaught exceptions.
    strangers : list of str
        Addresses outside JupyterLab that the page wanted.
    """

    page: Page
    errors: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    def note_console(self, message: ConsoleMessage) -> None:
        """Keep an error of the browser's console."""
        if message.type == "error":
            self.errors.append(message.text)

    def note_request(self, url: str, origin: str) -> None:
        """Keep an address that is not JupyterLab's."""
        if not url.startswith((origin, "data:", "blob:")):
            self.strangers.append(url)

    def keep_failure(self, kind: type[BaseException] | None, *_: object) -> None:
        """Keep a picture of what is to be seen when something went wrong."""
        if kind is not None:
            self.picture("failure")

    def picture(self, name: str) -> Path:
        """Keep a picture of what is to be seen, for people."""
        file = OUTPUT / f"{name}.png"
        self.page.screenshot(path=file)  # makes the folder, too
        return file

    @property
    def cells(self) -> Locator:
        """All code cells."""
        return self.page.locator(".jp-Notebook .jp-CodeCell")

    def cell(self, source: str) -> Locator:
        """Give the one code cell whose source contains a text."""
        source_area = self.page.locator(".jp-Cell-inputArea", has_text=source)
        found = self.cells.filter(has=source_area)
        expect(found).to_have_count(1)
        return found

    def output(self, source: str) -> Locator:
        """Give what stands below the one code cell whose source contains a text."""
        return self.cell(source).locator(".jp-Cell-outputArea")

    def choose(self, *path: str) -> None:
        """Choose from the menus: a menu of the bar, an entry, an entry of that one's own menu."""
        self.page.get_by_role("menubar").get_by_role("menuitem", name=path[0], exact=True).click()
        for depth, name in enumerate(path[1:]):
            menu = self.page.locator(".lm-Menu").nth(depth)
            menu.locator(".lm-Menu-itemLabel").get_by_text(name, exact=True).click()

    def theme(self, name: str) -> None:
        """Choose a theme, and wait until it is there."""
        self.choose("Settings", "Theme", name)
        expect(self.page.locator("body")).to_have_attribute("data-jp-theme-name", name)

    def select(self, source: str) -> None:
        """Select the one code cell whose source contains a text, as a click beside it does."""
        self.cell(source).locator(".jp-Cell-inputArea .jp-InputPrompt").click()

    def run_cell(self, source: str) -> Locator:
        """Run the one code cell whose source contains a text; give what stands below it."""
        self.select(source)
        self.page.keyboard.press("Control+Enter")
        return self.output(source)

    def replace(self, source: str, old: str, new: str) -> None:
        """Edit the one code cell whose source contains a text."""
        lines = self.cell(source).locator(".cm-line").all_text_contents()
        self.select(source)
        self.page.keyboard.press("Enter")
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.insert_text("\n".join(lines).replace(old, new))
        self.page.keyboard.press("Escape")
        expect(self.cell(source)).to_contain_text(new)

    def wait_until_idle(self) -> None:
        """Wait until the kernel has nothing left to do, and no cell waits for it."""
        expect(self.page.get_by_text("(ipykernel) | Idle")).to_be_visible()
        expect(self.page.locator(".jp-Notebook-ExecutionIndicator")).to_have_attribute("data-status", "idle")
        expect(self.cells.locator(".jp-InputPrompt").get_by_text("[*]:")).to_have_count(0)

    def run(self, entry: str, last: str, number: int) -> None:
        """Run cells by an entry of the menu, until the one whose source contains a text is that number's."""
        self.choose("Run", entry)
        expect(self.cell(last).locator(".jp-InputPrompt")).to_have_text(f"[{number}]:")
        self.wait_until_idle()

    @property
    def failures(self) -> list[str]:
        """The tracebacks and the lines on standard error below the cells."""
        kinds = ("application/vnd.jupyter.error", "application/vnd.jupyter.stderr")
        found = self.page.locator(", ".join(f".jp-RenderedText[data-mime-type='{kind}']" for kind in kinds))
        return found.all_text_contents()
