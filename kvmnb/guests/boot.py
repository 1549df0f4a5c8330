"""What starts a demonstration guest: the host's own kernel, and a small initrd that brings a guest agent.

The initrd follows the guest's own ``etc/fstab``, as an ordinary system would, so that a guest whose fstab is
wrong does not start, and starts once it is mended. The root file system needs no programs: the few that run
are the initrd's, from memory.
"""

from __future__ import annotations

import gzip
import lzma
import os
import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kvmnb.errors import KvmnbError
from kvmnb.programs import find, run

#: What the guest needs of the kernel, in any order; what each needs itself is looked up.
_MODULES = ("crc32c_generic", "virtio_pci", "virtio_blk", "virtio_console", "dm_mod", "xfs")

#: The programs that the guest runs, and the packages that have them.
_PROGRAMS = {"busybox": "busybox-static", "qemu-ga": "qemu-guest-agent", "lvm": "lvm2"}

#: What the parts of a version are ordered by: numbers as numbers.
_PARTS = re.compile(r"\d+|\D+")

_SECTOR = 512

#: Mounts the guest's root, notes as udev would how its logical volumes are named, which the agent looks up,
#: and goes over to that root, with the programs in memory.
_INIT = r"""#!/bin/busybox sh
export PATH=/bin LD_LIBRARY_PATH=/lib
/bin/busybox --install -s /bin
mkdir -p /proc /sys /dev /tmp /sysroot /etc/lvm /run/lock/lvm
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in $(cat /modules); do insmod "/lib/modules/$module"; done
waited=0
until [ -b /dev/vda2 ] || [ $waited -ge 100 ]; do waited=$((waited + 1)); usleep 100000; done
quietly="--config devices{use_devicesfile=0}activation{udev_sync=0udev_rules=0}"
lvm vgchange $quietly -ay centos && lvm vgmknodes $quietly
mount -t xfs /dev/mapper/centos-root /sysroot || { echo "kvmnb: no root file system"; poweroff -f; }
mount -t tmpfs run /sysroot/run
mkdir -p /sysroot/run/udev/data
for one in /sys/block/dm-*; do
  echo "E:DM_NAME=$(cat $one/dm/name)" >"/sysroot/run/udev/data/b$(cat $one/dev)"
done
cp -a /bin /lib /lib64 /second /sysroot/run/
for one in proc sys dev; do mount --move /$one /sysroot/$one; done
exec switch_root /sysroot /run/bin/busybox sh /run/second
"""

#: Runs with the guest's root: the rest of fstab, then the agent, until the guest is turned off.
_SECOND = r"""export PATH=/run/bin LD_LIBRARY_PATH=/run/lib
log=/var/log/boot.log
say() { echo "$(date '+%b %e %H:%M:%S') $(cat /etc/hostname) systemd[1]: $*" | tee -a $log >>/var/log/messages
  echo "kvmnb: $*" >/dev/console; }
emergency() { say "Dependency failed for $1."; say "Dependency failed for Local File Systems."
  say "You are in emergency mode."; sync; mount -o remount,ro /; poweroff -f; }
while read -r what where type options rest; do
  case "$what $where" in '#'*|' '|"/dev/mapper/centos-root "*) continue ;; esac
  case "$what" in UUID=*) device=$(findfs "$what" 2>/dev/null) ;; *) device=$what ;; esac
  if [ "$type" = swap ]; then swapon "$device"; continue; fi
  if [ -z "$device" ] || ! mount -t "$type" "$device" "$where"; then
    say "Timed out waiting for device $what."; emergency "$where"
  fi
  say "Mounted $where."
done </etc/fstab
ifconfig lo 127.0.0.1 up 2>/dev/null
hostname -F /etc/hostname
printf '#!/run/bin/busybox sh\n/run/bin/busybox kill -TERM 1\n' >/run/bin/shutdown
chmod 755 /run/bin/shutdown
say "Started QEMU Guest Agent."
port=/dev/virtio-ports/org.qemu.guest_agent.0
mkdir -p /dev/virtio-ports /run/state
for one in /sys/class/virtio-ports/*; do
  [ "$(cat $one/name)" = org.qemu.guest_agent.0 ] && ln -sf "/dev/${one##*/}" $port
done
say "Reached target Multi-User System."
trap 'sync; swapoff -a; umount /boot; mount -o remount,ro /; poweroff -f' TERM USR1 USR2
agent="/run/lib64/ld-linux-x86-64.so.2 --library-path /run/lib /run/bin/qemu-ga"
while true; do $agent -m virtio-serial -p $port -t /run/state --logfile /run/qemu-ga.log; sleep 1; done &
while true; do wait; sleep 1; done
"""


class CannotBoot(KvmnbError):
    """A guest that really starts cannot be made here: a kernel or a program is missing."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel of this host.

    Parameters
    ----------
    version : str
        Its version, as ``uname -r`` would say.
    image : Path
        Its file.
    modules : Path
        The folder of its modules.
    """

    version: str
    image: Path
    modules: Path


def newest_kernel(boot: Path = Path("/boot"), modules: Path = Path("/lib/modules")) -> Kernel:
    """Give the newest kernel that can be read and has its modules.

    Parameters
    ----------
    boot, modules : Path
        Where kernels and their modules are.

    Raises
    ------
    CannotBoot
        There is none.
    """
    if platform.machine() != "x86_64":
        raise CannotBoot(
            f"A guest that really starts is made for x86_64 only, not for {platform.machine()}",
            "create one with boots=False",
        )
    found = [path for path in boot.glob("vmlinuz-*") if os.access(path, os.R_OK)]
    for image in sorted(found, key=lambda path: _order(path.name), reverse=True):
        version = image.name.removeprefix("vmlinuz-")
        if (modules / version / "modules.dep").is_file():
            return Kernel(version, image, modules / version)
    raise CannotBoot(
        f"No kernel in {boot} can be read and has its modules in {modules}",
        "install the package of a kernel, such as linux-image-amd64, or let your user read it",
    )


def _order(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (0, part) for part in _PARTS.findall(name)]


def initrd(kernel: Kernel) -> bytes:
    """Make the initrd.

    Parameters
    ----------
    kernel : Kernel
        Whose modules it is to bring.

    Returns
    -------
    bytes
        A compressed archive, filled up to whole sectors so that it can be a volume.

    Raises
    ------
    CannotBoot
        A program or a module is missing, or busybox needs libraries.
    """
    names = []
    files: dict[str, tuple[int, bytes]] = {
        "init": (0o755, _INIT.encode()),
        "second": (0o644, _SECOND.encode()),
    }
    for path in _wanted(kernel):
        names.append(path.name.partition(".ko")[0] + ".ko")
        files[f"lib/modules/{names[-1]}"] = (0o644, _unpacked(path))
    files["modules"] = (0o644, "\n".join(names).encode())
    for name, package in _PROGRAMS.items():
        program = find(name)
        if program is None:
            raise CannotBoot(f"The program {name} is not installed", f"install the package {package}")
        files[f"bin/{name}"] = (0o755, Path(program).read_bytes())
        for library in _libraries(program):
            place = "lib64" if library.name.startswith("ld-linux") else "lib"
            files[f"{place}/{library.name}"] = (0o755, library.read_bytes())
    return padded(gzip.compress(archive(files), compresslevel=1, mtime=0))


def padded(content: bytes) -> bytes:
    """Fill up to whole sectors with zeros, which kernels and their loaders pass over."""
    return content + bytes(-len(content) % _SECTOR)


def _wanted(kernel: Kernel) -> list[Path]:
    """Give the files of the modules, each after those that it needs; what is built in has none."""
    needs: dict[str, list[str]] = {}
    for line in (kernel.modules / "modules.dep").read_text().splitlines():
        path, _, others = line.partition(":")
        needs[path] = others.split()
    by_name = {_module(path): path for path in needs}
    built_in = {_module(line) for line in (kernel.modules / "modules.builtin").read_text().splitlines()}
    order: dict[str, None] = {}
    for name in _MODULES:
        if name in by_name:
            # The list of what a module needs begins with what needs the rest.
            order |= dict.fromkeys([*reversed(needs[by_name[name]]), by_name[name]])
        elif name not in built_in:
            raise CannotBoot(
                f"The kernel {kernel.version} has no module {name}", "install the distribution's usual kernel"
            )
    return [kernel.modules / path for path in order]


def _module(path: str) -> str:
    """Give a module's name as the kernel knows it."""
    return Path(path).name.partition(".ko")[0].replace("-", "_")


def _unpacked(path: Path) -> bytes:
    if path.suffix == ".xz":
        return lzma.decompress(path.read_bytes())
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes())
    if path.suffix == ".zst":
        return run(["zstd", "-dcq", str(path)], timeout=30).stdout.encode(errors="surrogateescape")
    return path.read_bytes()


def _libraries(program: str) -> Iterator[Path]:
    """Give the shared libraries that a program needs, by ``ldd``; none of one that is static."""
    told = run(["ldd", program], timeout=20, check=False).stdout
    for line in told.splitlines():
        words = line.replace("=>", " ").split()
        paths = [word for word in words if word.startswith("/")]
        if paths:
            yield Path(paths[-1])


def archive(files: dict[str, tuple[int, bytes]]) -> bytes:
    """Write an archive of cpio's format *newc*, which kernels take.

    Parameters
    ----------
    files : dict of str to (int, bytes)
        Path without a leading slash, to mode and content. Folders are made as they are needed.

    Returns
    -------
    bytes
        The archive.
    """
    folders = {str(above): None for path in files for above in Path(path).parents if str(above) != "."}
    pieces = [_entry(path, 0o040755, b"") for path in sorted(folders)]
    pieces += [_entry(path, 0o100000 | mode, content) for path, (mode, content) in files.items()]
    return b"".join([*pieces, _entry("TRAILER!!!", 0, b"")])


def _entry(path: str, mode: int, content: bytes) -> bytes:
    name = path.encode() + b"\0"
    # inode, mode, owner, group, links, time, size, then four numbers of devices, length of name, checksum
    numbers = (0, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name), 0)
    head = b"070701" + b"".join(b"%08X" % number for number in numbers) + name
    return head + bytes(-len(head) % 4) + content + bytes(-len(content) % 4)
