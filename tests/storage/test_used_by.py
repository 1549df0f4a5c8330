"""The column ``used_by`` tells what the guard knows: who uses a volume, nobody, or that it can't be known."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from kvmnb import plain
from kvmnb.notebook.tables import UNKNOWN, show
from tests.storage.builders import Site, define_guest, disk, file_disk, overlay, start_guest
from tests.storage.guarding import NAME, delete


def _rows(site: Site) -> dict[str, dict[str, Any]]:
    # What is NA in a frame, pandas gives as None in a record.
    rows: list[dict[Any, Any]] = site.host.volumes().to_dict("records")
    return {str(row["name"]): row for row in rows}


def _used_by(site: Site) -> dict[str, Any]:
    return {name: row["used_by"] for name, row in _rows(site).items()}


def _nothing(site: Site) -> None:
    site.volume("other.qcow2")


def _direct(site: Site) -> None:
    define_guest(site, "vm1", file_disk(site.target / NAME))


def _running(site: Site) -> None:
    start_guest(site, "vm1", file_disk(site.target / NAME))


def _chain(site: Site) -> None:
    site.volume("middle.qcow2", backing=NAME)
    define_guest(site, "vm1", file_disk(site.volume("top.qcow2", backing="middle.qcow2")))


def _siblings(site: Site) -> None:
    for guest in ("vm1", "vm2"):
        define_guest(site, guest, file_disk(site.volume(f"{guest}.qcow2", backing=NAME)))


def _hard_link(site: Site) -> None:
    os.link(site.target / NAME, site.folder / "alias.qcow2")
    define_guest(site, "vm1", file_disk(site.folder / "alias.qcow2"))


def _serial(site: Site) -> None:
    define_guest(site, "vm1", f"<serial type='file'><source path='{site.target / NAME}'/></serial>")


def _other_volume(site: Site) -> None:
    define_guest(site, "vm1", file_disk(site.volume("other.qcow2")))


def _blind(site: Site) -> None:
    broken = site.folder / "broken"
    broken.write_bytes(b"not an image")
    define_guest(site, "vm1", file_disk(broken))


def _blind_and_direct(site: Site) -> None:
    _blind(site)
    define_guest(site, "vm2", file_disk(site.target / NAME))


def _idle_pool(site: Site) -> None:
    (site.folder / "idle").mkdir()
    site.daemon.virsh("pool-define-as", "idle", "dir", "--target", str(site.folder / "idle"))
    define_guest(site, "vm1", disk("pool='idle' volume='top.qcow2'", type="volume"))


def _overlay_in_idle_pool(site: Site) -> None:
    (site.folder / "idle").mkdir()
    site.daemon.virsh("pool-define-as", "idle", "dir", "--target", str(site.folder / "idle"))
    overlay(site.folder / "idle" / "top.qcow2", site.target / NAME)
    define_guest(site, "vm1", file_disk(site.folder / "idle" / "top.qcow2"))


@pytest.mark.parametrize(
    ("setting", "users"),
    [
        (_nothing, ()),
        (_direct, ("vm1",)),
        (_running, ("vm1",)),
        (_chain, ("vm1",)),
        (_siblings, ("vm1", "vm2")),
        (_hard_link, ("vm1",)),
        (_serial, ("vm1",)),
        (_other_volume, ()),
        (_blind, None),
        (_blind_and_direct, ("vm2",)),
        (_idle_pool, None),
        (_overlay_in_idle_pool, ("vm1",)),
    ],
)
def test_used_by_and_the_guard_agree(
    site: Site, setting: Callable[[Site], None], users: tuple[str, ...] | None
) -> None:
    site.running().volume(NAME)
    setting(site)
    rows = _rows(site)
    row = rows[NAME]
    if users is None:
        assert row["used_by"] is None
        assert row["status"] == "use unknown"
        assert "'vm1'" in row["problem"]
    else:
        assert set(row["used_by"]) == set(users)
        assert row["status"] == "ok"
    for name in rows.keys() - {"None"}:
        said = " ".join(map(str, site.host.plan(delete(site, name)).problems))
        by_a_guest = f"Volume {name!r} is used by" in said
        not_known = f"cannot be known whether volume {name!r} is in use" in said
        told = rows[name]["used_by"]
        assert not_known == (told is None), name
        assert by_a_guest == bool(told), name


def test_every_volume_of_a_chain_is_used(site: Site) -> None:
    site.running().volume(NAME)
    _chain(site)
    assert _used_by(site) == {NAME: ("vm1",), "middle.qcow2": ("vm1",), "top.qcow2": ("vm1",)}


def test_the_row_of_a_pool_that_does_not_run_does_not_know(site: Site) -> None:
    site.running().volume(NAME)
    (site.folder / "idle").mkdir()
    site.daemon.virsh("pool-define-as", "idle", "dir", "--target", str(site.folder / "idle"))
    assert _used_by(site) == {NAME: (), "None": None}


def test_what_is_not_known_is_shown_as_that(site: Site) -> None:
    site.running().volume(NAME)
    frame = site.host.volumes()
    assert show(frame, ["used_by"]).texts["used_by"].tolist() == ["none"]
    assert json.loads(plain.to_json(frame))[0]["used_by"] == []
    _blind(site)
    frame = site.host.volumes()
    assert show(frame, ["used_by"]).texts["used_by"].tolist() == [UNKNOWN]
    assert "use unknown" in repr(show(frame))
    assert json.loads(plain.to_json(frame))[0]["used_by"] is None
    assert plain.to_csv(frame[["name", "used_by"]]).splitlines()[1:] == [f"{NAME},"]


def test_the_chain_of_a_disk_that_cannot_be_looked_up_is_not_known(site: Site) -> None:
    source = "protocol='nbd' name='x'><host name='127.0.0.1' port='1'/></source"
    network = disk(source, type="network", target="vdb").replace("/source/>", "/source>")
    empty = "<disk type='file' device='cdrom'><target dev='sda' bus='sata'/></disk>"
    named = disk("pool='absent' volume='top.qcow2'", type="volume")
    define_guest(site, "vm1", named, network, empty)
    chains = dict(zip(site.host.disks()["target"], site.host.disks()["chain"], strict=True))
    assert chains == {"vda": pd.NA, "vdb": pd.NA, "sda": ()}
