"""The files of a demonstration guest: a plausible small system, sound or with a planted fault. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Literal

#: The kernel that the guest's files speak of.
_VERSION = "5.14.0-362.8.1.el9.x86_64"

#: What stands for the UUID of ``/boot``, and for the same with a digit mistyped, until the builder knows it.
BOOT, WRONG_BOOT = "@uuid of boot@", "@mistyped uuid of boot@"

_SYSTEM = "CentOS Stream 9 (kvmnb demonstration)"


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of the guest.

    Parameters
    ----------
    path : str
        Without a leading slash.
    text : str
        Its content, or where a link points to.
    mode : int
        Its permissions.
    kind : {"file", "folder", "link"}
        What it is.
    owner : int
        The number of its user and group.
    time : int
        When it was changed, in seconds since 1970.
    """

    path: str
    text: str = ""
    mode: int = 0o644
    kind: Literal["file", "folder", "link"] = "file"
    owner: int = 0
    time: int = 0


@dataclass(frozen=True, slots=True)
class System:
    """What the files are made from.

    Parameters
    ----------
    name : str
        The guest's name, which is its host name.
    group : str
        Its volume group.
    swap : str
        The UUID of its swap space.
    broken : bool
        Whether its fstab names a UUID for ``/boot`` that no file system has.
    now : datetime
        When it ran last.
    """

    name: str
    group: str
    swap: str
    broken: bool
    now: datetime

    @property
    def boot_in_fstab(self) -> str:
        """What stands in fstab for the UUID of ``/boot``."""
        return WRONG_BOOT if self.broken else BOOT


def request_files(system: System) -> list[dict[str, object]]:
    """Give the files as the builder takes them."""
    time = int(system.now.timestamp())
    return [asdict(entry) | {"time": entry.time or time} for entry in entries(system)]


def entries(system: System) -> Iterator[Entry]:
    """Give the guest's files, each folder before what is in it."""
    yield from _folders()
    for path, text in _settings(system).items():
        yield Entry(path, text, 0o600 if path in {"etc/shadow", "etc/crypttab"} else 0o644)
    for path, text in _boot(system).items():
        yield Entry(path, text)
    yield Entry("var/log/messages", "".join(_messages(system)), 0o600)
    yield Entry("var/log/boot.log", "".join(_boot_log(system)))
    yield Entry("home/centos/.bash_profile", "PATH=$PATH:$HOME/bin\nexport PATH\n", owner=1000)
    yield Entry(
        "home/centos/notes.txt", "The orders are in /srv/shop; the report runs every night.\n", owner=1000
    )
    yield Entry("srv/shop/orders.csv", "".join(_orders()))
    yield Entry("usr/sbin/shutdown", "/run/bin/shutdown", 0o777, "link")


def _folders() -> Iterator[Entry]:
    modes = {"root": 0o700, "tmp": 0o1777, "var/tmp": 0o1777, "home/centos": 0o700}
    owners = {"home/centos": 1000}
    for path in (
        *("boot/grub2", "boot/loader", "boot/loader/entries", "dev", "etc", "etc/ssh", "etc/sysconfig"),
        *(
            "home",
            "home/centos",
            "media",
            "mnt",
            "opt",
            "proc",
            "root",
            "run",
            "srv",
            "srv/shop",
            "sys",
            "tmp",
        ),
        *("usr", "usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "usr/share", "var", "var/lib", "var/log"),
        *("var/log/audit", "var/spool", "var/tmp"),
    ):
        yield Entry(path, mode=modes.get(path, 0o755), kind="folder", owner=owners.get(path, 0))
    for path in ("bin", "sbin", "lib", "lib64"):
        yield Entry(path, f"usr/{path}", 0o777, "link")
    yield Entry("var/run", "../run", 0o777, "link")


def _settings(system: System) -> dict[str, str]:
    group = system.group
    return {
        "etc/fstab": (
            "#\n# /etc/fstab\n# Created by anaconda\n#\n"
            f"/dev/mapper/{group}-root /     xfs  defaults 0 0\n"
            f"UUID={system.boot_in_fstab} /boot xfs  defaults 0 0\n"
            f"UUID={system.swap} none  swap defaults 0 0\n"
        ),
        "etc/hostname": f"{system.name}\n",
        "etc/hosts": f"127.0.0.1 localhost localhost.localdomain\n127.0.1.1 {system.name}\n",
        "etc/os-release": (
            'NAME="CentOS Stream"\nVERSION="9"\nID="centos"\nID_LIKE="rhel fedora"\nVERSION_ID="9"\n'
            f'PRETTY_NAME="{_SYSTEM}"\n'
        ),
        "etc/redhat-release": "CentOS Stream release 9\n",
        "etc/passwd": (
            "root:x:0:0:root:/root:/bin/bash\nbin:x:1:1:bin:/bin:/sbin/nologin\n"
            "sshd:x:74:74:Privilege-separated SSH:/usr/share/empty.sshd:/sbin/nologin\n"
            "centos:x:1000:1000:Cloud User:/home/centos:/bin/bash\n"
        ),
        "etc/group": "root:x:0:\nbin:x:1:\nwheel:x:10:centos\nsshd:x:74:\ncentos:x:1000:\n",
        "etc/shadow": "root:!locked::0:99999:7:::\ncentos:!locked::0:99999:7:::\n",
        "etc/machine-id": system.swap.replace("-", "") + "\n",
        "etc/selinux.conf": "SELINUX=permissive\nSELINUXTYPE=targeted\n",
        "etc/ssh/sshd_config": "PermitRootLogin no\nPasswordAuthentication no\n",
        "etc/sysconfig/network": f"NETWORKING=yes\nHOSTNAME={system.name}\n",
    }


def _boot(system: System) -> dict[str, str]:
    options = f"root=/dev/mapper/{system.group}-root ro rd.lvm.lv={system.group}/root console=ttyS0"
    return {
        "boot/grub2/grub.cfg": (
            f"set timeout=5\nsearch --no-floppy --fs-uuid --set=root {BOOT}\n"
            f"menuentry '{_SYSTEM}' {{\n  linux /vmlinuz-{_VERSION} {options}\n"
            f"  initrd /initramfs-{_VERSION}.img\n}}\n"
        ),
        f"boot/loader/entries/{_VERSION}.conf": (
            f"title {_SYSTEM}\nversion {_VERSION}\nlinux /vmlinuz-{_VERSION}\n"
            f"initrd /initramfs-{_VERSION}.img\noptions {options}\n"
        ),
        f"boot/config-{_VERSION}": "CONFIG_XFS_FS=m\nCONFIG_BLK_DEV_DM=m\nCONFIG_VIRTIO_BLK=m\n",
    }


def _messages(system: System) -> Iterator[str]:
    """Give the system's log: a start that went well two days ago, and the last one."""
    yield from _start(system, system.now - timedelta(days=2), BOOT, sound=True)
    at = system.now - timedelta(hours=3)
    edited = "sudo[2214]: centos : PWD=/home/centos ; USER=root ; COMMAND=/bin/vi /etc/fstab"
    yield f"{_stamp(at)} {system.name} {edited}\n"
    yield f"{_stamp(at + timedelta(minutes=4))} {system.name} systemd[1]: Shutting down.\n"
    at = system.now - timedelta(minutes=2)
    yield from _start(system, at, system.boot_in_fstab, sound=not system.broken)


def _start(system: System, at: datetime, boot: str, *, sound: bool) -> Iterator[str]:
    device = f"/dev/disk/by-uuid/{boot}"
    lines = [
        (0, f"kernel: Linux version {_VERSION}"),
        (0, f"kernel: Command line: root=/dev/mapper/{system.group}-root ro console=ttyS0"),
        (1, "kernel: virtio_blk virtio2: [vda] 4194304 512-byte logical blocks (2.15 GB/2.00 GiB)"),
        (2, "kernel: XFS (dm-1): Mounting V5 Filesystem"),
        (2, "kernel: XFS (dm-1): Ending clean mount"),
        (3, f"systemd[1]: Hostname set to <{system.name}>."),
    ]
    if sound:
        lines += [
            (4, f"systemd[1]: Found device {device}."),
            (5, "systemd[1]: Mounted /boot."),
            (6, "systemd[1]: Reached target Local File Systems."),
            (8, "systemd[1]: Started OpenSSH server daemon."),
            (9, "systemd[1]: Reached target Multi-User System."),
        ]
    else:
        lines += [
            (94, f"systemd[1]: Timed out waiting for device {device}."),
            (94, "systemd[1]: Dependency failed for /boot."),
            (94, "systemd[1]: Dependency failed for Local File Systems."),
            (95, 'systemd[1]: You are in emergency mode. After logging in, type "journalctl -xb".'),
        ]
    for seconds, text in lines:
        yield f"{_stamp(at + timedelta(seconds=seconds))} {system.name} {text}\n"


def _boot_log(system: System) -> Iterator[str]:
    yield "[  OK  ] Found device /dev/mapper/" + f"{system.group}-root.\n"
    yield "[  OK  ] Reached target Initrd Root File System.\n"
    if system.broken:
        yield f"[ TIME ] Timed out waiting for device /dev/disk/by-uuid/{system.boot_in_fstab}.\n"
        yield "[DEPEND] Dependency failed for /boot.\n"
        yield "[DEPEND] Dependency failed for Local File Systems.\n"
        yield "[  OK  ] Started Emergency Shell.\n"
    else:
        yield "[  OK  ] Mounted /boot.\n[  OK  ] Reached target Local File Systems.\n"
        yield "[  OK  ] Reached target Multi-User System.\n"


def _stamp(at: datetime) -> str:
    return f"{at:%b} {at.day:2d} {at:%H:%M:%S}"


def _orders() -> Iterator[str]:
    """Give something to analyse, the same in every guest."""
    chosen = random.Random(9)  # noqa: S311 - no secret
    yield "order,customer,amount\n"
    for number in range(1, 401):
        customer, cents = chosen.choice(["ada", "bo", "chen", "dara"]), chosen.randrange(100, 99999)
        yield f"{number},{customer},{cents / 100:.2f}\n"
