"""Which qemu-img there is, and what it knows."""

from __future__ import annotations

from functools import cache

from kvmnb.errors import ProgramFailed
from kvmnb.programs import run

_MARK = "Supported formats:"


@cache
def version() -> str:
    """Give the version of qemu-img, such as 7.2.22."""
    words = run(["qemu-img", "--version"], timeout=20).stdout.split()
    return words[words.index("version") + 1] if "version" in words else "unknown"


@cache
def formats() -> tuple[str, ...]:
    """Give the formats that this qemu-img knows, and the protocols, which it lists among them."""
    told = run(["qemu-img", "--help"], timeout=20).stdout
    _, mark, listed = told.partition(_MARK)
    if not mark:
        raise ProgramFailed(
            "qemu-img --help does not list its formats", "install qemu-utils of QEMU 5 or newer"
        )
    return tuple(listed.partition("\n\n")[0].split())
