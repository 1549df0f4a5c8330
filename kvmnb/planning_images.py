"""The recipes for image files: a goal and a host in, a checked plan out, with the refresh of a pool in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from kvmnb.errors import BadValue
from kvmnb.host import Host
from kvmnb.images.answers import Info
from kvmnb.images.options import write_options
from kvmnb.storage import image_rules
from kvmnb.storage.action import Action
from kvmnb.storage.actions import ConvertImage, CreateImage, RefreshPool
from kvmnb.storage.model import FOLDER_POOLS, Inventory, Volume
from kvmnb.storage.plan import Plan, check
from kvmnb.storage.roles import Format, NewVolumeName, PoolName, Role, VolumeName
from kvmnb.storage.usage import Usage
from kvmnb.units import parse_size

#: What libvirt calls images whose content begins right away: to QEMU they are raw.
_BARE = {"iso": "raw"}


def create_image(
    host: Host,
    path: Annotated[str | Path, Role.NEW_FILE] = "",
    size: Annotated[int | str, Role.SIZE] = 0,
    *,
    pool: PoolName = "",
    volume: NewVolumeName = "",
    format: Format = "qcow2",
    options: str | Mapping[str, object] = "",
) -> Plan:
    """Plan to create an image file with qemu-img, which takes every option that a format has.

    Parameters
    ----------
    host : Host
        Where: this machine.
    path : str or Path
        Absolute path of the new file; or else say `pool` and `volume`.
    size : int or str
        The size that a guest sees, in bytes or as ``"10G"``.
    pool, volume : str
        A running pool whose volumes are files, and the name of the new file in it.
    format : str
        raw, qcow2, qcow, qed, vdi, vmdk, vpc, vhdx or parallels.
    options : str or mapping
        The format's own, such as ``{"cluster_size": "2M", "extended_l2": True}``.

    Returns
    -------
    Plan
        Shows itself; run it with `Host.apply`. In a pool's folder its last step refreshes the pool, so that
        libvirt sees the image.

    Raises
    ------
    BadValue
        Neither a path nor a pool with a name was given, or both.

    Examples
    --------
    >>> kvmnb.create_image(host, "/data/vm1.qcow2", "10G", options="cluster_size=2M")  # doctest: +SKIP
    """
    seen = host.inventory()
    place = _new_place(seen, path, pool, volume)
    return _plan(CreateImage(place, parse_size(size), format, write_options(options)), place, seen)


def create_overlay(
    host: Host,
    path: Annotated[str | Path, Role.NEW_FILE] = "",
    *,
    pool: PoolName = "",
    volume: NewVolumeName = "",
    backing_path: Annotated[str | Path, Role.IMAGE] = "",
    backing_format: Format = "",
    backing_volume: VolumeName = "",
    backing_pool: PoolName = "",
    size: Annotated[int | str, Role.SIZE] = 0,
    format: Format = "qcow2",
    options: str | Mapping[str, object] = "",
) -> Plan:
    """Plan to create an overlay: an image that holds only what differs from the one that it lies on.

    Parameters
    ----------
    host : Host
        Where: this machine.
    path : str or Path
        Absolute path of the new file; or else say `pool` and `volume`.
    pool, volume : str
        A running pool whose volumes are files, and the name of the new file in it.
    backing_path, backing_format : str
        The image that it is to lie on, and its format; or else say `backing_volume`.
    backing_volume, backing_pool : str
        That image as a volume of a pool, `pool` unless another is named; its format is looked up, unless
        guests take it for another one.
    size : int or str
        The size that a guest sees; without it that of the image below.
    format : str
        qcow2; or qed on a raw image, vmdk on a vmdk one.
    options : str or mapping
        The format's own.

    Returns
    -------
    Plan
        Shows itself; run it with `Host.apply`. In a pool's folder its last step refreshes the pool.

    Raises
    ------
    BadValue
        The new file or the image below was not said, or twice, or there is no such volume.
    """
    seen = host.inventory()
    place = _new_place(seen, path, pool, volume)
    base, base_format = _image(
        seen, "backing_", (backing_path, backing_format), (backing_pool or pool, backing_volume)
    )
    told = seen.image(base, base_format) if base.startswith("/") and base_format else None
    wanted = parse_size(size) or (told.virtual_size if isinstance(told, Info) else 0)
    action = CreateImage(place, wanted, format, write_options(options), base, base_format)
    return _plan(action, place, seen)


def convert_image(
    host: Host,
    source: Annotated[str | Path, Role.IMAGE] = "",
    target: Annotated[str | Path, Role.NEW_FILE] = "",
    *,
    source_format: Format = "",
    source_pool: PoolName = "",
    source_volume: VolumeName = "",
    target_pool: PoolName = "",
    target_volume: NewVolumeName = "",
    target_format: Format = "qcow2",
    options: str | Mapping[str, object] = "",
    compress: bool = False,
) -> Plan:
    """Plan to copy an image, with all that lies below it, to a new file of another or the same format.

    Parameters
    ----------
    host : Host
        Where: this machine.
    source, source_format : str
        The image and its format; or else say `source_pool` and `source_volume`.
    target : str or Path
        Absolute path of the new file; or else say `target_pool` and `target_volume`.
    source_pool, source_volume : str
        The image as a volume of a running pool; its format is looked up, unless guests take it for another.
    target_pool, target_volume : str
        A running pool whose volumes are files, and the name of the new file in it.
    target_format : str
        raw, qcow2, qcow, qed, vdi, vmdk, vpc, vhdx or parallels.
    options : str or mapping
        The new format's own.
    compress : bool
        Whether to compress what is copied (qcow2, vmdk).

    Returns
    -------
    Plan
        Shows itself; run it with ``host.apply(plan, progress=kvmnb.progress_bar)``. In a pool's folder its
        last step refreshes the pool.

    Raises
    ------
    BadValue
        The source or the target was not said, or twice, or there is no such volume.
    """
    seen = host.inventory()
    path, kind = _image(seen, "source_", (source, source_format), (source_pool, source_volume))
    place = _new_place(seen, target, target_pool, target_volume, "target_")
    action = ConvertImage(path, kind, place, target_format, write_options(options), compress)
    return _plan(action, place, seen)


def _plan(action: Action, place: str, seen: Inventory) -> Plan:
    pool = image_rules.pool_of(place, seen)
    return check(action.describe(), (action, *([RefreshPool(pool)] if pool else [])), seen)


def _new_place(seen: Inventory, path: str | Path, pool: str, volume: str, prefix: str = "") -> str:
    """Give the path of a new file, said as it is or as a name in a pool."""
    path, pool, volume = (
        image_rules.text(value, prefix + field)
        for field, value in (("path", path), ("pool", pool), ("volume", volume))
    )
    if bool(path) == bool(pool or volume) or bool(pool) != bool(volume):
        raise BadValue(
            "A new image needs one place", f"say its path, or {prefix}pool=… and {prefix}volume=… together"
        )
    if path:
        return path
    found = seen.pool(pool)
    if found is None:
        known = ", ".join(sorted(seen.pools)) or "none is defined"
        raise BadValue(f"There is no pool {pool!r}", f"choose one of: {known}")
    if found.spec.type not in FOLDER_POOLS or not found.active:
        what = "not running" if not found.active else f"of type {found.spec.type}, whose volumes are no files"
        raise BadValue(f"Pool {pool!r} is {what}", "choose a running pool of type dir, fs or netfs")
    if "/" in volume:
        raise BadValue(f"The name {volume!r} would lead out of the pool's folder", "give a name without /")
    return f"{found.spec.target.rstrip('/')}/{volume}"


def _image(
    seen: Inventory, prefix: str, image: tuple[str | Path, str], of_pool: tuple[str, str]
) -> tuple[str, str]:
    """Give path and format of an image, said as they are or as a volume, whose format is looked up."""
    one = "source" if prefix == "source_" else f"{prefix}path"
    path, said = image_rules.text(image[0], one), image_rules.text(image[1], f"{prefix}format")
    pool, volume = (
        image_rules.text(value, prefix + field)
        for field, value in zip(("pool", "volume"), of_pool, strict=True)
    )
    if bool(path) == bool(volume):
        raise BadValue(
            "The image to take was said " + ("twice" if path else "not at all"),
            f"say {one}=… and {prefix}format=…, or {prefix}volume=… of a pool",
        )
    if path:
        return path, said
    found = seen.volume(pool, volume) if seen.pool(pool) else None
    if found is None or not found.path:
        raise BadValue(f"There is no volume {volume!r} in pool {pool!r}", "list them with host.volumes()")
    if found.type not in {"file", "block"}:
        raise BadValue(
            f"Volume {volume!r} of pool {pool!r} is of type {found.type}, whose path qemu-img cannot open",
            "choose a volume that is a file or a block device",
        )
    return found.path, said or _format(found, seen, prefix)


def _format(volume: Volume, seen: Inventory, prefix: str) -> str:
    """Give a volume's format: libvirt tells it by its first bytes, which a guest may have written."""
    told = _BARE.get(volume.format or "", volume.format)
    usage = Usage.of(seen)
    disks = [disk for guest in seen.guests() for disk in (*guest.disks, *guest.other_disks)]
    said = {disk.format for disk in disks if disk.format and usage.source(disk) == usage.real(volume.path)}
    if told is None and len(said) == 1:
        return said.pop()
    if told is None or said - {told}:
        what = "is not known to libvirt" if told is None else f"is {told} by its first bytes"
        guests = f", while guests take it for {', '.join(sorted(said))}" if said else ""
        raise BadValue(
            f"The format of volume {volume.name!r} of pool {volume.pool!r} {what}{guests}",
            f"say {prefix}format=…: a guest can write whatever header it likes into a raw image",
        )
    return told
