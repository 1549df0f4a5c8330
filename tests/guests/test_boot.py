"""The archive that a guest starts from is one that cpio reads, and the newest kernel is chosen."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path

import pytest

from kvmnb.guests.boot import CannotBoot, archive, newest_kernel, padded


def test_cpio_unpacks_the_archive(tmp_path: Path) -> None:
    files = {
        "init": (0o755, b"#!/bin/sh\n"),
        "lib/deep/er/a.ko": (0o644, bytes(range(256))),
        "empty": (0o600, b""),
    }
    done = subprocess.run(
        ["cpio", "-idm", "--quiet"],
        input=padded(archive(files)),
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    for path, (mode, content) in files.items():
        assert (tmp_path / path).read_bytes() == content
        assert (tmp_path / path).stat().st_mode & 0o777 == mode


def test_what_is_padded_fills_sectors() -> None:
    assert [len(padded(bytes(size))) for size in (0, 1, 512, 513)] == [0, 512, 512, 1024]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="guests boot on x86_64 only")
def test_the_newest_kernel_that_has_its_modules_is_chosen(tmp_path: Path) -> None:
    boot, modules = tmp_path / "boot", tmp_path / "modules"
    boot.mkdir()
    for version in ("6.1.0-9-amd64", "6.1.0-10-amd64", "5.10.0-40-amd64", "6.12.1-amd64"):
        (boot / f"vmlinuz-{version}").touch()
        if version != "6.12.1-amd64":
            (modules / version).mkdir(parents=True)
            (modules / version / "modules.dep").touch()
    assert newest_kernel(boot, modules).version == "6.1.0-10-amd64"


@pytest.mark.skipif(platform.machine() != "x86_64", reason="guests boot on x86_64 only")
def test_without_a_kernel_it_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(CannotBoot, match="Install the package of a kernel"):
        newest_kernel(tmp_path, tmp_path)
