"""What an agent tells becomes rows under the names that an appliance gives; whatever it tells."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmnb.guests.agent_rows import rows

Told = dict[str, Any]


def _told(disks: list[Told], mounted: list[Told]) -> Told:
    """Write out what libvirt would give."""
    told: Told = {"disk.count": len(disks), "fs.count": len(mounted), "os.pretty-name": "Some Linux 9"}
    for number, disk in enumerate(disks):
        below = disk.pop("below", [])
        told |= {f"disk.{number}.{key}": value for key, value in disk.items()}
        told[f"disk.{number}.dependency.count"] = len(below)
        told |= {f"disk.{number}.dependency.{one}.name": name for one, name in enumerate(below)}
    for number, one in enumerate(mounted):
        told |= {f"fs.{number}.{key}": value for key, value in one.items()}
    return told


def _fs(name: str, mountpoint: str, total: int = 1000, used: int = 400) -> Told:
    return {
        "name": name,
        "mountpoint": mountpoint,
        "fstype": "xfs",
        "total-bytes": total,
        "used-bytes": used,
    }


def _disk(name: str, target: str) -> Told:
    return {"name": name, "partition": False, "alias": target}


def _part(name: str, whole: str) -> Told:
    return {"name": name, "partition": True, "below": [whole]}


@pytest.mark.parametrize(
    ("disks", "mounted", "targets", "expected"),
    [
        ([_disk("/dev/vda", "vda")], "vda", ["vda"], ("/dev/sda", [], ["vda"])),
        (
            [_disk("/dev/vdb", "vdb"), _part("/dev/vdb3", "/dev/vdb")],
            "vdb3",
            ["sdx", "vdb"],
            ("/dev/sdb3", [], ["vdb"]),
        ),
        (
            [_disk("/dev/nvme0n1", "sdc"), _part("/dev/nvme0n1p2", "/dev/nvme0n1")],
            "nvme0n1p2",
            ["sdc"],
            ("/dev/sda2", [], ["sdc"]),
        ),
        (
            [
                _disk("/dev/vda", "vda"),
                _part("/dev/vda2", "/dev/vda"),
                {"name": "/dev/dm-0", "below": ["/dev/vda2"], "guest_alias": "my--group-the--root"},
            ],
            "dm-0",
            ["vda"],
            ("/dev/my-group/the-root", ["/dev/my-group", "/dev/sda2"], ["vda"]),
        ),
        (
            [
                _disk("/dev/vda", "vda"),
                {"name": "/dev/dm-0", "below": ["/dev/vda"], "guest_alias": "luks-1a-2b"},
            ],
            "dm-0",
            ["vda"],
            ("/dev/mapper/luks-1a-2b", ["/dev/sda"], ["vda"]),
        ),
        ([], "md127", ["vda"], ("/dev/md127", [], [])),
    ],
    ids=["whole", "partition", "nvme", "logical volume", "encrypted", "unknown"],
)
def test_devices_have_the_names_that_an_appliance_gives(
    disks: list[Told], mounted: str, targets: list[str], expected: tuple[str, list[str], list[str]]
) -> None:
    row, *_ = rows(_told([dict(one) for one in disks], [_fs(mounted, "/")]), targets)
    assert (row["filesystem"], row["parents"], row["disks"]) == expected
    assert row["device"] == row["filesystem"]


def test_figures_and_system() -> None:
    told = _told([_disk("/dev/vda", "vda")], [_fs("vda", "/", 1000, 400), _fs("vda", "/var/lib/x")])
    (row,) = rows(told, ["vda"])
    assert (row["capacity"], row["used"], row["available"]) == (1000, 400, 600)
    assert row["mounted"] == ["/", "/var/lib/x"]
    assert (row["type"], row["system"], row["status"], row["reason"]) == ("xfs", "Some Linux 9", "ok", None)


def test_nothing_is_lost() -> None:
    disks = [_disk("/dev/vda", "vda"), _part("/dev/vda1", "/dev/vda"), _part("/dev/vda2", "/dev/vda")]
    found = rows(_told(disks, [_fs("vda1", "/")]), ["vda", "vdb"])
    told = [(row.get("filesystem"), row["status"], row["disks"]) for row in found]
    assert told == [
        ("/dev/sda1", "ok", ["vda"]),
        ("/dev/sda2", "not mounted", ["vda"]),
        (None, "not told", ["vdb"]),
    ]
    assert all(row["reason"] for row in found[1:])


def test_what_is_no_storage_of_the_guest_is_left_out() -> None:
    mounted = [_fs(name, "/x") for name in ("loop3", "sr0", "zram0")]
    assert [row["status"] for row in rows(_told([_disk("/dev/sr0", "sda")], mounted), ["vda"])] == [
        "not told"
    ]


@pytest.mark.parametrize(("total", "used"), [(10, 11), (-1, -2), (1 << 64, 5), (1 << 63, 1 << 62)])
def test_sizes_that_cannot_be_are_not_believed(total: int, used: int) -> None:
    (row,) = rows(_told([_disk("/dev/vda", "vda")], [_fs("vda", "/", total, used)]), ["vda"])
    assert row["status"] == "not told"
    assert "capacity" not in row


@pytest.mark.parametrize(
    "lacking", ["fs.0.name", "fs.0.mountpoint", "fs.0.fstype", "disk.0.name", "disk.0.alias"]
)
def test_what_an_agent_leaves_out_loses_nothing(lacking: str) -> None:
    told = _told(
        [_disk("/dev/vda", "vda"), _part("/dev/vda1", "/dev/vda")], [_fs("vda1", "/"), _fs("vdb", "/x")]
    )
    del told[lacking]
    found = rows(told, ["vda"])
    assert [row["capacity"] for row in found if "capacity" in row] == [1000, 1000]
    assert any("vda" in row["disks"] for row in found)


_NAMES = st.sampled_from(["/dev/vda", "/dev/vda1", "/dev/dm-0", "/dev/dm-1", "", "/dev/\x1b[31m<b>"])
_DISKS = st.fixed_dictionaries(
    {"name": _NAMES, "partition": st.booleans(), "below": st.lists(_NAMES, max_size=4)},
    optional={"alias": st.sampled_from(["vda", "vdb", ""]), "guest_alias": st.sampled_from(["a-b", "-", ""])},
)


@given(disks=st.lists(_DISKS, max_size=6), mounted=st.lists(_NAMES, max_size=4))
def test_a_hostile_agent_gets_rows_too(disks: list[Told], mounted: list[str]) -> None:
    names = [name.removeprefix("/dev/") for name in mounted]
    found = rows(_told([dict(one) for one in disks], [_fs(name, "/") for name in names]), ["vda"])
    assert len({row["filesystem"] for row in found if "filesystem" in row}) >= bool(mounted)
    assert {"vda"} == {target for row in found for target in row["disks"]}
