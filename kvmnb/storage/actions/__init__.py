"""Everything that can be done to pools, volumes, images and guests: one frozen dataclass per call."""

from __future__ import annotations

from collections.abc import Callable

from kvmnb.storage.action import Action
from kvmnb.storage.actions.guest_state import DefineGuest, ShutOffGuest, StartGuest, UndefineGuest
from kvmnb.storage.actions.image_conversion import ConvertImage
from kvmnb.storage.actions.image_creation import CreateImage, DeleteImage
from kvmnb.storage.actions.image_size import RepairImage, ResizeImage
from kvmnb.storage.actions.image_snapshots import ApplySnapshot, CreateSnapshot, DeleteSnapshot
from kvmnb.storage.actions.pool_definition import NEEDS, DefinePool, UndefinePool
from kvmnb.storage.actions.pool_state import RefreshPool, SetPoolAutostart, StartPool, StopPool
from kvmnb.storage.actions.pool_storage import BuildPool, DeletePool
from kvmnb.storage.actions.volume_copy import CloneVolume
from kvmnb.storage.actions.volume_creation import CreateVolume, Preallocation
from kvmnb.storage.actions.volume_removal import DeleteVolume, WipeVolume
from kvmnb.storage.actions.volume_size import ResizeVolume
from kvmnb.storage.actions.volume_transfer import DownloadVolume, UploadVolume

#: All actions by name: what the audit log and the undo of a report are read back with.
ACTIONS: dict[str, Callable[..., Action]] = {
    kind.__name__: kind
    for kind in (
        DefinePool,
        BuildPool,
        StartPool,
        SetPoolAutostart,
        RefreshPool,
        StopPool,
        DeletePool,
        UndefinePool,
        CreateVolume,
        CloneVolume,
        ResizeVolume,
        WipeVolume,
        UploadVolume,
        DownloadVolume,
        DeleteVolume,
        CreateImage,
        ConvertImage,
        ResizeImage,
        CreateSnapshot,
        ApplySnapshot,
        DeleteSnapshot,
        RepairImage,
        DeleteImage,
        DefineGuest,
        StartGuest,
        ShutOffGuest,
        UndefineGuest,
    )
}

__all__ = [
    "ACTIONS",
    "NEEDS",
    "ApplySnapshot",
    "BuildPool",
    "CloneVolume",
    "ConvertImage",
    "CreateImage",
    "CreateSnapshot",
    "CreateVolume",
    "DefineGuest",
    "DefinePool",
    "DeleteImage",
    "DeletePool",
    "DeleteSnapshot",
    "DeleteVolume",
    "DownloadVolume",
    "Preallocation",
    "RefreshPool",
    "RepairImage",
    "ResizeImage",
    "ResizeVolume",
    "SetPoolAutostart",
    "ShutOffGuest",
    "StartGuest",
    "StartPool",
    "StopPool",
    "UndefineGuest",
    "UndefinePool",
    "UploadVolume",
    "WipeVolume",
]
