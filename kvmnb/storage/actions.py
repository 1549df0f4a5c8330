"""All actions, by name: what the audit log and a report's undo are read back with."""

from __future__ import annotations

from collections.abc import Callable

from kvmnb.storage.action import Action
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
    )
}
