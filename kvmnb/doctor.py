"""Does this machine have what the kit needs? Each thing that it lacks gets one remedy.

A check's ``ok`` is True or False for what the kit cannot do without. It is NA for a lack that the kit can
live with: then ``found`` says what is lost and ``remedy`` how to get it.
"""

from __future__ import annotations

import importlib
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from itertools import chain
from pathlib import Path

import pandas as pd

from kvmnb import programs, schema
from kvmnb.errors import ProgramFailed, Unreachable
from kvmnb.units import format_size

_ENOUGH_SPACE = 1024**3
_OLDEST_PYTHON = (3, 11)
_PACKAGES = "install the system packages that binder/apt.txt lists, for example with binder/up"
_PROGRAMS = ("virsh", "qemu-img", "qemu-system-x86_64")
#: Seconds that a program has to say its version, or to start a machine without a guest in it.
_PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Parameters
    ----------
    check : str
        What was looked at.
    ok : bool or None
        Whether it is as it should be; None for a lack that the kit can live with.
    found : str
        What was found.
    remedy : str or None
        What to do about it; None where nothing is to be done.
    """

    check: str
    ok: bool | None
    found: str
    remedy: str | None = None


def doctor(uri: str | None = None) -> pd.DataFrame:
    """Look at everything that the kit needs on this machine.

    Parameters
    ----------
    uri : str, optional
        The libvirt URI to try; libvirt's own default unless given.

    Returns
    -------
    pandas.DataFrame
        One row per check, with the columns of `kvmnb.schema.CHECKS`.
    """
    return schema.CHECKS.build(asdict(check) for check in checkup(uri))


def checkup(uri: str | None = None) -> list[Check]:
    """Look at everything that the kit needs on this machine, as plain values.

    Parameters
    ----------
    uri : str, optional
        The libvirt URI to try; libvirt's own default unless given.

    Returns
    -------
    list of Check
        In the order in which things should be put right.
    """
    binding = _binding()
    checks = [*_python(), binding]
    if binding.ok:
        checks += _daemon(uri)
    checks += chain(_programs(), _kvm(), _fuse(), _kernel(), _appliance(), _pool_space())
    if binding.ok:
        checks += _record()
    return checks


def _python() -> Iterator[Check]:
    found = ".".join(map(str, sys.version_info[:3]))
    ok = sys.version_info >= _OLDEST_PYTHON
    yield Check("Python", ok, found, None if ok else "install Python 3.11 or newer and run binder/up again")
    for name in ("jupyterlab", "ipywidgets"):
        yield _distribution(name)


def _distribution(name: str) -> Check:
    try:
        return Check(name, True, metadata.version(name))
    except metadata.PackageNotFoundError:
        return Check(name, False, "not installed", "run binder/up, which installs it beside the kit")


def _binding() -> Check:
    """Load libvirt-python: it is compiled, so it can be there and still not fit this machine's libvirt."""
    try:
        importlib.import_module("libvirt")
    except ImportError as error:
        remedy = "remove .venv and run binder/up, which compiles it anew"
        return Check("libvirt-python", False, f"cannot be loaded: {error}", remedy)
    return _distribution("libvirt-python")


def _daemon(uri: str | None) -> Iterator[Check]:
    from kvmnb.storage.connection import Connection  # noqa: PLC0415 - it needs libvirt-python

    where = uri or os.environ.get("LIBVIRT_DEFAULT_URI")
    try:
        connection = Connection(uri, readonly=True)
        version = connection.read("ask libvirt for its version", lambda raw: raw.getLibVersion())
    except Unreachable as error:
        yield Check("libvirt daemon", False, error.what, _daemon_remedy(where))
    else:
        yield Check("libvirt daemon", True, f"{connection.uri} answers, libvirt {_dotted(version)}")
        connection.close()


def _dotted(version: int) -> str:
    """Write libvirt's number for a version: 9000000 is 9.0.0."""
    return f"{version // 1_000_000}.{version // 1_000 % 1_000}.{version % 1_000}"


def _daemon_remedy(uri: str | None) -> str:
    if uri is not None and not uri.startswith("qemu:///"):
        return f"see that {uri} is the right URI and that a daemon runs there"
    if programs.find("libvirtd") is None and programs.find("virtqemud") is None:
        return _PACKAGES
    if os.geteuid() == 0:
        systemd = Path("/run/systemd/system").is_dir()
        return "start it with: systemctl start libvirtd" if systemd else "start it with: binder/up"
    if uri == "qemu:///system":
        return (
            'ask an administrator to start it and to add you to the group "libvirt", or use qemu:///session'
        )
    return "see that XDG_RUNTIME_DIR, where it is set, names a folder that you may write to, then try again"


def _programs() -> Iterator[Check]:
    for name in _PROGRAMS:
        try:
            said = programs.run([name, "--version"], timeout=_PATIENCE).stdout
        except ProgramFailed as error:
            yield Check(name, False, error.what, error.remedy)
        else:
            yield Check(name, True, said.partition("\n")[0].strip())


def _kvm() -> Iterator[Check]:
    """Start a machine without a guest under KVM: /dev/kvm can be there and still be of no use."""
    lost = "guests are emulated, which is slower"
    device = Path("/dev/kvm")
    if not device.exists():
        yield Check("KVM", None, f"this machine has none, so {lost}", _KVM_REMEDY)
        return
    if not os.access(device, os.R_OK | os.W_OK):
        remedy = f"have an administrator let you open {device}, on Debian by the group kvm, and log in anew"
        yield Check("KVM", None, f"you may not open {device}, so {lost}", remedy)
        return
    # The host's own processor is what virt-install and libguestfs ask for, and what shows a broken KVM.
    machine = "-accel kvm -cpu host -S -nodefaults -no-user-config -display none -monitor stdio"
    try:
        programs.run(["qemu-system-x86_64", *machine.split()], timeout=_PATIENCE, stdin="quit\n")
    except ProgramFailed as error:
        yield Check("KVM", None, f"not usable, so {lost}: {error.what}", _KVM_REMEDY)
    else:
        yield Check("KVM", True, "usable, tried with an empty machine")


_KVM_REMEDY = (
    "turn on hardware virtualization in the firmware, or nested virtualization where this is itself a guest; "
    "till then define guests with type='qemu'"
)


def _fuse() -> Iterator[Check]:
    lost = "guest disks cannot be mounted here, only read by other means"
    device, helper = Path("/dev/fuse"), programs.find("fusermount3") or programs.find("fusermount")
    if helper is None:
        yield Check("FUSE", None, f"fusermount is not installed: {lost}", "install the system package fuse3")
    elif not device.exists():
        remedy = "load the kernel module fuse; a container must be given the device"
        yield Check("FUSE", None, f"there is no {device}: {lost}", remedy)
    elif not os.access(device, os.R_OK | os.W_OK):
        remedy = f"have an administrator run: chmod 666 {device}"
        yield Check("FUSE", None, f"you may not open {device}: {lost}", remedy)
    else:
        yield Check("FUSE", True, f"{device} may be opened, {helper} is there")


def _kernel() -> Iterator[Check]:
    """Look for a kernel that this user can read: libguestfs boots one to look inside guest disks."""
    lost = "guest disks cannot be looked into"
    kernels = sorted(Path("/boot").glob("vmlinuz-*"))
    readable = [kernel for kernel in kernels if os.access(kernel, os.R_OK)]
    if readable:
        yield Check("kernel", True, f"{readable[-1]} can be read")
    elif kernels:
        remedy = f"have an administrator run: dpkg-statoverride --update --add root root 0644 {kernels[-1]}"
        yield Check("kernel", None, f"you may not read {kernels[-1]}: {lost}", remedy)
    else:
        remedy = "install a kernel package, such as linux-image-amd64; it need not be the one that runs"
        yield Check("kernel", None, f"none in /boot: {lost}", remedy)


def _appliance() -> Iterator[Check]:
    """Look at what libguestfs needs to look inside guest disks."""
    from kvmnb.guests.health import findings  # noqa: PLC0415 - it is heavier than the rest

    for name, ok, found, remedy in findings():
        yield Check(name, ok, found, remedy)


def _pool_space() -> Iterator[Check]:
    """Look at the folder under which new pools are proposed."""
    root = os.environ.get("KVMNB_POOL_ROOT")
    if root:
        pools = Path(root)
    elif os.geteuid() == 0:
        pools = Path("/var/lib/libvirt")
    else:
        pools = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "libvirt"
    yield _space("space for pools", pools)


def _space(name: str, folder: Path) -> Check:
    there = _nearest(folder)
    free = shutil.disk_usage(there).free
    ok = free >= _ENOUGH_SPACE
    remedy = None if ok else f"make room on the file system of {there}: 1 GiB at least"
    return Check(name, ok, f"{format_size(free)} free for {folder}", remedy)


def _record() -> Iterator[Check]:
    """Look at where changes are recorded; without that record nothing is changed."""
    from kvmnb.storage import audit  # noqa: PLC0415 - it needs libvirt-python

    log = audit.default_path()
    yield _space("space for state", log.parent)
    there = log if log.exists() else _nearest(log.parent)
    ok = os.access(there, os.W_OK | (os.X_OK if there.is_dir() else 0)) and not log.is_dir()
    found = f"{log} can be written" if ok else f"{log} cannot be written"
    yield Check("audit log", ok, found, None if ok else "set KVMNB_AUDIT_LOG to a file that you may write")


def _nearest(folder: Path) -> Path:
    """Give the folder itself, or the nearest folder above it that is there."""
    return next(candidate for candidate in (folder, *folder.absolute().parents) if candidate.is_dir())
