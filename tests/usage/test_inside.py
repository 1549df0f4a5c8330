"""What rows about file systems say of each disk, and what they leave open."""

from __future__ import annotations

from typing import Any

import pytest

from kvmnb.guests.reading import Contents
from kvmnb.usage.inside import Inside, insides
from tests.usage.hosts import MIB, guest

_Row = dict[str, Any]


def _ok(name: str, used: int, capacity: int, *disks: str, **more: object) -> _Row:
    told = {"filesystem": name, "device": name, "size": capacity, "capacity": capacity, "used": used}
    return told | {"disks": list(disks or ("vda",)), "status": "ok", "reason": None} | more


def _other(name: str, status: str, size: int | None, *disks: str) -> _Row:
    told = {"filesystem": name, "device": name, "size": size, "disks": list(disks or ("vda",))}
    return told | {"status": status, "reason": f"it is {status}"}


def _read(*rows: _Row) -> dict[str, Inside]:
    found = insides([Contents(guest("vm1", "/a", "/b"), list(rows))])
    return {target: inside for (_, target), inside in found.items()}


def test_file_systems_of_one_disk_are_summed_up() -> None:
    told = _read(_ok("/dev/sda1", 3, 10), _ok("/dev/sda2", 5, 100), _ok("/dev/sdb", 1, 7, "vdb"))
    assert told["vda"] == Inside(("/dev/sda1", "/dev/sda2"), 8, 102, 102, 102)
    assert told["vdb"] == Inside(("/dev/sdb",), 1, 6, 6, 6)


@pytest.mark.parametrize("row", [_other("/dev/sda2", "swap", 999 * MIB), _other("/dev/sda2", "unknown", MIB)])
def test_swap_and_a_boot_loaders_place_hold_no_files(row: _Row) -> None:
    told = _read(_ok("/dev/sda1", 3, 10), row)["vda"]
    assert (told.used, told.free, told.free_most, told.status) == (3, 7, 7, "ok")
    assert told.filesystems == ("/dev/sda1", "/dev/sda2")


@pytest.mark.parametrize("status", ["encrypted", "corrupt", "unknown", "locked", "incomplete"])
def test_what_could_not_be_read_leaves_the_sum_open(status: str) -> None:
    told = _read(_ok("/dev/sda1", 3, 10), _other("/dev/sda2", status, 50 * MIB))["vda"]
    assert (told.used, told.free) == (None, None)
    assert (told.free_least, told.free_most) == (7, 7 + 50 * MIB)
    assert told.status == status
    assert told.problem == f"/dev/sda2: it is {status}"


def test_of_what_has_no_size_all_of_the_disk_may_be_free() -> None:
    told = _read(_ok("/dev/sda1", 3, 10), _other("/dev/sda2", "not mounted", None))["vda"]
    assert (told.used, told.free_least, told.free_most) == (None, 7, None)


def test_what_was_read_while_it_changed_is_not_taken_for_certain() -> None:
    told = _read(_ok("/dev/sda1", 3, 10) | {"status": "locked", "reason": "somebody writes"})["vda"]
    assert (told.used, told.status, told.free_least, told.free_most) == (None, "locked", 0, 10)


def test_what_lies_on_two_disks_is_not_split() -> None:
    told = _read(_ok("/dev/vg/root", 30, 100, "vda", "vdb"), _ok("/dev/sda1", 3, 10))
    for target, least in (("vda", 7), ("vdb", 0)):
        assert (told[target].used, told[target].free) == (None, None)
        assert (told[target].free_least, told[target].free_most) == (least, least + 70)
        assert told[target].status == "spread"
        assert "/dev/vg/root lies on vda, vdb together" in told[target].problem


def test_subvolumes_of_btrfs_are_one_file_system() -> None:
    first = _ok("/dev/sda1", 3, 10)
    told = _read(first, first | {"filesystem": "btrfsvol:/dev/sda1/home"})["vda"]
    assert (told.used, told.free) == (3, 7)
    assert told.filesystems == ("/dev/sda1", "btrfsvol:/dev/sda1/home")


def test_what_is_said_of_the_guest_is_said_of_each_disk() -> None:
    told = _read({"disks": [], "status": "unreadable", "reason": "it is gone"})
    assert {target: (one.used, one.status, one.problem) for target, one in told.items()} == {
        "vda": (None, "unreadable", "it is gone"),
        "vdb": (None, "unreadable", "it is gone"),
    }
