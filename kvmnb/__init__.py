"""kvmnb: a Jupyter operations notebook kit for KVM storage.

`connect` gives a `Host`. What it reads comes back as DataFrames; what it changes is planned first::

    host = kvmnb.connect(readonly=False)
    host.pools()
    plan = kvmnb.create_pool(host, "vmdisk", target="/data/vmfs")
    host.apply(plan)
"""

from __future__ import annotations

from kvmnb.errors import KvmnbError
from kvmnb.host import Host, connect
from kvmnb.notebook.progress import progress_bar
from kvmnb.notebook.tables import show
from kvmnb.planning import create_pool, create_volume, propose_target, remove_pool
from kvmnb.storage.model import PoolSpec, Problem
from kvmnb.storage.plan import Plan
from kvmnb.storage.pool_actions import (
    BuildPool,
    DefinePool,
    DeletePool,
    RefreshPool,
    SetPoolAutostart,
    StartPool,
    StopPool,
    UndefinePool,
)
from kvmnb.storage.transfer_actions import DownloadVolume, UploadVolume
from kvmnb.storage.volume_actions import CloneVolume, CreateVolume, DeleteVolume, ResizeVolume, WipeVolume
from kvmnb.units import format_size, parse_size

__all__ = [
    "BuildPool",
    "CloneVolume",
    "CreateVolume",
    "DefinePool",
    "DeletePool",
    "DeleteVolume",
    "DownloadVolume",
    "Host",
    "KvmnbError",
    "Plan",
    "PoolSpec",
    "Problem",
    "RefreshPool",
    "ResizeVolume",
    "SetPoolAutostart",
    "StartPool",
    "StopPool",
    "UndefinePool",
    "UploadVolume",
    "WipeVolume",
    "connect",
    "create_pool",
    "create_volume",
    "format_size",
    "parse_size",
    "progress_bar",
    "propose_target",
    "remove_pool",
    "show",
]

__version__ = "0.1.0"
