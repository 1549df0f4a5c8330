"""Every action on image files, each on an image that is prepared for it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kvmnb.storage.action import Action
from kvmnb.storage.actions import (
    ApplySnapshot,
    ConvertImage,
    CreateImage,
    CreateSnapshot,
    DeleteImage,
    DeleteSnapshot,
    RepairImage,
    ResizeImage,
)
from tests.storage.builders import MIB, qemu_img

#: The file that the cases work on; each lies in a folder of its own.
NAME = "a b.img"


@dataclass(frozen=True)
class ImageCase:
    """One action on an image in one folder."""

    name: str
    kind: type
    prepare: Callable[[Path], object]
    action: Callable[[Path], Action]
    again: str = "refused"
    undoable: bool = False


def write(path: Path, commands: str, format: str = "qcow2") -> None:
    """Write into an image with qemu-io."""
    subprocess.run(["qemu-io", "-f", format, "-c", commands, path], check=True, capture_output=True)


def made(path: Path, format: str = "qcow2", size: str = "8M", *, content: bool = True) -> Path:
    """Make an image with something in it."""
    qemu_img("create", "-f", format, path, size)
    if content:
        write(path, "write -P 7 1M 1M", format)
    return path


def leak(path: Path) -> Path:
    """Have a cluster of a qcow2 image count as taken, by nothing."""
    data = bytearray(path.read_bytes())
    table = int.from_bytes(data[int.from_bytes(data[48:56], "big") :][:8], "big")
    data[table + 2 * 40 : table + 2 * 40 + 2] = b"\0\1"
    path.write_bytes(data.ljust(41 * 65536, b"\0"))
    return path


def _with_snapshots(path: Path) -> None:
    made(path)
    for name in ("one", "the two"):
        qemu_img("snapshot", "-c", name, path)
        write(path, "write -P 8 2M 1M")


def _nothing(_path: Path) -> None: ...


def _create(what: str, options: str = "", **fields: str) -> ImageCase:
    def action(path: Path) -> Action:
        return CreateImage(str(path), 8 * MIB, options=options, **fields)

    # Of an image that is there already it cannot be told whether it was made like this.
    untold = any(name in options for name in ("preallocation", "static", "force_size"))
    again = "refused" if untold else "already so"
    return ImageCase(f"create {what}", CreateImage, _nothing, action, again, undoable=True)


def _overlay(path: Path) -> Action:
    return CreateImage(
        str(path), 8 * MIB, backing_path=str(path.with_name("base, 1.raw")), backing_format="raw"
    )


def _convert(what: str, source: str, target: str, options: str = "", *, compress: bool = False) -> ImageCase:
    def action(path: Path) -> Action:
        return ConvertImage(str(path), source, str(path.with_name("copy")), target, options, compress)

    return ImageCase(f"convert {what}", ConvertImage, lambda path: made(path, source), action, undoable=True)


def image_cases(name: str) -> list[ImageCase]:
    """Every action on an image that exists, by the image's name: any that a folder may bring along."""
    return [
        _convert("raw", "raw", "qcow2"),
        _convert("qcow2", "qcow2", "raw"),
        ImageCase("grow", ResizeImage, made, lambda p: ResizeImage(str(p), "qcow2", 16 * MIB), "already so"),
        ImageCase(
            "shrink",
            ResizeImage,
            lambda p: made(p, "raw"),
            lambda p: ResizeImage(str(p), "raw", 4 * MIB, shrink=True),
            "already so",
        ),
        ImageCase(
            "take snapshot",
            CreateSnapshot,
            made,
            lambda p: CreateSnapshot(str(p), "before it"),
            undoable=True,
        ),
        ImageCase(
            "go back",
            ApplySnapshot,
            _with_snapshots,
            lambda p: ApplySnapshot(str(p), "one", confirm="one"),
            "done",
        ),
        ImageCase(
            "delete snapshot",
            DeleteSnapshot,
            _with_snapshots,
            lambda p: DeleteSnapshot(str(p), "the two", confirm="the two"),
            "already so",
        ),
        ImageCase(
            "mend",
            RepairImage,
            lambda p: leak(made(p)),
            lambda p: RepairImage(str(p), "qcow2", confirm=name),
            "already so",
        ),
        ImageCase(
            "delete image", DeleteImage, made, lambda p: DeleteImage(str(p), confirm=name), "already so"
        ),
    ]


IMAGE_CASES = [
    *image_cases(NAME),
    *(_create(kind, format=kind) for kind in ("raw", "qcow2", "qcow", "qed", "vdi", "vmdk", "vpc", "vhdx")),
    _create("parallels", format="parallels"),
    *(_create(f"qcow2 {how}", f"preallocation={how}") for how in ("metadata", "falloc", "full")),
    _create("raw falloc", "preallocation=falloc", format="raw"),
    _create("qcow2 with options", "cluster_size=1M,extended_l2=on,lazy_refcounts=on"),
    _create("qcow2 old", "compat=0.10"),
    _create("vmdk stream", "subformat=streamOptimized", format="vmdk"),
    _create("vpc fixed", "subformat=fixed,force_size=on", format="vpc"),
    _create("vdi static", "static=on", format="vdi"),
    ImageCase(
        "create overlay",
        CreateImage,
        lambda p: made(p.with_name("base, 1.raw"), "raw"),
        _overlay,
        "already so",
        undoable=True,
    ),
    _convert("compressed", "raw", "qcow2", "compression_type=zstd,cluster_size=2M", compress=True),
    *(
        _convert(f"to {kind}", "qcow2", kind)
        for kind in ("qcow2", "qcow", "qed", "vdi", "vmdk", "vpc", "vhdx")
    ),
    _convert("to parallels", "qcow2", "parallels"),
]
