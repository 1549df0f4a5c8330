"""What is in the guest of the mounting tests: a plausible root, and names and files of a hostile one."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

#: Names that break a line, a terminal, a page, a spreadsheet, a shell or a codec; none may break the kit.
NAMES = (
    b"two\nlines",
    b"\x1b[31mred",
    b"<img src=x onerror=alert(1)>",
    b"=HYPERLINK(1)",
    b"-rf",
    b"'; rm -rf $HOME; \"",
    b"caf\xc3\xa9",
    bytes(range(1, 0x20)),
    b"\xff\xfe" + b"\x80" * 253,
)

#: When all of it was written.
WRITTEN = 1_600_000_000

MESSAGES = [f"Sep 13 12:26:{number % 60:02} vm1 kernel: line {number}" for number in range(500)]
CAUSE = "systemd[1]: Failed to mount /data: \x1b[31mno such device\x1b[0m"

_FOLDERS = (
    "bin",
    "boot",
    "data",
    "dev",
    "etc",
    "etc/sub",
    "hostile",
    "sbin",
    "usr",
    "usr/bin",
    "usr/share",
    "usr/share/zone",
    "var",
    "var/log",
    "var/log/journal",
)

_FILES = {
    "etc/fstab": "/dev/centos/root / ext4 defaults 0 0\nLABEL=boot /boot ext4 defaults 0 0\n",
    "etc/hostname": "vm1.example\n",
    "etc/os-release": 'ID=centos\nNAME="CentOS Linux"\nVERSION_ID="7"\nPRETTY_NAME="CentOS Linux 7"\n',
    "etc/redhat-release": "CentOS Linux release 7.9.2009 (Core)\n",
    "etc/sub/deep": "deep\n",
    "usr/share/zone/Berlin": "the guest's own zone\n",
    "var/log/messages": "\n".join([*MESSAGES, CAUSE]) + "\n",
    "var/log/boot.log": "",
}

#: Links by name; those that lead up or to the root are meant within the guest.
LINKS = {
    "etc/localtime": "/usr/share/zone/Berlin",
    "etc/up": "../../../../../../etc/hostname",
    "etc/host": "/etc/shadow",
    "etc/round": "round",
    "etc/folder": "/usr/share/zone",
    "var/log/syslog": "/dev/pipe",
}


def write(path: Path, journal: Path | None = None) -> None:
    """Write the archive of the guest's root, with a journal where there is one."""
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for name in _FOLDERS:
            tar.addfile(_entry(name, tarfile.DIRTYPE, 0o755))
        for name, text in _FILES.items():
            _file(tar, name, text.encode())
        for raw in NAMES:
            _file(tar, "hostile/" + raw.decode(errors="surrogateescape"), b"hostile\n")
        for name, target in LINKS.items():
            link = _entry(name, tarfile.SYMTYPE, 0o777)
            link.linkname = target
            tar.addfile(link)
        tar.addfile(_entry("dev/pipe", tarfile.FIFOTYPE, 0o600))
        disk = _entry("dev/disk", tarfile.BLKTYPE, 0o660)
        disk.devmajor, disk.devminor = 7, 0
        tar.addfile(disk)
        if journal is not None:
            name = f"var/log/journal/{journal.parent.name}"
            tar.addfile(_entry(name, tarfile.DIRTYPE, 0o755))
            _file(tar, f"{name}/{journal.name}", journal.read_bytes())
        secret = _entry("data/secret", tarfile.REGTYPE, 0o4750)
        secret.uid, secret.gid, secret.size = 1001, 1002, 6
        tar.addfile(secret, io.BytesIO(b"secret"))


#: Of the odd system's log only the end is read, which begins within a line; these are its last ones.
LONG_LINE = "a line of a log that is longer than what is read of it"

#: What the odd system has instead of a journal, and where it wants a file system that cannot be mounted.
_ODD_FILES = {
    "etc/fstab": "/dev/sda / ext4 defaults 0 0\n/dev/sdb /var/log/dmesg ext4 defaults 0 0\n",
    "etc/redhat-release": _FILES["etc/redhat-release"],
    "etc/os-release": _FILES["etc/os-release"],
    "var/log/messages": f"{LONG_LINE}\n" * 40_000,
    "var/log/journal/0123456789abcdef0123456789abcdef/system.journal": "no journal",
    "var/log/journal/\udcff": "a name that is no text",
}


def write_odd(path: Path) -> None:
    """Write the archive of a system in which little can be read."""
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for name in ("bin", "boot", "etc", "sbin", "usr", "usr/bin", "var", "var/log", "var/log/dmesg"):
            tar.addfile(_entry(name, tarfile.DIRTYPE, 0o755))
        for name in ("var/log/journal", "var/log/journal/0123456789abcdef0123456789abcdef"):
            tar.addfile(_entry(name, tarfile.DIRTYPE, 0o755))
        for name, text in _ODD_FILES.items():
            _file(tar, name, text.encode())


def _file(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = _entry(name, tarfile.REGTYPE, 0o644)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def _entry(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.mtime = kind, mode, WRITTEN
    return entry
