"""Small real guests for trying things out: one that is only there, and one that really boots."""

from __future__ import annotations

import platform
import tempfile
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from kvmnb.errors import NotFound, ReadOnly, Refused
from kvmnb.guests.appliance import MEMORY, Answer, ask
from kvmnb.guests.boot import initrd, newest_kernel, padded
from kvmnb.guests.tree import System, request_files
from kvmnb.programs import run
from kvmnb.storage import rules
from kvmnb.storage.action import Action
from kvmnb.storage.actions import (
    CreateVolume,
    DefineGuest,
    DeleteVolume,
    ShutOffGuest,
    UndefineGuest,
    UploadVolume,
)
from kvmnb.storage.guest_xml import DEMO
from kvmnb.storage.model import Inventory, Pool
from kvmnb.storage.xml import put

if TYPE_CHECKING:
    import pandas as pd

    from kvmnb.host import Host

#: Makes what is told how many steps are behind, and how many there are; gets the words for them.
MakeSteps = Callable[[str], Callable[[int, int], None]]

#: The guest's volume group.
GROUP = "centos"

#: What the guest sees, in bytes: the whole disk, and of it /boot, which xfs wants no smaller, and swap.
_SIZE, _BOOT, _SWAP = 2 << 30, 512 << 20, 128 << 20

#: Memory of a guest that boots, in MiB: its kernel, and the programs of its initrd.
_MEMORY = 256

#: What its kernel is told: to write to the serial console, and to end where it cannot go on.
_COMMAND_LINE = f"console=ttyS0 quiet panic=-1 root=/dev/mapper/{GROUP}-root"

#: Steps of making a guest, as the progress counts them: launched, laid out, done, packed, stored.
_STEPS = 5


def create_guest(
    host: Host,
    name: str = "vm1",
    *,
    pool: str | None = None,
    broken: bool = False,
    boots: bool = False,
    progress: MakeSteps | None = None,
) -> pd.DataFrame:
    """Make a small guest with a real disk: ``/boot`` on xfs, and a volume group with root and swap.

    The disk is a qcow2 volume of 2 GiB that takes some MiB: ``/dev/sda1`` is ``/boot``, ``/dev/sda2`` has
    the volume group ``centos`` with the logical volumes ``root`` (xfs) and ``swap``. It is made in a
    temporary folder, by one appliance, and then written to a new volume; after a failure or Ctrl-C nothing
    is left.

    Parameters
    ----------
    host : Host
        A host that may be changed.
    name : str
        The guest's name; its volumes begin with it.
    pool : str, optional
        A running pool of type dir; the first by name without it.
    broken : bool
        Whether its fstab has a fault, for which it does not start; its logs tell of it.
    boots : bool
        Whether it can be started and runs a guest agent: with this host's newest kernel, which becomes a
        volume of the pool beside the disk, as does a small initrd. Without it the guest has no operating
        system.
    progress : callable, optional
        Makes what is told of the progress, such as `kvmnb.step_bar`.

    Returns
    -------
    pandas.DataFrame
        The guest's row of the `kvmnb.schema.GUESTS` frame; it is shut off.

    Raises
    ------
    kvmnb.errors.ReadOnly
        The host was opened for reading.
    kvmnb.errors.NotFound
        There is no such pool, or none that will do.
    kvmnb.errors.Refused
        The guest or a volume of its exists already, or its name will not do.
    kvmnb.guests.appliance.ApplianceFailed
        The disk could not be made.
    kvmnb.guests.boot.CannotBoot
        With `boots`: no kernel can be read here, or a program for its initrd is missing.
    kvmnb.errors.ActionFailed
        A step failed on the host; what had been made was removed.
    """
    if host.readonly:
        raise ReadOnly(f"This connection to {host.uri} is for reading", "use kvmnb.connect(readonly=False)")
    _require_name(name)
    seen = host.inventory()
    place = _pool(seen, pool, host.name)
    if seen.guest(name) is not None:
        raise Refused(
            f"There is a guest {name!r} on {host.name} already", "choose another name, or remove it"
        )
    steps = progress(f"Making guest {name}") if progress else None
    volumes = [f"{name}.{ending}" for ending in (("qcow2", "vmlinuz", "initrd") if boots else ("qcow2",))]
    _require_free(host, seen, place.name, volumes)
    with tempfile.TemporaryDirectory(prefix="kvmnb-demo-") as folder:
        made = _files(Path(folder), boots=boots)
        _build(made["qcow2"], name, broken=broken, steps=steps)
        definition = Path(folder) / "guest.xml"
        definition.write_text(_definition(name, place, tuple(made)))
        _store(host, name, place.name, made, definition)
    if steps:
        steps(_STEPS, _STEPS)
    guests = host.guests()
    return guests[guests["name"] == name].reset_index(drop=True)


def remove_guest(host: Host, name: str = "vm1") -> pd.DataFrame:
    """Remove a guest that `create_guest` made, and its volumes; what it holds is lost.

    Parameters
    ----------
    host : Host
        A host that may be changed.
    name : str
        The guest; where it runs it is turned off at once.

    Returns
    -------
    pandas.DataFrame
        The `kvmnb.schema.APPLIED` frame of what was done.

    Raises
    ------
    kvmnb.errors.NotFound
        There is no such guest.
    kvmnb.errors.Refused
        It is another guest, or one of its volumes is needed by another.
    """
    seen = host.inventory()
    guest = seen.guest(name)
    if guest is None:
        known = ", ".join(sorted(one.name for one in seen.guests())) or "none is defined"
        raise NotFound(f"There is no guest {name!r} on {host.name}", f"choose one of: {known}")
    if not guest.made:
        raise Refused(
            f"Guest {name!r} was not made by kvmnb.demo.create_guest",
            "remove it with kvmnb.UndefineGuest and its volumes with kvmnb.DeleteVolume, if you mean it",
        )
    actions: list[Action] = [ShutOffGuest(name, confirm=name)] if guest.running else []
    actions.append(UndefineGuest(name))
    actions += [DeleteVolume(pool, volume, confirm=volume) for pool, volume in guest.made]
    title = f"Remove the guest {name!r} and all that was made with it"
    return host.apply(host.plan(actions, title=title))


def _pool(seen: Inventory, name: str | None, host: str) -> Pool:
    """Give the pool to use: the named one, or the first that runs."""
    usable = sorted(p.name for p in seen.pools.values() if p.active and p.spec.type == "dir")
    if name is None and not usable:
        raise NotFound(
            f"No pool of type dir is running on {host}", "make one first, as with kvmnb.create_pool"
        )
    chosen = seen.pool(usable[0] if name is None else name)
    if chosen is None or chosen.name not in usable:
        what = f"There is no pool {name!r} on {host}" if chosen is None else f"Pool {name!r} will not do"
        known = ", ".join(usable) or "none; make one with kvmnb.create_pool"
        raise NotFound(f"{what}: it must be of type dir and run", f"choose one of: {known}")
    return chosen


def _files(folder: Path, *, boots: bool) -> dict[str, Path]:
    """Give the files that become volumes, by the ending of their names; makes those that start the guest."""
    files = {"qcow2": folder / "disk.qcow2"}
    if boots:
        kernel = newest_kernel()
        files |= {"vmlinuz": folder / "vmlinuz", "initrd": folder / "initrd"}
        files["vmlinuz"].write_bytes(padded(kernel.image.read_bytes()))
        files["initrd"].write_bytes(initrd(kernel))
    return files


def _build(image: Path, name: str, *, broken: bool, steps: Callable[[int, int], None] | None) -> None:
    """Make the image of the disk: in one appliance, then without the zeros that its file systems wrote."""
    swap = str(uuid.uuid4())
    system = System(name, GROUP, swap, broken, datetime.now(UTC))
    raw = image.with_suffix(".first")
    done = 0

    def hear(_answer: Answer) -> None:
        nonlocal done
        done += 1
        if steps:
            steps(done, _STEPS)

    request = {
        "path": str(raw),
        "memory": MEMORY,
        "size": _SIZE,
        "boot_size": _BOOT,
        "swap_size": _SWAP,
        "group": GROUP,
        "swap": swap,
        "files": request_files(system),
    }
    ask(request, hear, program="builder.py")
    run(["qemu-img", "convert", "-f", "qcow2", "-O", "qcow2", str(raw), str(image)], timeout=120)
    raw.unlink()
    if steps:
        steps(done + 1, _STEPS)


def _require_free(host: Host, seen: Inventory, pool: str, volumes: list[str]) -> None:
    """Refuse names that are taken, or that no volume may have, before anything is made."""
    for volume in volumes:
        if seen.volume(pool, volume) is not None:
            raise Refused(
                f"Pool {pool!r} has a volume {volume!r} already",
                "choose another name for the guest, or delete that volume first",
            )
    host.plan([CreateVolume(pool, volume, _SIZE) for volume in volumes]).require()


def _require_name(name: str) -> None:
    """Refuse a name that no guest may have, in one sentence and before any volume is named after it."""
    problem = next(iter(rules.name_problems(name, "name", "guest")), None)
    if problem is not None:
        raise Refused(f"Nothing was made. {problem.reason}", problem.remedy, (problem,))


def _store(host: Host, name: str, pool: str, files: dict[str, Path], definition: Path) -> None:
    """Make the volumes, write them and define the guest; after a failure nothing of it is left."""
    creating: list[Action] = []
    writing: list[Action] = []
    for ending, file in files.items():
        volume, disk = f"{name}.{ending}", ending == "qcow2"
        size = _SIZE if disk else file.stat().st_size
        creating.append(CreateVolume(pool, volume, size, format="qcow2" if disk else "raw"))
        writing.append(UploadVolume(pool, volume, str(file), confirm=volume))
    made: list[tuple[str, str]] = []
    with ExitStack() as undo:
        undo.callback(_clear, host, name, made)
        for action, ending in zip(creating, files, strict=True):
            # One that is there as it is wanted would be left alone, and then be written over.
            if not host.apply(action)["changed"].all():
                raise Refused(
                    f"Pool {pool!r} has a volume '{name}.{ending}' by now",
                    "choose another name for the guest",
                )
            made.append((pool, f"{name}.{ending}"))
        title = f"Make the guest {name!r} for trying things out"
        host.apply(host.plan([*writing, DefineGuest(name, str(definition))], title=title))
        undo.pop_all()


def _clear(host: Host, name: str, volumes: list[tuple[str, str]]) -> None:
    """Remove what has been made of a guest."""
    guest = host.inventory().guest(name)
    ours = guest is not None and bool(volumes) and set(guest.made) == set(volumes)
    actions: list[Action] = [UndefineGuest(name)] if ours else []
    actions += [DeleteVolume(pool, volume, confirm=volume) for pool, volume in volumes]
    host.apply(host.plan(actions, title=f"Remove what was made of guest {name!r}"))


def _definition(name: str, pool: Pool, endings: tuple[str, ...]) -> str:
    """Write the guest's XML."""
    ET.register_namespace("kvmnb", DEMO)
    identity = str(uuid.uuid4())
    folder = pool.spec.target.rstrip("/")
    root = ET.Element("domain", type="qemu")
    put(root, "name", name)
    put(root, "uuid", identity)
    note = ET.SubElement(ET.SubElement(root, "metadata"), f"{{{DEMO}}}demo", uuid=identity)
    for ending in endings:
        ET.SubElement(note, f"{{{DEMO}}}volume", pool=pool.name, name=f"{name}.{ending}")
    put(root, "memory", str(_MEMORY * 1024))
    put(root, "os/type", "hvm")
    put(root, "os/type/@arch", platform.machine())
    if "vmlinuz" in endings:
        put(root, "os/kernel", f"{folder}/{name}.vmlinuz")
        put(root, "os/initrd", f"{folder}/{name}.initrd")
        put(root, "os/cmdline", _COMMAND_LINE)
    put(root, "features/acpi", "")
    put(root, "on_reboot", "destroy")
    put(root, "on_crash", "destroy")
    devices = ET.SubElement(root, "devices")
    disk = ET.SubElement(devices, "disk", type="file", device="disk")
    for path, value in {
        "driver/@name": "qemu",
        "driver/@type": "qcow2",
        "source/@file": f"{folder}/{name}.qcow2",
        "target/@dev": "vda",
        "target/@bus": "virtio",
    }.items():
        put(disk, path, value)
    channel = ET.SubElement(devices, "channel", type="unix")
    put(channel, "target/@type", "virtio")
    put(channel, "target/@name", "org.qemu.guest_agent.0")
    ET.SubElement(devices, "serial", type="pty")
    ET.SubElement(devices, "console", type="pty")
    return ET.tostring(root, encoding="unicode")
