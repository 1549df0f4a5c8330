"""A real program that has an image open, as QEMU has it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def holding(image: Path, *, readonly: bool = False) -> Iterator[None]:
    """Have qemu-io hold a raw image open, for writing unless said otherwise."""
    command = ["qemu-io", *(["-r"] if readonly else []), "-f", "raw", str(image)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        program.stdin.write(b"length\n")
        program.stdin.flush()
        said = b""
        while b"iB" not in said and b"bytes" not in said:  # it has answered, so that it holds the image
            piece = program.stdout.read1(1 << 16)  # type: ignore[attr-defined]
            assert piece, said
            said += piece
        yield
        program.stdin.close()
