"""How a real host's storage is used: who uses each image, what it takes by ``du``, and what it promises."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from kvmnb.host import Host, connect
from kvmnb.schema import ORPHANS, OVERCOMMIT, USAGE
from tests.storage.builders import (
    MIB,
    Site,
    define_guest,
    disk,
    file_disk,
    guest_xml,
    opened,
    qemu_img,
    start_guest,
)
from tests.usage.hosts import rows

_FRAMES = [
    (USAGE, lambda host: host.usage(inside=False)),
    (ORPHANS, Host.orphans),
    (OVERCOMMIT, Host.overcommit),
]


def _usage(site: Site) -> pd.DataFrame:
    return site.host.usage(inside=False)


def _du(path: Path) -> int:
    told = subprocess.run(["du", "--block-size=1", path], check=True, capture_output=True, text=True).stdout
    return int(told.split()[0])


def _second(site: Site, name: str = "second") -> Path:
    """Start another pool on a folder of the same file system."""
    folder = site.folder / name
    folder.mkdir(exist_ok=True)
    site.daemon.virsh("pool-define-as", name, "dir", "--target", str(folder))
    site.daemon.virsh("pool-start", name)
    return folder


def _sums_up(site: Site) -> None:
    """Refresh the pools, and see that their images and the rest are what they say they take."""
    frame = _usage(site)
    pools = rows(site.host.pools(), "name")
    counted = frame[frame["counted_at"].isna()]
    for name, told in counted.groupby("pool")["allocation"].sum().items():
        assert told == pools[name]["allocation"]


@pytest.mark.parametrize(("frame", "read"), _FRAMES, ids=[frame.name for frame, _ in _FRAMES])
def test_the_frame_is_as_declared(frame: object, read: object, site: Site) -> None:
    assert callable(read)
    for told in (read(site.host), read(_furnished(site).host)):
        assert told.dtypes.to_dict() == frame.empty().dtypes.to_dict()  # type: ignore[attr-defined]
        assert told.attrs["host"] == site.host.name
        for column in frame.columns:  # type: ignore[attr-defined]
            if column.dtype == "texts":
                assert all(isinstance(value, tuple) or value is pd.NA for value in told[column.name])
    assert len(told)
    with connect("test:///default") as made_up:
        assert len(read(made_up)) or frame is ORPHANS


def _furnished(site: Site) -> Site:
    """Have a base with two overlays of two guests, a raw disk, a kernel, a CD and what nobody uses."""
    site.running()
    for name in ("base.qcow2", "lost.qcow2"):
        site.volume(name)
    site.raw("raw.img", b"x" * 3 * MIB)
    site.raw("kernel", b"k" * 4096, 8192)
    site.raw("cd.iso", b"c" * 4096, 8192)
    kernel = f"<kernel>{site.target / 'kernel'}</kernel>"
    medium = disk(f"file='{site.target / 'cd.iso'}'", format="raw", target="sda").replace("'disk'", "'cdrom'")
    first = site.volume("one.qcow2", backing="base.qcow2")
    second = site.volume("two.qcow2", backing="base.qcow2")
    cd = medium.replace("bus='virtio'", "bus='sata'").replace("<target", "<readonly/><target")
    define_guest(
        site, "vm1", file_disk(first), file_disk(site.target / "raw.img", "raw", "vdb"), cd, os=kernel
    )
    define_guest(site, "vm2", file_disk(second))
    return site.refresh()


def test_roles_promises_and_who_shares_what(site: Site) -> None:
    told = rows(_usage(_furnished(site)), "volume")
    base, one, two = (str(site.target / f"{name}.qcow2") for name in ("base", "one", "two"))
    assert {name: (row["role"], row["promised"]) for name, row in told.items()} == {
        "base.qcow2": ("backing", 0),
        "one.qcow2": ("disk", 8 * MIB),
        "two.qcow2": ("disk", 8 * MIB),
        "raw.img": ("disk", 8 * MIB),
        "kernel": ("other", 0),
        "cd.iso": ("other", 0),
        "lost.qcow2": ("unused", 8 * MIB),
    }
    assert set(told["base.qcow2"]["shared_by"]) == {one, two}
    assert told["base.qcow2"]["guests"] == ("vm1", "vm2")
    assert told["one.qcow2"]["chain"] == (base,)
    assert (told["one.qcow2"]["guest"], told["one.qcow2"]["target"]) == ("vm1", "vda")
    assert (told["raw.img"]["guest_state"], told["raw.img"]["target"]) == ("shut off", "vdb")
    assert told["cd.iso"]["target"] == "sda"
    for name, row in told.items():
        assert row["allocation"] == _du(site.target / str(name))
        assert row["status"] == ("not read inside" if row["role"] == "disk" else "ok")
        assert row["used"] is row["reclaimable"] is row["reclaimable_most"] is None
    _sums_up(site)


def test_a_file_of_two_pools_is_counted_once(site: Site) -> None:
    site.running()
    shared, own = site.raw("shared.img", b"x" * 2 * MIB), site.raw("own.img", b"y" * MIB)
    folder = site.folder / "second"
    folder.mkdir()
    os.link(shared, folder / "link.img")
    (folder / "other.img").write_bytes(b"z" * 3 * MIB)
    _second(site)
    define_guest(site, "vm1", file_disk(folder / "link.img", "raw"))
    site.refresh()
    told = rows(_usage(site), "volume")
    assert told["shared.img"]["counted_at"] == str(folder / "link.img")
    assert told["link.img"]["counted_at"] is None
    for name in ("shared.img", "link.img"):
        assert told[name]["guests"] == ("vm1",)
        assert told[name]["role"] == "disk"
    rest = rows(_usage(site), "pool", "role")
    sizes = {path.name: _du(path) for path in (shared, own, folder / "link.img", folder / "other.img")}
    assert {row["storage"] for row in rest.values()} == {"second"}
    assert rest["second", "elsewhere"]["allocation"] == sizes["own.img"]
    assert rest[site.pool, "elsewhere"]["allocation"] == sizes["link.img"] + sizes["other.img"]
    _sums_up(site)


def test_a_disk_in_no_pool_is_a_row_that_lies_on_the_pools_file_system(site: Site) -> None:
    site.running()
    base, top = site.folder / "out.qcow2", site.folder / "top.qcow2"
    qemu_img("create", "-f", "qcow2", base, "32M")
    qemu_img("create", "-f", "qcow2", "-b", base, "-F", "qcow2", top)
    define_guest(site, "vm1", file_disk(top))
    told = rows(_usage(site), "path")
    assert set(told) == {str(base), str(top)}
    assert [told[str(path)]["role"] for path in (base, top)] == ["backing", "disk"]
    assert told[str(top)]["capacity"] == told[str(top)]["promised"] == 32 * MIB
    assert told[str(top)]["allocation"] == _du(top)
    assert told[str(top)]["storage"] == site.pool
    assert told[str(top)]["pool"] is None
    rest = rows(_usage(site), "pool", "role")
    assert rest[site.pool, "elsewhere"]["allocation"] == _du(base) + _du(top)
    (row,) = site.host.overcommit().to_dict("records")
    assert row["growth"] == row["promised"] == 0
    assert row["headroom"] == row["available"] / (32 * MIB - _du(top))
    assert "in no running pool" in row["problem"]
    _sums_up(site)


def test_what_a_snapshot_in_the_image_holds_may_be_taken_once_more(site: Site) -> None:
    site.running()
    path = site.volume("v.qcow2")
    qemu_img("snapshot", "-c", "before", path)
    define_guest(site, "vm1", file_disk(path))
    row = rows(_usage(site), "volume")["v.qcow2"]
    assert row["promised"] == 8 * MIB + row["allocation"] == 8 * MIB + _du(path)


@pytest.mark.parametrize("known", [True, False])
def test_external_snapshots_are_a_chain_of_which_only_the_top_grows(site: Site, known: bool) -> None:
    site.running()
    define_guest(site, "vm1", file_disk(site.volume("v.qcow2")))
    site.daemon.virsh("snapshot-create-as", "vm1", "s1", "--disk-only", *([] if known else ["--no-metadata"]))
    site.refresh()
    told = rows(_usage(site), "volume")
    assert {name: (row["role"], row["promised"]) for name, row in told.items()} == {
        "v.qcow2": ("backing", 0),
        "v.s1": ("disk", 8 * MIB),
    }
    _sums_up(site)


def test_what_cannot_be_read_has_a_row_that_says_so(site: Site) -> None:
    site.running()
    site.volume("v.qcow2")
    site.daemon.virsh("pool-define-as", "idle", "dir", "--target", str(site.folder / "idle"))
    network = disk("protocol='nbd' name='x'><host name='127.0.0.1' port='1'/></source", type="network")
    named = disk("pool='idle' volume='a'", type="volume", target="vdb")
    gone = file_disk(site.folder / "gone.img", "raw", "vdc")
    with opened(site.daemon) as connection:
        connection.defineXML(guest_xml("vm1", network.replace("/source/>", "/source>"), named, gone))
    frame = _usage(site)
    by_target = rows(frame, "target")
    assert {target: row["status"] for target, row in by_target.items()} == {
        "vda": "network",
        "vdb": "unreadable",
        "vdc": "unreadable",
    }
    assert "nothing at" in by_target["vdc"]["problem"]
    assert all(row["allocation"] is None for row in by_target.values())
    idle = rows(frame, "pool", "role")["idle", "unknown"]
    assert (idle["status"], idle["allocation"]) == ("pool not running", None)
    unknown = rows(frame, "volume")["v.qcow2"]
    assert (unknown["role"], unknown["status"]) == ("unknown", "use unknown")
    assert "'vm1'" in unknown["problem"]
    assert list(site.host.overcommit()["status"]) == ["ok", "pool not running"]


def test_a_disk_of_the_next_boot_is_not_looked_into_and_said_to_be(site: Site) -> None:
    site.running()
    start_guest(site, "vm1", file_disk(site.volume("now.qcow2")))
    define_guest(site, "vm1", file_disk(site.volume("next.qcow2")))
    row = rows(_usage(site), "volume")["next.qcow2"]
    assert (row["role"], row["guests"], row["guest"]) == ("disk", ("vm1",), None)
    assert row["used"] is row["filesystems"] is None
    assert row["status"] == "not read inside"
    assert "only as saved or when it boots next" in str(row["problem"])


def test_a_volume_whose_file_is_gone_takes_nothing(site: Site) -> None:
    site.running()
    site.volume("v.qcow2").unlink()
    told = rows(_usage(site), "volume")["v.qcow2"]
    assert (told["allocation"], told["promised"], told["status"]) == (None, 0, "unreadable")
    assert site.host.orphans().empty
    (row,) = site.host.overcommit().to_dict("records")
    assert (row["promised"], row["status"]) == (0, "ok")


def test_reading_changes_nothing(site: Site) -> None:
    _furnished(site)
    files = {path: path.stat() for path in site.target.iterdir()}
    for read in (_usage(site), site.host.orphans(), site.host.overcommit()):
        assert len(read)
    for path, before in files.items():
        now = path.stat()
        same = ("st_ino", "st_size", "st_mtime_ns", "st_ctime_ns", "st_blocks")
        assert [getattr(now, name) for name in same] == [getattr(before, name) for name in same]
