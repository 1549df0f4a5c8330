"""Hosts that are made up, so that what is worked out of them can be known beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, cast

import pandas as pd

from kvmnb.images.headers import Qcow2
from kvmnb.storage.model import Disk, Guest, Image, Inventory, PathKind, Pool, PoolSpec, Reader, Volume

GIB = 1 << 30
MIB = 1 << 20


@dataclass
class File:
    """A file of a made-up host: on which file system, which inode, how long, and what it takes."""

    system: int
    inode: int
    size: int
    taken: int
    backing: str | None = None
    header: Qcow2 | None = None


@dataclass
class MadeUp:
    """A reader of what a test says there is; it answers nothing else."""

    files: Mapping[str, File] = field(default_factory=dict)
    listed: Mapping[str, tuple[Volume, ...]] = field(default_factory=dict)
    all_guests: tuple[Guest, ...] = ()
    folders: Mapping[str, int] = field(default_factory=dict)
    images: None = None
    asked: int = 0

    def volumes(self, pool: str) -> tuple[Volume, ...]:
        self.asked += 1
        return self.listed.get(pool, ())

    def volume(self, pool: str, name: str) -> Volume | None:
        return next((one for one in self.volumes(pool) if one.name == name), None)

    def guests(self) -> tuple[Guest, ...]:
        return self.all_guests

    def kind(self, path: str) -> PathKind | None:
        return "file" if path in self.files else "missing"

    def real(self, path: str) -> str:
        return path

    def entries(self, path: str) -> tuple[str, ...] | None:
        files = map(PurePosixPath, self.files)
        return tuple(sorted(one.name for one in files if str(one.parent) == path))

    def image(self, path: str, _format: str | None) -> Image | None:
        file = self.files.get(path)
        if file is None:
            return Image(exists=False)
        return Image(exists=True, backing_path=file.backing, backing_format="qcow2" if file.backing else None)

    def backing_file(self, path: str) -> str | None:
        return self.files[path].backing if path in self.files else None

    def data_file(self, _path: str) -> str | None:
        return None

    def identity(self, path: str) -> tuple[int, int] | None:
        if path in self.folders:
            return self.folders[path], 1
        return (self.files[path].system, self.files[path].inode) if path in self.files else None

    def header(self, path: str) -> Qcow2 | None:
        return self.files[path].header if path in self.files else None

    def taken(self, path: str) -> tuple[int, int] | None:
        return (self.files[path].size, self.files[path].taken) if path in self.files else None

    def space(self, _path: str) -> tuple[int, int] | None:
        return None


def made_up(pools: list[Pool], reader: MadeUp, read_at: int = 0) -> Inventory:
    """Give the inventory of a made-up host."""
    return Inventory(cast("Reader", reader), {pool.name: pool for pool in pools}, "h", "made:///up", read_at)


def pool(name: str, allocation: int | None = 10 * GIB, type: str = "dir", **more: object) -> Pool:
    """Give a running pool on a folder of its name, of 100 GiB."""
    available = None if allocation is None else 100 * GIB - allocation
    told = {"state": "running", "capacity": 100 * GIB, "allocation": allocation, "available": available}
    return Pool(PoolSpec(name, type=type, target=f"/{name}"), **(told | more))  # type: ignore[arg-type]


def guest(name: str, *paths: str, format: str = "qcow2", **more: object) -> Guest:
    """Give a guest with disks vda, vdb …"""
    disks = tuple(
        Disk(f"vd{letter}", format=format, path=path) for letter, path in zip("abcdef", paths, strict=False)
    )
    return Guest(name, **{"disks": disks, **more})  # type: ignore[arg-type]


def rows(frame: pd.DataFrame, *by: str) -> dict[object, dict[Any, Any]]:
    """Give a frame's rows by what stands in some columns, without those that are NA there."""
    kept = frame.dropna(subset=list(by))
    keys = kept[by[0]] if len(by) == 1 else zip(*(kept[name] for name in by), strict=True)
    told = kept.astype(object).where(kept.notna(), None).to_dict("records")
    return dict(zip(keys, told, strict=True))
