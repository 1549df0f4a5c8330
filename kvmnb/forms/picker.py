"""Taking a file from the browser: it comes in pieces, and lies in a folder of its own until it was used.

`ipywidgets.FileUpload` sends a file as one message, which a server of Jupyter does not take over 10 MiB: it
closes the connection to the kernel. Pieces have no such limit, and never fill the kernel's memory.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Any, ClassVar

import anywidget
import traitlets

from kvmnb.notebook.tables import printable
from kvmnb.units import format_size

#: A larger file is better copied to this machine by other means: a page that is closed would end it.
LARGEST = 4 << 30

#: Unlike /tmp it is seldom held in memory.
_PLACE = "/var/tmp" if os.access("/var/tmp", os.W_OK) else tempfile.gettempdir()  # noqa: S108 - made private

#: File systems take no longer name.
_LONGEST_NAME = 200


@dataclass
class _Coming:
    """A file that is on its way."""

    ticket: str
    size: int
    path: Path
    got: int = 0


class FilePicker(anywidget.AnyWidget):
    """A button that takes one file from the browser.

    Parameters
    ----------
    picked : callable
        Called when a file has come whole, and when none is there any more.

    Attributes
    ----------
    file : pathlib.Path or None
        The file, once it has come whole; removed by `remove`, by the next one, and when the kernel ends.
    """

    _esm = Path(__file__).with_name("picker.js")
    label = traitlets.Unicode().tag(sync=True)
    said = traitlets.Unicode().tag(sync=True)
    disabled = traitlets.Bool(default_value=False).tag(sync=True)

    _no_file: ClassVar[str] = f"At most {format_size(LARGEST)}; of a larger one give the path, below."

    def __init__(self, picked: Callable[[], None]) -> None:
        super().__init__(label="file of your own", said=self._no_file)
        self.file: Path | None = None
        self._picked = picked
        self._coming: _Coming | None = None
        self._lock = RLock()
        self._folder: Path | None = None
        self._busy = False
        self.on_msg(self._hear)

    def remove(self) -> None:
        """Remove the file, whole or not."""
        with self._lock:
            folder, self._folder = self._folder, None
            self.file = self._coming = None
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Take no other file while this one is used; it is removed at the end, however that comes."""
        self._busy = True
        try:
            yield
        finally:
            self._busy = False
            self.remove()

    def forget(self) -> None:
        """Remove the file, and say that another may be picked."""
        self.remove()
        self.said = self._no_file

    def _hear(self, _widget: object, told: Mapping[str, Any], buffers: Sequence[Any]) -> None:
        kind, ticket = told.get("kind"), str(told.get("ticket"))
        with self._lock:
            if kind == "begin":
                self._begin(ticket, str(told.get("name")), int(told.get("size", -1)))
            elif self._coming is None or self._coming.ticket != ticket:
                return  # of a file that is not wanted any more
            elif kind == "piece":
                self._add(self._coming, int(told.get("at", -1)), buffers)
            elif kind == "stop":
                self._give_up(ticket, str(told.get("why")) or "it was stopped")

    def _begin(self, ticket: str, name: str, size: int) -> None:
        if self._busy or self.disabled:
            self.said = (
                "✗ Nothing was taken: wait until the last file has been uploaded, then pick it once more."
            )
            self.send({"ticket": ticket})
            return
        self.remove()
        self._picked()
        free = shutil.disk_usage(_PLACE).free
        if not 0 < size <= LARGEST:
            what = "is empty" if size == 0 else f"has {format_size(max(size, 0))}"
            self._give_up(ticket, f"it {what}, and 1 byte to {format_size(LARGEST)} can be taken")
        elif size > free:
            self._give_up(ticket, f"it has {format_size(size)}, and {format_size(free)} are free in {_PLACE}")
        else:
            folder = self._folder = Path(tempfile.mkdtemp(prefix="kvmnb-upload-", dir=_PLACE))
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
            self._coming = _Coming(ticket, size, folder / safe_name(name))
            self._coming.path.touch(0o600)
            self._ask(self._coming)

    def _add(self, coming: _Coming, at: int, buffers: Sequence[Any]) -> None:
        content = bytes(buffers[0]) if len(buffers) == 1 else b""
        if at != coming.got or not content or coming.got + len(content) > coming.size:
            self._give_up(coming.ticket, "the file was changed while it was sent")
            return
        try:
            with coming.path.open("ab") as file:
                file.write(content)
        except OSError as error:
            self._give_up(coming.ticket, f"it cannot be kept in {_PLACE}: {error.strerror}")
            return
        coming.got += len(content)
        if coming.got < coming.size:
            self._ask(coming)
            return
        self.file, self._coming = coming.path, None
        self.said = f"{printable(coming.path.name)} has come whole: {format_size(coming.size)}."
        self.send({"ticket": coming.ticket})
        self._picked()

    def _ask(self, coming: _Coming) -> None:
        self.said = f"{format_size(coming.got)} of {format_size(coming.size)} have come."
        self.send({"ticket": coming.ticket, "next": coming.got})

    def _give_up(self, ticket: str, why: str) -> None:
        self.remove()
        self.said = f"✗ Nothing was taken: {printable(why)}. Pick a file once more. {self._no_file}"
        self.send({"ticket": ticket})


def safe_name(name: str) -> str:
    """Give a file's own name as one that is safe as a path's last part, and is no more than a name."""
    plain = printable(name.replace("\\", "/").rpartition("/")[2]).replace("\\", "_")
    while len(plain.encode(errors="replace")) > _LONGEST_NAME:
        plain = plain[1:]  # its ending says what it is
    return "file" if plain.strip(".") == "" else plain
