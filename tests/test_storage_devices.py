"""The throw-away devices serve pools of each type that they are for, and nothing is left of them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.daemon import SEARCH, Daemon
from tests.storage_devices import iscsi_target, loop_device

_MIB = 1024 * 1024

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can attach a loop device")
needs_tgt = pytest.mark.skipif(
    shutil.which("tgtd", path=SEARCH) is None, reason="no iSCSI target program: the package tgt is missing"
)


def _attached(folder: Path) -> list[str]:
    files = [file.read_text().strip() for file in Path("/sys/block").glob("loop*/loop/backing_file")]
    return [file for file in files if file.startswith(str(folder))]


def _start(daemon: Daemon, kind: str, *source: str) -> None:
    daemon.virsh("pool-define-as", "--name", "kept", "--type", kind, *source)
    daemon.virsh("pool-build", "kept", *(["--overwrite"] if kind in ("fs", "disk") else []))
    daemon.virsh("pool-start", "kept")


@root_only
def test_a_file_system_pool(clean_daemon: Daemon, target: Path) -> None:
    with loop_device(clean_daemon, 32 * _MIB) as device:
        place = ["--source-dev", device, "--source-format", "ext4", "--target", str(target)]
        _start(clean_daemon, "fs", *place)
        clean_daemon.virsh("vol-create-as", "kept", "a.qcow2", "8M", "--format", "qcow2")
        assert "a.qcow2" in clean_daemon.virsh("vol-list", "kept")
        clean_daemon.virsh("pool-destroy", "kept")
    assert _attached(clean_daemon.folder) == []


@root_only
@pytest.mark.parametrize("table", ["gpt", "dos"])
def test_a_disk_pool_leaves_no_partition_nodes(clean_daemon: Daemon, table: str) -> None:
    with loop_device(clean_daemon, 32 * _MIB) as device:
        _start(clean_daemon, "disk", "--source-dev", device, "--source-format", table, "--target", "/dev")
        name = f"{Path(device).name}p1"
        clean_daemon.virsh("vol-create-as", "kept", name, "8M")
        assert name in clean_daemon.virsh("vol-list", "kept")
        clean_daemon.virsh("pool-destroy", "kept")
    assert not Path(f"/sys/block/{Path(device).name}/{name}").exists()


@root_only
def test_a_volume_group_pool(clean_daemon: Daemon) -> None:
    with loop_device(clean_daemon, 32 * _MIB) as device:
        group = "kvmnb_kept"
        place = ["--source-dev", device, "--source-name", group, "--target", f"/dev/{group}"]
        _start(clean_daemon, "logical", *place)
        assert "running" in clean_daemon.virsh("pool-info", "kept")
        clean_daemon.virsh("pool-destroy", "kept")
        clean_daemon.virsh("pool-delete", "kept")
    assert not Path("/etc/lvm/backup", group).exists()


@root_only
def test_the_loop_device_is_detached_after_a_failure(clean_daemon: Daemon) -> None:
    def fail() -> None:
        with loop_device(clean_daemon, _MIB):
            assert len(_attached(clean_daemon.folder)) == 1
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert _attached(clean_daemon.folder) == []


@needs_tgt
def test_an_iscsi_direct_pool(clean_daemon: Daemon) -> None:
    if "<pool type='iscsi-direct' supported='yes'>" not in clean_daemon.virsh("pool-capabilities"):
        pytest.skip(
            "this libvirt has no iscsi-direct pools: libvirt-daemon-driver-storage-iscsi-direct is missing"
        )
    with iscsi_target(clean_daemon, 16 * _MIB) as served:
        definition = clean_daemon.folder / "pool.xml"
        definition.write_text(
            "<pool type='iscsi-direct'><name>kept</name><source>"
            f"<host name='127.0.0.1' port='{served.port}'/><device path='{served.iqn}'/>"
            "<initiator><iqn name='iqn.2026-01.org.example:tests'/></initiator></source></pool>"
        )
        clean_daemon.virsh("pool-define", str(definition))
        clean_daemon.virsh("pool-start", "kept")
        assert "unit:0:0:1" in clean_daemon.virsh("vol-list", "kept")
        clean_daemon.virsh("pool-destroy", "kept")
