"""Looking into a guest and mounting it from the view, with real appliances."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from threading import Timer

import pandas as pd
import pytest

import kvmnb
from kvmnb.forms.inside import Inside
from kvmnb.forms.job import Job
from kvmnb.forms.mount_view import MountsView, mounts
from kvmnb.forms.mounting import hold, release
from kvmnb.forms.rows import rows
from tests.forms.filling import in_a_loop, until
from tests.guests import tree
from tests.guests.conftest import house, images
from tests.guests.house import House

__all__ = ["house", "images"]


@pytest.fixture
def shown(house: House) -> Iterator[MountsView]:
    """Give the view of a host with a guest; nothing stays mounted."""
    house.guest("vm1")
    yield mounts(house.host)
    for path in kvmnb.mounts()["path"]:
        release(path)


def _names(shown: MountsView) -> list[str]:
    return list(shown.files.browser.frame["name"])


def _choose(shown: MountsView, name: str) -> None:
    shown.files.browser.table.selected_rows = [_names(shown).index(name)]


def test_without_a_mount(shown: MountsView, house: House, tmp_path: Path) -> None:
    before = house.sums()
    files = shown.files
    assert [value for _label, value in files.guest.options] == ["", "vm1"]
    assert files.list.disabled
    files.guest.value = "vm1"
    assert not files.list.disabled
    assert (files.open.disabled, files.up.disabled) == (True, True)
    files.path.value = "/etc"
    assert files.where.path == "/etc"
    assert "/etc of guest 'vm1', not mounted" in files.place.value.replace("&#x27;", "'")
    _choose(shown, "hostname")
    files.tail.click()
    assert "<pre" in files.text.value
    assert shown.copy_out.view.layout.display == ""
    shown.copy_out.fill(folder=str(tmp_path))
    assert shown.copy_out.draft.ready
    shown.copy_out.run()
    assert (tmp_path / "hostname").read_text() == "vm1.example\n"
    assert house.sums() == before
    noted = house.host.audit()
    assert list(noted["event"]) == ["intent", "done"]
    assert noted["command"].iloc[0] == f"virt-copy-out -d vm1 /etc/hostname {tmp_path}"


def test_how_full_the_guests_are(house: House) -> None:
    house.guest("vm1")
    before = house.sums()
    chosen: list[str | None] = [None]
    inside = Inside(house.host, lambda: chosen[0])

    async def main() -> None:
        inside.browser.button.click()
        assert inside.running.busy
        await until(lambda: "0 of 1 guests" in inside.running.said.value)
        assert inside.browser.button.disabled
        inside.running.cancel.click()
        await until(lambda: not inside.running.busy)
        assert "It was cancelled" in inside.browser.said.value
        assert inside.browser.frame.empty
        assert not inside.browser.button.disabled
        assert inside.one.disabled
        chosen[0] = "vm1"
        inside.enable()
        inside.one.click()
        await until(lambda: not inside.running.busy, 120)

    in_a_loop(main())
    pd.testing.assert_frame_equal(
        inside.browser.frame.drop(columns=["source", "read_at"]),
        house.host.df("vm1").drop(columns=["source", "read_at"]),
    )
    shown = rows(inside.browser.frame, ("guest", "capacity", "used"))
    assert "use" in shown.columns
    assert house.sums() == before


def test_through_a_mount(shown: MountsView, house: House) -> None:
    files = shown.files
    files.guest.value = "vm1"
    assert shown.mount.entered["guest"] == "vm1"
    assert shown.mount.draft.ready, shown.mount.draft
    shown.mount.run()
    (row,) = kvmnb.mounts().to_dict("records")
    assert (row["guest"], row["readonly"], row["status"]) == ("vm1", True, "mounted")
    _choose(shown, "hostile")
    files.open.click()
    assert files.where.path == "/hostile"
    assert len(_names(shown)) == len(tree.NAMES)
    assert not any("<img" in name for name in rows(files.browser.frame, ("name",)).cells["name"])
    files.up.click()
    assert files.where.path == "/"
    files.path.value = "/nowhere"
    assert "There is no" in files.browser.said.value
    assert files.where.path == "/"
    shown.mount.fill(readonly=False)
    assert "is mounted already" in shown.mount.draft.beside["readonly"][0]
    shown.browser.table.selected_rows = [0]
    assert shown.unmount.draft.ready
    shown.unmount.run()
    assert kvmnb.mounts().empty
    assert "✓ Done" in shown.unmount.result.value
    subprocess.run(["qemu-img", "check", "-q", "-f", "qcow2", house.folder / "vm1.qcow2"], check=True)


def test_cancelled_while_it_mounts_nothing_is_left(house: House) -> None:
    house.guest("vm1")
    job = Job(lambda _progress: hold(house.host, "vm1"), lambda _job: None)
    Timer(1.0, job.cancel).start()
    job.start()
    assert job.outcome == "cancelled"
    assert kvmnb.mounts().empty
    assert not list((house.daemon.home / "kvmnb/mounts").glob("*"))
    serving = subprocess.run(["pgrep", "-f", f"guestmount.*{house.folder}"], check=False, capture_output=True)
    assert not serving.stdout
