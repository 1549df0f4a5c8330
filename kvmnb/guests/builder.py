"""Makes the image of a demonstration guest in one libguestfs appliance, and tells how far it is.

A program of its own, like ``worker.py``: started by the interpreter that has the libguestfs bindings, it
imports nothing of the kit and reads its request from its one argument. It makes a new file and writes to that
alone: where something lies there already, it fails.
"""

from __future__ import annotations

import ctypes
import io
import json
import os
import signal
import sys
import tarfile
import tempfile
from typing import Any

import guestfs

_Request = dict[str, Any]

#: Sectors before the first partition: 1 MiB, as every partitioner leaves it.
_FIRST = 2048

_SECTOR = 512

#: A partition's type, for LVM.
_LVM = 0x8E


def say(event: str, **told: object) -> None:
    """Write one line."""
    sys.stdout.write(json.dumps({"event": event, **told}) + "\n")
    sys.stdout.flush()


def opened(request: _Request) -> guestfs.GuestFS:
    """Make the image, which must not exist, and start an appliance with it."""
    handle = guestfs.GuestFS(python_return_dict=True)
    handle.set_memsize(request["memory"] >> 20)
    os.close(os.open(request["path"], os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    handle.disk_create(request["path"], "qcow2", request["size"])
    # The image is new and thrown away after a failure: it need not be safe against a crash meanwhile.
    handle.add_drive(request["path"], format="qcow2", cachemode="unsafe")
    handle.launch()
    return handle


def lay_out(handle: guestfs.GuestFS, request: _Request) -> None:
    """Partition the disk, and make the volume group and the file systems."""
    group = request["group"]
    second = _FIRST + request["boot_size"] // _SECTOR
    handle.part_init("/dev/sda", "mbr")
    handle.part_add("/dev/sda", "p", _FIRST, second - 1)
    handle.part_add("/dev/sda", "p", second, -1)
    handle.part_set_mbr_id("/dev/sda", 2, _LVM)
    handle.part_set_bootable("/dev/sda", 1, True)
    handle.pvcreate("/dev/sda2")
    handle.vgcreate(group, ["/dev/sda2"])
    handle.lvcreate("swap", group, request["swap_size"] >> 20)
    handle.lvcreate_free("root", group, 100)
    handle.mkfs("xfs", "/dev/sda1")
    handle.mkfs("xfs", f"/dev/{group}/root")
    handle.mkswap(f"/dev/{group}/swap", uuid=request["swap"])


def fill(handle: guestfs.GuestFS, request: _Request) -> None:
    """Put the files into the mounted file systems."""
    # Giving xfs another UUID afterwards would write all of its log: the texts take the one that it has.
    uuid = handle.vfs_uuid("/dev/sda1")
    known = {"@uuid of boot@": uuid, "@mistyped uuid of boot@": mistyped(uuid)}
    handle.mount(f"/dev/{request['group']}/root", "/")
    handle.mkdir("/boot")
    handle.mount("/dev/sda1", "/boot")
    with tempfile.NamedTemporaryFile(suffix=".tar") as file:
        with tarfile.open(fileobj=file, mode="w") as tar:
            for entry in request["files"]:
                add(tar, entry, known)
        file.flush()
        handle.tar_in(file.name, "/")
    handle.umount_all()


def mistyped(uuid: str) -> str:
    """Give a UUID with one digit typed wrongly, which is easily overlooked."""
    wrong = {"8": "3", "3": "8", "6": "b", "b": "6", "1": "7", "7": "1"}
    at = max((place for place, digit in enumerate(uuid) if digit in wrong), default=-1)
    return uuid[:at] + wrong.get(uuid[at], "3") + (uuid[at + 1 :] if at >= 0 else "")


def add(tar: tarfile.TarFile, entry: dict[str, Any], known: dict[str, str]) -> None:
    """Add a file, folder or symbolic link to an archive, with what has become known in its text."""
    info = tarfile.TarInfo(entry["path"])
    info.mode, info.mtime = entry["mode"], entry["time"]
    info.uid = info.gid = entry["owner"]
    text = entry["text"]
    for words, value in known.items():
        text = text.replace(words, value)
    content = text.encode()
    if entry["kind"] == "folder":
        info.type = tarfile.DIRTYPE
    elif entry["kind"] == "link":
        info.type, info.linkname = tarfile.SYMTYPE, text
    else:
        info.size = len(content)
    tar.addfile(info, io.BytesIO(content) if info.isreg() else None)


def end_with_parent() -> None:
    """Have the kernel end this process with the one that asked; libguestfs then ends its QEMU."""
    ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGTERM, 0, 0, 0)  # PR_SET_PDEATHSIG
    if os.getppid() == 1:
        sys.exit(1)


def main() -> int:
    """Read the request, do it."""
    end_with_parent()
    request = json.loads(sys.argv[1])
    try:
        handle = opened(request)
        say("launched")
        lay_out(handle, request)
        say("laid out")
        fill(handle, request)
        handle.shutdown()  # an error of the last writing shows here
        handle.close()
    except (RuntimeError, OSError) as error:
        say("failed", reason=str(error))
        return 1
    say("done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
