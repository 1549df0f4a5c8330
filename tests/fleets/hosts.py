"""Hosts to make fleets of: cheap ones of libvirt's test driver, and one that never answers."""

from __future__ import annotations

import os
import socket
import uuid
from pathlib import Path
from types import TracebackType
from typing import Self

_KIND = "system" if os.geteuid() == 0 else "session"


def at(path: Path) -> str:
    """Give the URI of the daemon that listens, or not, on a socket."""
    return f"qemu+unix:///{_KIND}?socket={path}"


class Hanging:
    """A host whose daemon can be connected to, and never says a word."""

    def __init__(self, folder: Path) -> None:
        self.uri = at(folder / "s")
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(folder / "s"))
        self._socket.listen()  # the kernel takes the connections, which nobody ever accepts

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """Refuse all, also those who wait."""
        self._socket.close()


def simple(folder: Path, name: str, *pools: str, guests: tuple[str, ...] = ()) -> str:
    """Make a host with running pools and guests without disks; give its URI."""
    pool = "<pool type='dir'><name>{0}</name>{1}<target><path>/pools/{0}</path></target></pool>"
    guest = "<domain type='test'><name>{0}</name>{1}<memory>1024</memory><os><type>hvm</type></os></domain>"
    inside = [
        form.format(
            each, f"<uuid>{uuid.uuid5(uuid.NAMESPACE_DNS, each)}</uuid>"
        )  # else another at each opening
        for form, names in ((pool, pools), (guest, guests))
        for each in names
    ]
    path = folder / f"{name}.xml"
    path.write_text(f"<node>{''.join(inside)}</node>")
    return f"test://{path}"
