"""Guests with file systems of every kind, for comparing what is read with what virt-df reads."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from kvmnb.guests.appliance import interpreter, settings
from tests.daemon import Daemon

_WORKER = Path(__file__).with_name("kinds_worker.py")

_DOMAIN = """<domain type='qemu'><name>{name}</name><memory unit='MiB'>64</memory>
<os><type>hvm</type></os><devices>{disks}</devices></domain>"""
_DISK = """<disk type='file' device='{device}'><driver name='qemu' type='{format}'/>
<source file='{path}'/><target dev='{target}' bus='{bus}'/></disk>"""


@dataclass
class Kinds:
    """The images, and the guests that were defined with them."""

    folder: Path
    daemon: Daemon
    names: list[str] = field(default_factory=list)

    def path(self, name: str) -> Path:
        """Give the path of an image."""
        return self.folder / name

    def copy(self, name: str, to: str) -> Path:
        """Copy an image, holes and all."""
        target = self.folder / to
        subprocess.run(["cp", "--sparse=always", self.folder / name, target], check=True)
        return target

    def overlay(self, name: str, on: str, format: str = "raw") -> Path:
        """Make a qcow2 overlay."""
        base, path = self.folder / on, self.folder / name
        subprocess.run(
            ["qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", format, path], check=True
        )
        return path

    def guest(self, name: str, *images: tuple[str, str]) -> None:
        """Define a guest with disks, each an image and its format."""
        disks = "".join(
            _DISK.format(
                device="disk", format=kind, path=self.folder / image, target=f"vd{letter}", bus="virtio"
            )
            for letter, (image, kind) in zip("abcdef", images, strict=False)
        )
        xml = self.folder / f"{name}.xml"
        xml.write_text(_DOMAIN.format(name=name, disks=disks))
        self.daemon.virsh("define", str(xml))
        self.names.append(name)


def make(folder: Path, daemon: Daemon) -> Kinds:
    """Make the images and define the guests."""
    subprocess.run(
        [interpreter(), "-I", str(_WORKER), str(folder)],
        check=True,
        env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", **settings()},
        timeout=240,
    )
    kinds = Kinds(folder, daemon)
    subprocess.run(
        ["qemu-img", "convert", "-O", "qcow2", folder / "gpt.raw", folder / "gpt.qcow2"], check=True
    )
    kinds.guest("many", ("mbr.raw", "raw"), ("gpt.qcow2", "qcow2"), ("whole.raw", "raw"))
    kinds.guest("lvm", ("pv1.raw", "raw"), ("pv2.raw", "raw"))
    kinds.copy("pv1.raw", "twin1.raw")
    kinds.copy("pv2.raw", "twin2.raw")
    kinds.guest("twin", ("twin1.raw", "raw"), ("twin2.raw", "raw"))
    kinds.overlay("middle.qcow2", "mbr.raw")
    kinds.overlay("top.qcow2", "middle.qcow2", "qcow2")
    kinds.guest("chain", ("top.qcow2", "qcow2"))
    return kinds


def make_broken(kinds: Kinds) -> None:
    """Define guests in which something cannot be read."""
    kinds.copy("whole.raw", "corrupt.raw")
    with kinds.path("corrupt.raw").open("r+b") as image:
        image.seek(1024 + 96)  # ext4's incompatible features: those that nobody knows
        image.write(b"\xff\xff\xff\x7f")
    kinds.path("blank.raw").write_bytes(bytes(1 << 20))
    secret = ["--object", "secret,id=key,data=secret", "-f", "luks", "-o", "key-secret=key,iter-time=10"]
    for left in reversed(range(20)):  # qemu-img gives up where the processor's clock ticks too slowly
        command = ["qemu-img", "create", "-q", *secret, str(kinds.path("secret.raw")), "60M"]
        if subprocess.run(command, check=not left).returncode == 0:
            break
    kinds.overlay("hostile.raw", "whole.raw")  # what a guest may have written to its raw disk
    disks = ["secret.raw", "corrupt.raw", "blank.raw", "hostile.raw"]
    kinds.guest("locked away", *((name, "raw") for name in disks))
    kinds.copy("pv1.raw", "half.raw")
    kinds.guest("half", ("half.raw", "raw"), ("gone.raw", "raw"))
    kinds.path("liar.qcow2").write_bytes(b"no qcow2 at all" * 1000)
    kinds.guest("liar", ("liar.qcow2", "qcow2"))
    kinds.guest("diskless")
