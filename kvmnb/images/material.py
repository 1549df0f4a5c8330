"""The data that a comparison writes: real to a format, the same every time, compressible by half."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kvmnb.errors import BadValue, ProgramFailed
from kvmnb.programs import run
from kvmnb.units import format_size

#: qemu-io takes the content of a write from a file, and repeats it as often as is needed.
BLOCK = 1 << 20

#: The most that qemu-io is given to write at once.
_AT_ONCE = 16 << 20

_SEED = 20_11

#: Seconds after which a write is given up.
_TIMEOUT = 600.0


@dataclass(frozen=True, slots=True)
class Material:
    """Files to write from.

    Parameters
    ----------
    block : str
        Path of a file of `BLOCK` bytes, half of them random, half of them words; without spaces in it.
    source : Path
        A raw image of the whole size that holds the data at its beginning and nothing after it.
    size, data : int
        The size that a guest sees, and how much data there is, in bytes.
    """

    block: str
    source: Path
    size: int
    data: int


@contextmanager
def made(folder: Path, size: int, data: int) -> Iterator[Material]:
    """Write the files and keep them open.

    Parameters
    ----------
    folder : Path
        Where.
    size : int
        The size that a guest sees, in bytes.
    data : int
        How much data there is to be, in bytes.

    Yields
    ------
    Material
        The files.

    Raises
    ------
    BadValue
        The file system has not the space, or cannot hold so large a file.
    """
    # Seeded, because every run is to write the same; nothing is kept secret by it.
    noise = random.Random(_SEED).randbytes(BLOCK // 2)  # noqa: S311
    words = b"what is said of disk formats, and what is so: "
    content = noise + (words * (BLOCK // len(words)))[: BLOCK - len(noise)]
    block, source = folder / "block", folder / "source.raw"
    try:
        block.write_bytes(content)
        with source.open("wb") as file:
            for start in range(0, data, BLOCK):
                file.write(content[: min(BLOCK, data - start)])
            file.truncate(size)
    except OSError as error:
        raise BadValue(
            f"A raw disk of {format_size(size)} with data cannot be written: {error.strerror}",
            "compare smaller disks, free space, or choose another place",
        ) from error
    with block.open("rb") as opened:
        # qemu-io cuts its commands at spaces and knows no quotes, and the folder's path may hold one.
        yield Material(f"/proc/{os.getpid()}/fd/{opened.fileno()}", source, size, data)


def write(material: Material, path: Path, format: str) -> None:
    """Write all of the data to the beginning of an image.

    Parameters
    ----------
    material : Material
        What to write.
    path : Path
        The image.
    format : str
        Its format.
    """
    starts = range(0, material.data, _AT_ONCE)
    _write(material, path, format, [(at, min(_AT_ONCE, material.data - at)) for at in starts])


def write_at(material: Material, path: Path, format: str, places: Sequence[int], length: int) -> None:
    """Write pieces of the data to places of an image.

    Parameters
    ----------
    material : Material
        What to write.
    path : Path
        The image.
    format : str
        Its format.
    places : sequence of int
        Where each piece begins, as the guest counts, in bytes.
    length : int
        How long each piece is, in bytes.
    """
    _write(material, path, format, [(at, length) for at in places])


def _write(material: Material, path: Path, format: str, pieces: Sequence[tuple[int, int]]) -> None:
    words = [word for at, count in pieces for word in ("-c", f"write -q -s {material.block} {at} {count}")]
    # Nothing is to survive a crash of the host, and a flush per table would make qcow take a minute.
    command = ["qemu-io", "-f", format, "-t", "unsafe", *words, str(path)]
    done = run(command, timeout=_TIMEOUT, memory=8 << 30, check=False)
    said = [*done.stdout.split("\n"), *done.stderr.split("\n")]
    if done.returncode != 0 or done.stdout.strip():  # it ends with 0 after some failures, and only says so
        raise ProgramFailed(
            f"qemu-io could not write to the image: {next(filter(None, said), 'it did not say why')}",
            "see that there is space, then try again",
        )
