"""Images made by an operator's own commands, to hold the comparison against."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any


def tried(*command: str | Path) -> bool:
    """Run a program; tell whether it said that it worked."""
    done = subprocess.run(command, capture_output=True, check=False)
    return done.returncode == 0 and b"failed" not in done.stdout


def img(*words: str | Path) -> None:
    """Run qemu-img, which must work."""
    subprocess.run(["qemu-img", *words], check=True, stdout=subprocess.DEVNULL)


def io(format: str, path: Path, *commands: str, cache: str = "writeback") -> None:
    """Run qemu-io, which must work."""
    words = [word for command in commands for word in ("-c", command)]
    done = subprocess.run(
        ["qemu-io", "-f", format, "-t", cache, "-d", "unmap", *words, path],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "failed" not in done.stdout, done.stdout


def options(given: tuple[tuple[str, str], ...] | dict[str, str]) -> list[str]:
    """Give options as qemu-img takes them."""
    return [word for key, value in dict(given).items() for word in ("-o", f"{key}={value}")]


def ls(path: Path) -> int:
    """Give what ls says a file's size is, in bytes."""
    told = subprocess.run(["ls", "-l", path], check=True, capture_output=True, text=True)
    return int(told.stdout.split()[4])


def du(path: Path) -> int:
    """Give what du says a file takes, in bytes."""
    told = subprocess.run(["du", "--block-size=1", path], check=True, capture_output=True, text=True)
    return int(told.stdout.split()[0])


def info(format: str, path: Path) -> dict[str, Any]:
    """Give what qemu-img says of an image."""
    told = subprocess.run(
        ["qemu-img", "info", "--output=json", "-f", format, path], check=True, capture_output=True
    )
    answer: dict[str, Any] = json.loads(told.stdout)
    return answer
