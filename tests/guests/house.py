"""Guests of the mounting tests: copies of images that are made once, and a host that has them."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from kvmnb.guests.appliance import interpreter, settings
from kvmnb.host import Host
from tests.daemon import Daemon
from tests.guests import journal, tree
from tests.guests.kinds import Kinds

_WORKER = Path(__file__).with_name("images_worker.py")


def make_images(folder: Path) -> None:
    """Make the images, in one appliance."""
    archive, odd = folder / "root.tar", folder / "odd.tar"
    tree.write(archive, journal.write(folder))
    tree.write_odd(odd)
    command = [interpreter(), "-I", str(_WORKER), str(folder), str(archive), str(odd)]
    subprocess.run(command, check=True, env=os.environ | settings(), capture_output=True)
    (folder / "open.raw").unlink()


@dataclass(frozen=True)
class House:
    """A host whose guests lie in a folder of its daemon."""

    daemon: Daemon
    host: Host
    images: Path

    @property
    def folder(self) -> Path:
        """Where the guests' images are."""
        return self.daemon.folder

    @property
    def kinds(self) -> Kinds:
        """What defines guests and makes overlays."""
        return Kinds(self.folder, self.daemon)

    def guest(self, name: str, image: str = "guest.qcow2") -> Path:
        """Define a guest with a copy of one image."""
        path = self.folder / f"{name}{Path(image).suffix}"
        shutil.copyfile(self.images / image, path)
        self.kinds.guest(name, (path.name, "qcow2" if path.suffix == ".qcow2" else "raw"))
        return path

    def sums(self) -> dict[str, str]:
        """Give the checksum of every image."""
        files = [path for path in self.folder.iterdir() if path.suffix in {".qcow2", ".raw"}]
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
