"""What is done to a volume that must not be touched, and the proof that it was not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kvmnb.errors import Refused
from kvmnb.storage.action import Action
from kvmnb.storage.actions import DeleteVolume, UploadVolume, WipeVolume
from tests.storage.builders import (
    Site,
    digest,
)

NAME = "base.qcow2"


def delete(site: Site, name: str) -> Action:
    return DeleteVolume(site.pool, name, confirm=name)


def wipe(site: Site, name: str) -> Action:
    return WipeVolume(site.pool, name, confirm=name)


def upload(site: Site, name: str) -> Action:
    file = site.folder / "upload.img"
    file.write_bytes(b"other" * 100)
    return UploadVolume(site.pool, name, str(file), confirm=name)


DEEDS = pytest.mark.parametrize("deed", [delete, wipe, upload])


def refused(site: Site, deed: Callable[[Site, str], Action], *words: str, name: str = NAME) -> str:
    """Tell that the deed is refused, in these words, and that the file is as it was."""
    path = site.target / name
    before = digest(path)
    with pytest.raises(Refused) as refusal:
        site.host.apply(deed(site, name))
    assert digest(path) == before
    assert name in site.daemon.virsh("vol-list", "--pool", site.pool)
    said = str(refusal.value)
    for word in words:
        assert word in said
    return said
