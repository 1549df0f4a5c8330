"""What the actions on image files expect to find afterwards."""

from __future__ import annotations

from typing import Literal

from kvmnb.images.answers import Info
from kvmnb.storage.action import Expectation
from kvmnb.storage.model import Inventory
from kvmnb.units import format_size

#: Formats that round a size up: to a whole number of cylinders.
ROUNDING = ("vpc",)


def presence(path: str, want: Literal["present", "absent"]) -> Expectation:
    """Expect a file to be there, or not to be."""

    def actual(seen: Inventory) -> str | None:
        kind = seen.kind(path)
        return None if kind is None else "absent" if kind == "missing" else "present"

    return Expectation(f"image {path!r}", want, actual)


def virtual_size(path: str, format: str, size: int) -> Expectation:
    """Expect the size that a guest sees; of a format that rounds, at least so much."""
    want = f"at least {format_size(size)}" if format in ROUNDING else format_size(size)

    def actual(seen: Inventory) -> str | None:
        told = seen.image(path, format)
        if not isinstance(told, Info):
            return told
        enough = told.virtual_size >= size if format in ROUNDING else told.virtual_size == size
        # Two sizes may look alike once they are rounded for reading, so a difference is shown in bytes.
        return want if enough else f"{format_size(told.virtual_size)} ({told.virtual_size} bytes)"

    return Expectation(f"virtual size of image {path!r}", want, actual)
