"""An operator fills in forms in JupyterLab, and virsh is asked what came of it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

import kvmnb
from tests.browser.contrast import CONTRAST, READABLE
from tests.browser.lab import Lab, Runbook
from tests.browser.sheet import Sheet, write_notebook
from tests.daemon import Daemon
from tests.storage.builders import MIB, Site, define_guest, file_disk

_SETUP = "host = kvmnb.connect(readonly=False)"
_COUNT = "print(6 * 7, 'from the kernel')"

#: A name that would be a picture, and a script's start, if it were taken for HTML.
_MARKUP = "<img src=x onerror=kvmnbHarmed=1>"

#: Gives the label of what has the focus, or what stands on it.
_FOCUSED = """() => {
    const at = document.activeElement;
    return at.labels?.length ? at.labels[0].textContent.trim() : at.textContent.trim();
}"""


def _form(action: str) -> str:
    return f"Form(goal_of(kvmnb.{action}), host)"


_ACTIONS = (
    "create_pool",
    "CreateVolume",
    "DeleteVolume",
    "CloneVolume",
    "DownloadVolume",
    "ResizeVolume",
    "SetPoolAutostart",
)


@dataclass(frozen=True)
class Desk:
    """A notebook with forms, open in JupyterLab, at the tests' daemon."""

    runbook: Runbook
    daemon: Daemon

    @property
    def page(self) -> Page:
        """The browser's page."""
        return self.runbook.page

    def open(self, action: str) -> Sheet:
        """Open the form of an action anew."""
        area = self.runbook.run_cell(_form(action))
        expect(area.locator(".kvmnb-form")).to_have_count(1)
        expect(area.get_by_text("Still needed")).to_be_visible()
        return Sheet(area)

    def changes(self) -> list[str]:
        """Give what was done by the kernel, by its audit log."""
        log = self.daemon.home / ".local/state/kvmnb/audit.jsonl"
        lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        return [line["action"] for line in lines if line["event"] == "done"]

    def volumes(self, pool: str) -> list[str]:
        """Give the names of a pool's volumes, by virsh."""
        lines = self.daemon.virsh("vol-list", "--pool", pool).splitlines()[2:]
        return [line.split("  ")[0].strip() for line in lines if line.strip()]


@pytest.fixture(scope="module")
def opened(daemon: Daemon, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runbook]:
    """Open a notebook with a cell for every form, once for all tests: a browser takes its time to start."""
    base = tmp_path_factory.mktemp("forms")
    setup = [
        "import kvmnb",
        "from kvmnb.forms.form import Form",
        "from kvmnb.forms.goals import goal_of",
        _SETUP,
    ]
    sources = ["\n".join(setup), *map(_form, _ACTIONS), _COUNT]
    file = write_notebook(base / "forms.ipynb", sources)
    with Lab(daemon, base) as lab, lab.open(str(file), width=1200, height=1000) as runbook:
        yield runbook


@pytest.fixture
def desk(opened: Runbook, clean_daemon: Daemon) -> Iterator[Desk]:
    """Give the open notebook with a host that has just been opened; no test may leave an error behind."""
    made = Desk(opened, clean_daemon)
    opened.run_cell(_SETUP)
    opened.wait_until_idle()
    yield made
    assert opened.failures == []
    assert opened.errors == []
    assert opened.strangers == []


@pytest.fixture
def site(clean_daemon: Daemon) -> Iterator[Site]:
    """Give the daemon with a running pool that was made without the kit."""
    with kvmnb.connect(clean_daemon.uri, readonly=False) as host:
        yield Site(clean_daemon, host).running()


def test_a_pool_is_set_up_by_typing_and_taken_down_by_undoing(desk: Desk) -> None:
    sheet = desk.open("create_pool")
    target = desk.daemon.folder / "vm disk"
    sheet.type("name", "vm disk<")
    sheet.type("target", str(target))
    sheet.shows("holds '<'")
    expect(sheet.button("Apply")).to_be_disabled()
    below = sheet.field("name").locator("xpath=ancestor::*[contains(@class, 'widget-vbox')][1]")
    expect(below.locator(".kvmnb-problem")).to_have_count(1)
    desk.runbook.picture("form_problem")

    sheet.type("name", "vm disk")
    sheet.shows()
    expect(sheet.area).to_contain_text(f"virsh pool-define-as 'vm disk' dir --target '{target}'")
    assert desk.daemon.virsh("pool-list", "--all", "--name").split() == []
    sheet.apply()
    assert re.search(r"State: +running", desk.daemon.virsh("pool-info", "vm disk"))
    expect(sheet.area.get_by_role("row", name="state of pool")).to_contain_text("yes")
    desk.runbook.picture("form_done")

    sheet.button("Undo …").click()
    undo = Sheet(sheet.area.locator(".kvmnb-form .kvmnb-form"))
    undo.apply()
    assert desk.daemon.virsh("pool-list", "--all", "--name").split() == []
    assert not target.exists()
    expect(sheet.button("Apply")).to_be_enabled()


def test_a_double_click_makes_one_volume(desk: Desk, site: Site) -> None:
    sheet = desk.open("CreateVolume")
    sheet.field("pool").select_option(site.pool)
    sheet.type("name", "a.qcow2")
    sheet.type("capacity", "1 XB")
    sheet.shows("unknown unit 'XB'")
    sheet.type("capacity", "10 MiB")
    sheet.shows()
    expect(sheet.area).to_contain_text("are free in pool")
    expect(sheet.button("Apply")).to_be_enabled()
    sheet.button("Apply").dblclick()
    expect(sheet.area.get_by_text("✓ Done.")).to_be_visible()
    expect(sheet.area.get_by_text("is so already")).to_be_visible()
    assert desk.changes() == ["CreateVolume"]
    said = desk.daemon.virsh("vol-info", "a.qcow2", "--pool", site.pool, "--bytes")
    assert re.search(rf"Capacity: +{10 * MIB} bytes", said)


def test_one_in_use_is_refused_and_another_goes_by_its_name(desk: Desk, site: Site) -> None:
    define_guest(site, "vm1", file_disk(site.volume("used.qcow2")))
    site.volume("free.qcow2")
    sheet = desk.open("DeleteVolume")
    sheet.field("pool").select_option(site.pool)
    sheet.field("name").select_option("used.qcow2")
    sheet.type("type its name", "used.qcow2")
    sheet.shows("vm1")
    expect(sheet.button("Apply")).to_be_disabled()

    sheet.field("name").select_option("free.qcow2")
    sheet.type("type its name", "free")
    sheet.shows("cannot be undone")
    expect(sheet.button("Apply")).to_be_disabled()
    sheet.type("type its name", "free.qcow2")
    expect(sheet.area).to_contain_text("Cannot be undone.")
    desk.runbook.picture("form_delete")
    sheet.apply()
    assert desk.volumes(site.pool) == ["used.qcow2"]
    assert desk.changes() == ["DeleteVolume"]


def test_a_name_is_shown_as_text(desk: Desk, site: Site) -> None:
    site.volume(_MARKUP)
    sheet = desk.open("DeleteVolume")
    sheet.field("pool").select_option(site.pool)
    sheet.field("name").select_option(_MARKUP)
    sheet.type("type its name", _MARKUP)
    expect(sheet.area).to_contain_text(f"Delete volume '{_MARKUP}'")
    expect(sheet.area.locator("img")).to_have_count(0)
    sheet.apply()
    expect(sheet.area.locator("img")).to_have_count(0)
    assert desk.volumes(site.pool) == []

    site.volume(_MARKUP)
    sheet = desk.open("ResizeVolume")
    sheet.field("pool").select_option(site.pool)
    sheet.field("name").select_option(_MARKUP)
    sheet.type("capacity", "16M")
    expect(sheet.field(f"type '{_MARKUP}'")).to_be_visible()
    expect(sheet.area.locator("img")).to_have_count(0)
    assert desk.page.evaluate("window.kvmnbHarmed") is None


def test_the_keyboard_is_enough(desk: Desk, site: Site) -> None:
    sheet = desk.open("SetPoolAutostart")
    keys = desk.page.keyboard
    sheet.field("pool").focus()
    keys.type("dd")  # to JupyterLab alone that would mean to delete the cell
    keys.press("ArrowDown")
    expect(sheet.field("pool")).to_have_value(site.pool)
    keys.press("Tab")
    assert desk.page.evaluate(_FOCUSED) == "on"
    expect(sheet.button("Apply")).to_be_enabled()
    keys.press("Space")
    expect(sheet.area).to_contain_text("is so already")
    keys.press("Space")
    expect(sheet.button("Apply")).to_be_enabled()
    keys.press("Tab")
    assert desk.page.evaluate(_FOCUSED) == "Apply"
    keys.press("Enter")
    expect(sheet.area.get_by_text("✓ Done.")).to_be_visible()
    assert re.search(r"Autostart: +yes", desk.daemon.virsh("pool-info", site.pool))

    sheet.button("Look again").focus()
    keys.press("Tab")
    assert desk.page.evaluate(_FOCUSED) == "Undo …"
    keys.press("Space")
    undo = Sheet(sheet.area.locator(".kvmnb-form .kvmnb-form"))
    expect(undo.button("Apply")).to_be_enabled()
    undo.button("Apply").focus()
    keys.press("Space")
    expect(undo.area.get_by_text("✓ Done.")).to_be_visible()
    assert re.search(r"Autostart: +no", desk.daemon.virsh("pool-info", site.pool))
    assert desk.changes() == ["SetPoolAutostart"] * 2


@pytest.mark.parametrize("theme", ["JupyterLab Dark", "JupyterLab Light"])
def test_all_of_it_reads_in_the_light_and_in_the_dark(desk: Desk, site: Site, theme: str) -> None:
    site.volume("a.qcow2")
    desk.runbook.choose("Edit", "Clear Outputs of All Cells")
    sheet = desk.open("ResizeVolume")
    desk.runbook.theme(theme)
    sheet.field("pool").select_option(site.pool)
    sheet.field("name").select_option("a.qcow2")
    sheet.type("capacity", "1 XB")
    sheet.shows("unknown unit")
    assert desk.page.evaluate(CONTRAST) >= READABLE
    sheet.type("capacity", "16M")
    expect(sheet.area).to_contain_text("Cannot be undone")
    sheet.type("type 'a.qcow2'", "a.qcow2")
    expect(sheet.button("Apply")).to_be_enabled()
    sheet.area.get_by_text("The same as code").click()
    assert desk.page.evaluate(CONTRAST) >= READABLE
    sheet.apply()
    assert desk.page.evaluate(CONTRAST) >= READABLE
    desk.runbook.picture(f"form_{theme[-5:].strip().lower()}")


def _big(site: Site) -> None:
    path = site.volume("big.raw", 1024 * MIB, "raw")
    piece = os.urandom(16 * MIB)
    with path.open("r+b") as file:
        for _ in range(64):
            file.write(piece)
    site.refresh()


def test_long_work_leaves_the_kernel_free_survives_a_reload_and_can_be_cancelled(
    desk: Desk, site: Site, tmp_path: Path
) -> None:
    _big(site)
    desk.runbook.choose("Edit", "Clear Outputs of All Cells")
    sheet = desk.open("CloneVolume")
    sheet.field("pool").select_option(site.pool)
    sheet.field("name").select_option("big.raw")
    sheet.type("new name", "copy.raw")
    expect(sheet.button("Apply")).to_be_enabled()
    sheet.button("Apply").click()
    sheet.button("Cancel").click()
    expect(sheet.area.get_by_text("■ Cancelled.")).to_be_visible()
    assert desk.volumes(site.pool) == ["big.raw"]
    assert [path.name for path in site.target.iterdir()] == ["big.raw"]

    sheet = desk.open("DownloadVolume")
    sheet.field("pool").select_option(site.pool)
    sheet.field("name").select_option("big.raw")
    sheet.type("file", str(tmp_path / "big.raw"))
    expect(sheet.button("Apply")).to_be_enabled()
    sheet.button("Apply").click()
    expect(sheet.area).to_contain_text("of 1 GiB")
    expect(desk.runbook.run_cell(_COUNT)).to_contain_text("42 from the kernel")
    expect(sheet.button("Cancel")).to_be_visible()
    before = sheet.area.inner_text()
    sheet.area.scroll_into_view_if_needed()
    desk.runbook.picture("form_progress")
    expect(sheet.area).not_to_have_text(before)
    expect(sheet.button("Cancel")).to_be_visible()
    with desk.page.expect_response(lambda answer: answer.request.method == "PUT"):
        desk.runbook.choose("File", "Save Notebook")
    desk.page.reload()
    desk.runbook.wait_until_idle()
    desk.runbook.select(_form("DownloadVolume"))  # what is out of sight may not be drawn
    sheet = Sheet(desk.runbook.output(_form("DownloadVolume")))
    expect(sheet.area.locator(".kvmnb-form")).to_be_visible()
    sheet.area.scroll_into_view_if_needed()
    desk.runbook.picture("form_reloaded")
    expect(sheet.area.get_by_text("✓ Done.")).to_be_visible()
    assert (tmp_path / "big.raw").stat().st_size == 1024 * MIB

    sheet.type("file", str(tmp_path / "again.raw"))
    expect(sheet.button("Apply")).to_be_enabled()
    sheet.button("Apply").click()
    sheet.button("Cancel").click()
    expect(sheet.area.get_by_text("■ Cancelled.")).to_be_visible()
    assert [path.name for path in tmp_path.iterdir()] == ["big.raw"]
