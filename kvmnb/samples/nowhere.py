"""Looking things up on a host that there is not. Pure."""
# ruff: noqa: ARG002, D102 - the methods are those of kvmnb.storage.model.Reader, and most know nothing

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from kvmnb.images.headers import Qcow2
from kvmnb.storage.model import Guest, Image, PathKind, Volume


@dataclass(frozen=True)
class Nowhere:
    """What an inventory looks up, on a machine that there is not.

    Parameters
    ----------
    by_path : mapping of str to Volume
        Its volumes, each in the folder ``/data/POOL``.
    all_guests : tuple of Guest
        Its guests.
    """

    by_path: Mapping[str, Volume]
    all_guests: tuple[Guest, ...]
    images: None = field(default=None, init=False)

    def volumes(self, pool: str) -> tuple[Volume, ...]:
        return tuple(volume for volume in self.by_path.values() if volume.pool == pool)

    def volume(self, pool: str, name: str) -> Volume | None:
        return self.by_path.get(f"/data/{pool}/{name}")

    def guests(self) -> tuple[Guest, ...]:
        return self.all_guests

    def formats(self, pool_type: str) -> tuple[str, ...]:
        return ("raw", "qcow2")

    def source_formats(self, pool_type: str) -> tuple[str, ...]:
        return ()

    def pool_types(self) -> Mapping[str, bool]:
        return {"dir": True}

    def kind(self, path: str) -> PathKind | None:
        return "file" if path in self.by_path else None

    def real(self, path: str) -> str:
        return path

    def entries(self, path: str) -> tuple[str, ...] | None:
        return None

    def image(self, path: str, format: str | None) -> Image | None:
        return None

    def backing_file(self, path: str) -> str | None:
        volume = self.by_path.get(path)
        return volume.backing_path if volume else None

    def data_file(self, path: str) -> str | None:
        return None

    def identity(self, path: str) -> tuple[int, int] | None:
        pool = path.split("/")[2]  # each pool is a file system of its own
        return zlib.crc32(pool.encode()), zlib.crc32(path.encode())

    def header(self, path: str) -> Qcow2 | None:
        volume = self.by_path[path]
        return Qcow2(volume.capacity or 0, 65536, 0, external=False)

    def taken(self, path: str) -> tuple[int, int] | None:
        volume = self.by_path.get(path)
        return (volume.capacity or 0, volume.allocation or 0) if volume else None

    def space(self, path: str) -> tuple[int, int] | None:
        return None

    def content(self, pool: str, name: str, length: int) -> str | None:
        return None

    def client_kind(self, path: str) -> PathKind:
        return "missing"

    def client_size(self, path: str) -> int:
        return 0

    def client_content(self, path: str) -> str | None:
        return None
