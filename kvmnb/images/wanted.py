"""Which images are asked for, and whether one of its format lies at each path; qemu-img opens nothing."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import pandas as pd

from kvmnb.errors import BadImage, BadValue
from kvmnb.images.headers import FORMATS, looks_like

#: An image: its path, with its format beside it where not all have one; or a frame of volumes.
Asked = str | Path | tuple[str | Path, str] | pd.DataFrame


def asked_for(images: Iterable[Asked], format: str | None) -> list[tuple[str, str | None]]:
    """Give each image's absolute path and format; the format is None only where a frame has none."""
    return [pair for image in images for pair in _one(image, format)]


def _one(image: Asked, format: str | None) -> Iterator[tuple[str, str | None]]:
    if isinstance(image, pd.DataFrame):
        if not {"path", "format"} <= set(image.columns):
            raise BadValue(
                "The frame has no columns path and format", "give one as host.volumes() returns it"
            )
        for path, kind in zip(image["path"], image["format"], strict=True):
            if not pd.isna(path):
                yield _absolute(path), None if pd.isna(kind) else kind
        return
    if isinstance(image, tuple) and len(image) != 2:
        raise BadValue(f"{image!r} is no image with its format", "give (path, format)")
    path, kind = image if isinstance(image, tuple) else (image, format)
    absolute = _absolute(path)
    if kind is None:
        hint = looks_like(absolute)
        guess = f"its first bytes look like {hint}, if you trust them" if hint else "raw, qcow2 …"
        raise BadValue(
            f"The format of {str(path)!r} was not said, and is never guessed", f"say format=…: {guess}"
        )
    yield absolute, known_format(kind)


def _absolute(path: object) -> str:
    name = os.fspath(path) if isinstance(path, os.PathLike) else path
    if not isinstance(name, str):
        shown = f"A {type(path).__name__}" if isinstance(path, Collection) else repr(path)
        raise BadValue(
            f"{shown} is no path of an image", "give each as text or a Path: info(*paths, format=…)"
        )
    return os.path.abspath(name)  # noqa: PTH100 - links stay: it is named as it was


def known_format(format: str) -> str:
    """Give a format, if it is one."""
    if format not in FORMATS:
        raise BadValue(f"{format!r} is no format of disk images", f"say one of: {', '.join(FORMATS)}")
    return format


class Unfit(BadImage):
    """An image that qemu-img need not be asked for, with the word for it."""

    def __init__(self, status: str, what: str, remedy: str) -> None:
        super().__init__(what, remedy)
        self.status = status


def look_at(path: str, format: str | None) -> None:
    """Raise where there is no image of that format."""
    try:
        there, fit = os.path.lexists(path), Path(path).is_file() or Path(path).is_block_device()
    except (OSError, ValueError) as error:  # too long, NUL, or a surrogate that stands for no byte
        raise Unfit("missing", f"{path!r} can be no path", "give the path of an image") from error
    if not there:
        raise Unfit("missing", f"There is nothing at {path!r}", "give the path of an image")
    if not fit:
        raise Unfit("no image", f"{path!r} is no file and no block device", "give the path of an image")
    if not os.access(path, os.R_OK):
        raise Unfit("unreadable", f"You may not read {path!r}", "ask as a user who may")
    if format not in FORMATS:
        what = f"no format of disk images: {format}" if format else "not known"
        raise Unfit("unreadable", f"The format of {path!r} is {what}", "say it: info(path, format=…)")
    like = looks_like(path)
    if format not in {"raw", like}:
        raise Unfit(
            "another format",
            f"{path!r} does not begin as a {format} image does{f', but as {like}' if like else ''}",
            f"say format={like or 'raw'!r}, if that is what it is",
        )
