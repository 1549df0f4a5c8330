"""Pools on block devices, through the kit's actions, as far as the kernel at hand can start them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import libvirt
import pytest

from kvmnb.errors import ActionFailed, KvmnbError, Refused
from kvmnb.planning import create_pool, create_volume, remove_pool
from kvmnb.storage.actions import (
    BuildPool,
    CreateVolume,
    DefinePool,
    DeletePool,
    DeleteVolume,
    StartPool,
    StopPool,
)
from tests.storage.builders import MIB, Site, opened
from tests.storage_devices import loop_device

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can attach a loop device")


@pytest.fixture
def device(site: Site) -> Iterator[str]:
    """Give a blank block device of 64 MiB."""
    with loop_device(site.daemon, 64 * MIB) as path:
        try:
            yield path
        finally:
            with opened(site.daemon) as connection:
                for pool in connection.listAllStoragePools(libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE):
                    pool.destroy()


def _built(site: Site, **fields: str) -> str:
    """Define a pool, build it over what is on its device, and start it."""
    site.host.apply(DefinePool("dev", **fields))
    report = site.host.apply([BuildPool("dev", overwrite=True, confirm="dev"), StartPool("dev")])
    assert report["verified"].fillna(value=True).all(), report.to_string()
    assert site.host.pools()["state"].tolist() == ["running"]
    return "dev"


def test_a_file_system(site: Site, device: str) -> None:
    target = site.folder / "mounted"
    pool = _built(site, type="fs", source_dev=device, target=str(target), source_format="ext4")
    capacity = int(site.host.pools()["capacity"][0])
    assert 32 * MIB < capacity < 64 * MIB
    for kind in ("raw", "qcow2"):
        assert site.host.apply(CreateVolume(pool, f"v.{kind}", 8 * MIB, kind))["verified"].all()
    assert site.host.volumes()["name"].tolist() == ["lost+found", "v.qcow2", "v.raw"]
    plan = site.host.plan(CreateVolume(pool, "big", 128 * MIB, "raw", "falloc"))
    assert "free" in str(plan.problems[0])
    for name in ("v.raw", "v.qcow2"):
        site.host.apply(DeleteVolume(pool, name, name))
    site.host.apply(StopPool(pool))
    assert site.host.pools()["state"].tolist() == ["inactive"]


def test_the_volumes_of_a_file_system_do_not_keep_its_mount_point(site: Site, device: str) -> None:
    target = site.folder / "mounted"
    pool = _built(site, type="fs", source_dev=device, target=str(target), source_format="ext4")
    site.host.apply(CreateVolume(pool, "v.raw", MIB, "raw"))
    with pytest.raises(Refused, match="is a directory, not an image"):
        site.host.apply(DeleteVolume(pool, "lost+found", "lost+found"))
    site.host.apply(StopPool(pool))
    (target / "mine").touch()
    with pytest.raises(Refused, match="of its own: mine") as refused:
        site.host.apply(DeletePool(pool))
    assert "elete" not in refused.value.remedy
    (target / "mine").unlink()
    site.host.apply(StartPool(pool))
    plan = remove_pool(site.host, pool)
    assert not plan.problems
    assert site.host.apply(plan)["changed"].all()
    assert not target.exists()
    assert site.host.pools().empty


def test_a_file_system_that_is_there_is_not_made_anew_without_the_word(site: Site, device: str) -> None:
    pool = _built(site, type="fs", source_dev=device, target=str(site.folder / "m"), source_format="ext4")
    site.host.apply(CreateVolume(pool, "v.raw", MIB, "raw"))
    site.host.apply(remove_pool(site.host, pool, delete_target=False))
    again = create_pool(
        site.host, pool, "fs", source_dev=device, target=str(site.folder / "m"), source_format="ext4"
    )
    site.host.apply(again)
    assert site.host.volumes()["name"].tolist() == ["lost+found", "v.raw"]
    with pytest.raises(Refused, match="confirm='dev'"):
        site.host.apply(BuildPool(pool, overwrite=True))


def test_a_volume_group(site: Site, device: str) -> None:
    group = DefinePool("dev", "logical", "/dev/kvmnb-test", source_name="kvmnb-test", source_dev=device)
    site.host.apply(group)
    site.host.apply([BuildPool("dev"), StartPool("dev")])
    assert site.host.pools()["capacity"].tolist() == [60 * MIB]
    for kind in ("raw", "qcow2"):
        with pytest.raises(Refused, match="format empty"):
            site.host.apply(CreateVolume("dev", "v", 8 * MIB, kind))
    with pytest.raises(Refused, match="free"):
        site.host.apply(CreateVolume("dev", "v", 1024 * MIB, ""))
    with pytest.raises(Refused, match="allocated whole"):
        site.host.apply(CreateVolume("dev", "v", 8 * MIB, "", "falloc"))
    # Neither a share of nothing, as --allocation 0 would be, nor a format.
    plan = create_volume(site.host, "dev", "v", 8 * MIB, format="raw")
    assert plan.actions[0].command() == ["virsh", "vol-create-as", "dev", "v", "8M"]
    assert not plan.problems
    site.host.apply(StopPool("dev"))
    with pytest.raises(Refused, match="confirm='dev'"):
        site.host.apply(DeletePool("dev"))
    assert site.host.apply(DeletePool("dev", confirm="dev"))["changed"].all()
    with pytest.raises(KvmnbError, match="kvmnb-test"):
        site.host.apply(StartPool("dev"))


@pytest.mark.parametrize("size", [8 * MIB, 5 * MIB])
def test_a_logical_volume(site: Site, device: str, size: int) -> None:
    """A kernel without device mapper cannot have one: then that is said, and nothing is left of it."""
    group = DefinePool("dev", "logical", "/dev/kvmnb-test", source_name="kvmnb-test", source_dev=device)
    site.host.apply(group)
    site.host.apply([BuildPool("dev"), StartPool("dev")])
    create = CreateVolume("dev", "v", size, "")
    if _has_device_mapper():
        assert site.host.apply(create)["verified"].all()
        [row] = site.host.volumes().to_dict("records")
        assert (row["name"], row["type"], row["capacity"]) == ("v", "block", 8 * MIB)
        site.host.apply(DeleteVolume("dev", "v", "v"))
    else:
        with pytest.raises(ActionFailed, match="device-mapper"):
            site.host.apply(create)
    assert site.host.volumes().empty
    site.host.apply([StopPool("dev"), DeletePool("dev", confirm="dev")])


def _has_device_mapper() -> bool:
    return "device-mapper" in Path("/proc/misc").read_text() + Path("/proc/devices").read_text()


def test_a_partitioned_disk(site: Site, device: str) -> None:
    pool = _built(site, type="disk", source_dev=device, target="/dev", source_format="gpt")
    with pytest.raises(Refused, match="format empty"):
        site.host.apply(CreateVolume(pool, "v", 8 * MIB))
    name = f"{device.rpartition('/')[2]}p1"
    report = site.host.apply(CreateVolume(pool, name, 8 * MIB, ""))
    assert report["changed"].all()
    [row] = site.host.volumes().to_dict("records")
    assert (row["name"], row["type"], row["status"]) == (name, "block", "ok")
    site.host.apply(StopPool(pool))
    with pytest.raises(Refused, match="no storage of its own"):
        site.host.apply(DeletePool(pool))
