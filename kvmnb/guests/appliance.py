"""The libguestfs appliance: whether it may use KVM, which interpreter has the bindings, and one run of it."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from threading import Event
from typing import Any

from kvmnb.errors import KvmnbError, ProgramFailed
from kvmnb.guests.overlays import cover
from kvmnb.programs import find, follow, run

#: Where libguestfs keeps its appliance.
_KEPT = "/var/tmp"  # noqa: S108 - it makes a folder for each user there

#: Memory of an appliance: enough for the tools of every file system, and for two beside each other.
MEMORY = 768 << 20

#: Seconds that reading a guest may take, its start under emulation on a busy host included.
PATIENCE = 240.0

_HERE = Path(__file__).parent

#: Where the bindings may be: Debian has them for its own interpreter only.
_INTERPRETERS = (sys.executable, "/usr/bin/python3")

_PACKAGES = "install the system packages that binder/apt.txt lists, for example with binder/up"

Answer = dict[str, Any]


class ApplianceFailed(KvmnbError):
    """The appliance did not start, or ended before it had answered.

    Parameters
    ----------
    what, remedy : str
        As for `KvmnbError`.
    status : str
        The word for it in frames.
    """

    def __init__(self, what: str, remedy: str, status: str = "appliance failed") -> None:
        super().__init__(what, remedy)
        self.status = status


def _store() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "kvmnb"


def _this_boot() -> str:
    """Give what changes with the kernel, its start or QEMU: then KVM has to be tried anew."""
    qemu = find("qemu-system-x86_64") or ""
    changed = Path(qemu).stat().st_mtime_ns if qemu else 0
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot} {changed} {os.access('/dev/kvm', os.R_OK | os.W_OK)}"


def kvm_works() -> bool:
    """Tell whether QEMU can really use KVM: the device can be there and fail when a machine starts.

    It is tried once per start of the host and remembered in the user's cache folder.
    """
    note, boot = _store() / "kvm.json", _this_boot()
    try:
        told = json.loads(note.read_text())
        if told.get("boot") == boot:
            return bool(told["works"])
    except (OSError, ValueError, KeyError, AttributeError):
        pass  # nothing is remembered, or nothing that can be read
    works = _try_kvm()
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(json.dumps({"boot": boot, "works": works}))
    except OSError:
        pass  # then it is tried again next time
    return works


def _try_kvm() -> bool:
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    machine = ["-machine", "accel=kvm", "-cpu", "host", "-m", "64", "-nodefaults", "-display", "none", "-S"]
    command = ["qemu-system-x86_64", *machine, "-monitor", "stdio"]
    try:
        return run(command, stdin="quit\n", timeout=20, check=False).returncode == 0
    except ProgramFailed:
        return False


def settings() -> dict[str, str]:
    """Give the variables that every program of libguestfs is to have; what the user has set stays.

    Returns
    -------
    dict of str to str
        The backend, which is QEMU itself rather than libvirt, emulation where KVM does not work, and where
        the appliance is kept: with a TMPDIR of its own, libguestfs would build it anew each time.
    """
    chosen = {"LIBGUESTFS_BACKEND": "direct", "LIBGUESTFS_CACHEDIR": os.environ.get("TMPDIR") or _KEPT}
    if not kvm_works():
        chosen["LIBGUESTFS_BACKEND_SETTINGS"] = "force_tcg"
    return {name: os.environ.get(name, value) for name, value in chosen.items()}


@cache
def interpreter() -> str:
    """Give the path of a Python that has the bindings of libguestfs.

    Raises
    ------
    ApplianceFailed
        None has.
    """
    for path in dict.fromkeys(_INTERPRETERS):
        if Path(path).exists():
            done = run([path, "-I", "-c", "import guestfs"], timeout=30, check=False)
            if done.returncode == 0:
                return path
    raise ApplianceFailed("The Python bindings of libguestfs are not installed", _PACKAGES)


def ask(
    request: Answer,
    tell: Callable[[Answer], None],
    *,
    stop: Event | None = None,
    patience: float = PATIENCE,
    program: str = "worker.py",
) -> None:
    """Run the worker once.

    Parameters
    ----------
    request : dict
        What it is to do; see ``worker.py``, or whichever program is named.
    tell : callable
        Gets each answer as it comes.
    stop : threading.Event, optional
        Once it is set, the appliance is ended.
    patience : float
        The most seconds that it may take.
    program : str
        Which worker: a file of this folder.

    Raises
    ------
    ApplianceFailed
        It did not start, was stopped, took too long, or ended early; what it had told before is told.
    """
    rest, ended, began = "", False, time.monotonic()

    def hear(piece: str) -> None:
        nonlocal rest, ended
        *lines, rest = (rest + piece).split("\n")
        for line in lines:
            answer = _understood(line)
            if answer["event"] == "failed":
                raise ApplianceFailed(
                    f"The appliance failed: {_plain(answer['reason'])}", _remedy(answer["reason"])
                )
            ended = ended or answer["event"] == "done"
            tell(answer)

    try:
        # What QEMU has just let go of may still be there for a moment when it was stopped.
        with tempfile.TemporaryDirectory(prefix="kvmnb-appliance-", ignore_cleanup_errors=True) as folder:
            asked = json.dumps({"memory": MEMORY, **_covered(request, Path(folder))})
            done = follow(
                [interpreter(), "-I", str(_HERE / program), asked],
                hear,
                timeout=patience,
                environment=settings() | {"LIBGUESTFS_TMPDIR": folder, "TMPDIR": folder},
                stop=stop,
                check=False,
            )
    except ProgramFailed as error:
        late = time.monotonic() - began >= patience
        status = "timed out" if late else "appliance failed"
        raise ApplianceFailed(f"The appliance did not answer: {error.what}", error.remedy, status) from error
    except OSError as error:
        what = f"The appliance could not be run: {error.strerror or error}"
        raise ApplianceFailed(what, "see that there is room in the folder for temporary files") from error
    if not ended:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise ApplianceFailed(f"The appliance ended early: {last}", "see kvmnb doctor")


def _covered(request: Answer, folder: Path) -> Answer:
    """Have each disk that is only to be read opened through an overlay of its own."""
    if "disks" not in request or not request.get("readonly", True):
        return request
    try:
        tops = cover(((disk["path"], disk["format"]) for disk in request["disks"]), folder)
    except ProgramFailed as error:
        raise ApplianceFailed(f"A disk could not be opened: {error.what}", error.remedy) from error
    return {**request, "disks": [{"path": top, "format": "qcow2"} for top in tops]}


def _understood(line: str) -> Answer:
    """Read one answer."""
    try:
        answer: Answer = json.loads(line)
        answer["event"]
    except (ValueError, TypeError, KeyError) as error:
        raise ApplianceFailed(
            f"The appliance said {line[:80]!r}, which is no answer", "see kvmnb doctor"
        ) from error
    return answer


def _plain(reason: str) -> str:
    """Give the first sentence of libguestfs's error; the rest is general advice of many lines."""
    return " ".join(reason.strip().splitlines()[0].split()) if reason.strip() else "it said nothing"


def _remedy(reason: str) -> str:
    if "supermin" in reason:
        return "see that the kernel in /boot can be read by you (kvmnb doctor says which), then try again"
    return "see kvmnb doctor, and what libguestfs-test-tool says"
