"""An operator looks into a guest that will not start, in JupyterLab, and the host says what is mounted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.contrast import CONTRAST, READABLE
from tests.browser.lab import Lab, Runbook
from tests.browser.sheet import Sheet, write_notebook
from tests.daemon import Daemon
from tests.guests.conftest import house, images
from tests.guests.house import House

__all__ = ["house", "images"]

_SETUP = "host = kvmnb.connect(readonly=False)"
_VIEW = "kvmnb.forms.mounts(host)"
_GUESTS = "kvmnb.forms.guests(host)"

#: An appliance starts in seconds, but under emulation, beside others, it may take a minute and more.
_APPLIANCE = 240_000


@pytest.fixture
def opened(house: House, daemon: Daemon, tmp_path: Path) -> Iterator[Runbook]:
    """Give a notebook with the views, at a host with one guest that is shut off."""
    house.guest("vm1")
    file = write_notebook(tmp_path / "mounts.ipynb", [f"import kvmnb\n{_SETUP}", _VIEW, _GUESTS])
    with Lab(daemon, tmp_path) as lab, lab.open(str(file), width=1200, height=1400) as runbook:
        runbook.run_cell(_SETUP)
        runbook.wait_until_idle()
        yield runbook
        assert runbook.failures == []
        assert runbook.errors == []
        assert runbook.strangers == []


def _mounted(folder: Path) -> list[str]:
    """Give what is mounted below a folder, by the kernel."""
    lines = Path("/proc/self/mounts").read_text().splitlines()
    return [line.split()[1] for line in lines if line.split()[1].startswith(f"{folder}/")]


def _form(area: Locator, title: str) -> Sheet:
    heading = area.page.get_by_role("heading", name=re.compile(f"^{title}"))
    return Sheet(area.locator(".kvmnb-form").filter(has=heading).last)


def _row(area: Locator, name: str) -> Locator:
    return area.get_by_role("row").filter(has=area.page.get_by_role("gridcell", name=name, exact=True))


def test_a_guest_is_mounted_a_file_is_read_and_it_is_unmounted(opened: Runbook, house: House) -> None:
    before = house.sums()
    area = opened.run_cell(_VIEW)
    look = _form(area, "Look into a guest")
    look.field("guest").select_option("vm1")
    mount = _form(area, "Mount a guest")
    expect(mount.area).to_contain_text("for reading only, in a new folder of your own")
    mount.button("Apply").click()
    expect(mount.area.get_by_text("✓ Done.").first).to_be_visible(timeout=_APPLIANCE)
    (folder,) = _mounted(house.daemon.home)
    assert (Path(folder) / "etc/hostname").read_text() == "vm1.example\n"

    files = look.area.get_by_role("grid", name="Files of a guest")
    _row(files, "etc").click()
    look.button("Open folder").click()
    _row(files, "hostname").click()
    look.button("Last lines").click()
    expect(look.area.locator("pre").get_by_text("vm1.example")).to_be_visible()
    for theme in ("JupyterLab Dark", "JupyterLab Light"):
        opened.theme(theme)
        opened.cell(_VIEW).scroll_into_view_if_needed()
        opened.picture(f"mounts_{theme.replace(' ', '_')}")
        assert opened.page.evaluate(CONTRAST) >= READABLE

    mounts = area.get_by_role("grid", name="Mounts")
    _row(mounts, folder).click()
    unmount = _form(area, "Unmount a guest")
    expect(unmount.area).to_contain_text(f"guestunmount {folder}")
    unmount.button("Apply").click()
    expect(unmount.area.get_by_text("✓ Done.").first).to_be_visible(timeout=_APPLIANCE)
    assert _mounted(house.daemon.home) == []
    unmount.shows()
    assert house.sums() == before
    said = house.daemon.virsh("domstate", "vm1")
    assert said.strip() == "shut off"


def test_how_full_guests_are_is_told_of_and_can_be_cancelled(opened: Runbook, house: House) -> None:
    area = opened.run_cell(_GUESTS)
    inside = _form(area, "What is used in the guests")
    inside.button("Read all guests").click()
    expect(inside.area).to_contain_text("0 of 1 guests")
    inside.button("Cancel").click()
    expect(inside.area).to_contain_text("It was cancelled")
    inside.button("Read all guests").click()
    table = inside.area.get_by_role("grid", name="What is used in the guests")
    expect(_row(table, "/dev/centos/root")).to_contain_text(re.compile(r"\d\s%"), timeout=_APPLIANCE)
    opened.cell(_GUESTS).scroll_into_view_if_needed()
    opened.picture("guests")
