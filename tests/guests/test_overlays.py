"""What a disk is read through never changes the disk, and takes it for what it is said to be."""

from __future__ import annotations

import subprocess
from pathlib import Path

from kvmnb.guests.overlays import overlay
from tests.guests.holding import holding


def _begins(image: Path) -> str:
    """Give how an image's content begins, as QEMU shows it."""
    command = ["qemu-io", "-f", "qcow2", "-c", "read -v 0 16", str(image)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_what_another_program_writes_to_can_be_read(tmp_path: Path) -> None:
    image = tmp_path / 'a, "b" and c.raw'
    image.write_bytes(b"AsItIsOnTheDisk1".ljust(1 << 20))
    with holding(image):
        top = overlay(str(image), "raw", tmp_path / "top.qcow2")
        assert "AsItIsOnTheDisk1" in _begins(top)
    write = ["qemu-io", "-f", "qcow2", "-c", "write -P 1 0 512", str(top)]
    subprocess.run(write, check=True, capture_output=True)
    assert image.read_bytes() == b"AsItIsOnTheDisk1".ljust(1 << 20)


def test_what_a_guest_wrote_is_not_believed(tmp_path: Path) -> None:
    secret, hostile = tmp_path / "secret", tmp_path / "hostile.raw"
    secret.write_bytes(b"OfThisMachineAll".ljust(1 << 16))
    create = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(secret), str(hostile)]
    subprocess.run(create, check=True)
    assert "OfThisMachineAll" in _begins(hostile)
    seen = _begins(overlay(str(hostile), "raw", tmp_path / "top.qcow2"))
    assert "OfThisMachineAll" not in seen
    assert "QFI" in seen
