"""The recipes as a notebook calls them: a goal and a host in, a checked plan out."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, TypedDict, Unpack, cast
from urllib.parse import urlsplit

from kvmnb.errors import BadValue
from kvmnb.host import Host
from kvmnb.storage import recipes
from kvmnb.storage.actions import Preallocation
from kvmnb.storage.model import PoolSpec
from kvmnb.storage.plan import Plan, check
from kvmnb.storage.roles import (
    Format,
    NewPoolName,
    NewVolumeName,
    PoolName,
    PoolType,
    Role,
    VolumeName,
)


class PoolFields(TypedDict, total=False):
    """The fields of a `kvmnb.PoolSpec` besides its name and type; which ones, its type says.

    Parameters
    ----------
    target : str or Path
        Absolute path of the directory under which its volumes appear.
    source_host : str
        The server that the storage comes from.
    source_path : str or Path
        The folder that the server exports.
    source_dev : str or Path
        The device that the storage is on; for iSCSI the target's IQN.
    source_name : str
        The volume group.
    source_format : str
        What is on it, where the type has more than one kind.
    source_initiator : str
        The initiator's IQN.
    auth_type : str
        How to authenticate: ``chap``.
    auth_username : str
        As whom.
    secret_usage : str
        The usage name of libvirt's secret with the password.
    """

    target: Annotated[str | Path, Role.FOLDER]
    source_host: str
    source_path: str | Path
    source_dev: str | Path
    source_name: str
    source_format: str
    source_initiator: str
    auth_type: str
    auth_username: str
    secret_usage: str


def create_pool(
    host: Host,
    name: NewPoolName,
    type: PoolType = "dir",
    *,
    autostart: bool = True,
    **fields: Unpack[PoolFields],
) -> Plan:
    """Plan to set up a storage pool: define, build (which makes its folder), start, autostart.

    Nothing is done until the plan is applied. Applying it again does nothing; a failing step has the steps
    before it undone.

    Parameters
    ----------
    host : Host
        Where.
    name : str
        The pool's name.
    type : str
        dir, fs, netfs, logical, disk, iscsi or iscsi-direct.
    autostart : bool
        Whether the daemon is to start the pool whenever it starts itself.
    **fields : str or Path
        The other fields of `kvmnb.PoolSpec`: ``target``, ``source_host``, ``source_path``, ``source_dev`` …

    Returns
    -------
    Plan
        Shows itself; run it with `Host.apply`.

    Examples
    --------
    >>> plan = kvmnb.create_pool(host, "vmdisk", target="/data/vmfs")  # doctest: +SKIP
    >>> host.apply(plan)  # doctest: +SKIP
    """
    known = [field.name for field in dataclasses.fields(PoolSpec) if field.name not in {"name", "type"}]
    unknown = sorted(fields.keys() - set(known))
    if unknown:
        raise BadValue(f"A pool has no field {', '.join(unknown)}", f"the fields are: {', '.join(known)}")
    text = {
        key: str(value) if isinstance(value, Path) else value
        for key, value in cast("Mapping[str, str | Path]", fields).items()
    }
    spec = PoolSpec(name, type, **text)
    where = f" at {spec.target}" if spec.target else ""
    actions = tuple(recipes.create_pool(spec, autostart=autostart))
    return check(f"Set up the {type} pool {name!r}{where}", actions, host.inventory())


def remove_pool(host: Host, name: PoolName, *, delete_target: bool = True) -> Plan:
    """Plan to take a storage pool down: stop, delete its empty folder, undefine.

    The plan says what it would take with it, and is refused while the folder holds anything.

    Parameters
    ----------
    host : Host
        Where.
    name : str
        The pool's name.
    delete_target : bool
        Whether to remove the folder too. Without it, the volumes stay on disk, out of libvirt's sight.

    Returns
    -------
    Plan
        Shows itself; run it with `Host.apply`.
    """
    seen = host.inventory()
    actions = tuple(recipes.remove_pool(name, seen, delete_target=delete_target))
    return check(f"Take down pool {name!r}", actions, seen)


def create_volume(
    host: Host,
    pool: PoolName,
    name: NewVolumeName,
    capacity: Annotated[int | str, Role.SIZE],
    *,
    format: Format = "qcow2",
    preallocation: Preallocation = "off",
    backing_volume: VolumeName = "",
) -> Plan:
    """Plan to create a volume.

    Parameters
    ----------
    host : Host
        Where.
    pool : str
        A running pool.
    name : str
        The volume's name, such as ``vm1.qcow2``.
    capacity : int or str
        The size that a guest sees, in bytes or as ``"10G"``.
    format : str
        raw, qcow2, qcow, qed, vdi, vmdk or vpc.
    preallocation : {"off", "metadata", "falloc"}
        Take no space yet, lay out qcow2's tables, or reserve all space now.
    backing_volume : str
        Name of a volume of the same pool that it is to be an overlay of; its format is looked up.

    Returns
    -------
    Plan
        Shows itself; run it with `Host.apply`.
    """
    seen = host.inventory()
    actions = tuple(
        recipes.create_volume(
            pool,
            name,
            capacity,
            seen,
            format=format,
            preallocation=preallocation,
            backing_volume=backing_volume,
        )
    )
    return check(actions[0].describe(), actions, seen)


def propose_target(host: Host, name: str) -> str:
    """Propose the folder for a new directory pool: beside that of libvirt's own default pool.

    Parameters
    ----------
    host : Host
        Where.
    name : str
        The pool's name, which becomes the folder's.

    Returns
    -------
    str
        ``$KVMNB_POOL_ROOT/NAME`` where that is set; for a system daemon ``/var/lib/libvirt/NAME``; for a
        user's own daemon ``libvirt/NAME`` in the user's data folder.

    Raises
    ------
    BadValue
        It is a user's own daemon on another machine, whose home folder can't be known from here.
    """
    root = os.environ.get("KVMNB_POOL_ROOT")
    parts = urlsplit(host.uri)
    if root:
        return str(Path(root) / name)
    if not parts.path.endswith("/session"):
        return f"/var/lib/libvirt/{name}"
    if parts.netloc:
        raise BadValue(f"The home folder at {host.uri} is not known here", "name the target yourself")
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return str(Path(data) / "libvirt" / name)
