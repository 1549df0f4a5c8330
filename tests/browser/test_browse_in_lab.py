"""A table to browse in JupyterLab: by mouse, by keyboard, in the dark, and with thousands of rows."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.contrast import CONTRAST, READABLE
from tests.browser.lab import Lab, Runbook
from tests.browser.sheet import write_notebook
from tests.daemon import Daemon

_FEW = "few = Browser("
_MANY = "many = Browser("
_CELLS = (
    f"""import sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
import ipywidgets
from kvmnb.forms.browse import Browser
from tests.forms.browsed import GIB, HOSTILE, many_volumes, pool, pools""",
    f"""sizes = dict(zip([*HOSTILE, "off"], [900 * GIB // 1024, 2 * GIB, 10 * GIB, 1000 * GIB, None]))
{_FEW}
    lambda: pools(*(pool(name, size, size and size // 2) for name, size in sizes.items())),
    ("name", "state", "capacity", "allocation"), ("name",), "Storage pools",
)
told = ipywidgets.Label("nothing yet")
few.on_select(lambda row: setattr(told, "value", f"chosen: {{row and ascii(row['name'])}}"))
ipywidgets.VBox([few.view, told])""",
    f"""frame = many_volumes(5000)
{_MANY}
    lambda: frame,
    ("pool", "name", "format", "capacity", "allocation", "used_by", "chain", "path"),
    ("pool", "name"), "Volumes",
)
many""",
)

#: How long the first of 5,000 rows may take, from the key that runs the cell, in seconds; it takes about one.
_SOON = 10


@pytest.fixture(scope="module", name="opened")
def _opened(daemon: Daemon, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runbook]:
    base = tmp_path_factory.mktemp("browse")
    file = write_notebook(base / "browse.ipynb", _CELLS)
    with Lab(daemon, base) as lab, lab.open(str(file), width=1200, height=1000) as runbook:
        runbook.run_cell("import ipywidgets")
        runbook.wait_until_idle()
        yield runbook


@pytest.fixture
def runbook(opened: Runbook) -> Iterator[Runbook]:
    """Give the open notebook; no test may leave an error behind, or ask another machine."""
    yield opened
    assert opened.failures == []
    assert opened.errors == []
    assert opened.strangers == []
    assert opened.page.evaluate("window.hacked") is None


def _open(runbook: Runbook, source: str) -> Locator:
    area = runbook.run_cell(source)
    expect(area.get_by_role("grid")).to_be_visible()
    runbook.wait_until_idle()
    return area


def _column(area: Locator, name: str) -> list[str]:
    headings = area.get_by_role("columnheader").all_inner_texts()
    return area.locator(f"tbody td:nth-child({headings.index(name) + 1})").all_inner_texts()


def _rows(area: Locator) -> Locator:
    return area.locator("tbody tr")


def test_rows_are_chosen_by_mouse_and_by_keyboard(runbook: Runbook) -> None:
    area = _open(runbook, _FEW)
    rows, press = _rows(area), runbook.page.keyboard.press
    rows.nth(0).click()
    expect(area.get_by_text("chosen: '<img src=x onerror=hacked=1>&amp;'")).to_be_visible()
    expect(rows.nth(0)).to_have_attribute("aria-selected", "true")

    area.get_by_role("searchbox", name="Search Storage pools:").focus()
    while not rows.nth(0).evaluate("row => row === document.activeElement"):
        assert area.evaluate("area => area.contains(document.activeElement)")
        press("Tab")
    for place in (1, 2):
        press("ArrowDown")
        expect(rows.nth(place)).to_be_focused()
    press("Enter")
    expect(area.get_by_text(r"chosen: 'half\udc80'")).to_be_visible()
    expect(area.locator("tr[aria-selected=true]")).to_have_count(1)
    expect(rows.nth(2)).to_be_focused()  # and not the notebook, which would take the next keys
    press("ArrowUp")
    press("Space")
    expect(area.get_by_text(r"chosen: 'line\nbreak \x1b[31m'")).to_be_visible()
    press("Space")
    expect(area.get_by_text("chosen: None")).to_be_visible()


def test_sizes_are_sorted_as_numbers_and_names_are_found_as_text(runbook: Runbook) -> None:
    area = _open(runbook, _FEW)
    heading = area.get_by_role("columnheader", name="capacity")
    heading.get_by_role("button").press("Enter")
    expect(heading).to_have_attribute("aria-sort", "ascending")
    assert _column(area, "capacity") == ["–", "900 MiB", "2 GiB", "10 GiB", "1000 GiB"]  # noqa: RUF001
    heading.get_by_role("button").press("Enter")
    expect(heading).to_have_attribute("aria-sort", "descending")
    assert _column(area, "capacity")[0] == "1000 GiB"

    search = area.get_by_role("searchbox")
    search.fill("<img")
    expect(_rows(area)).to_have_count(1)
    assert _column(area, "name") == ["<img src=x onerror=hacked=1>&amp;"]
    _rows(area).click()
    expect(area.get_by_text("chosen: '<img")).to_be_visible()

    area.get_by_role("button", name="Refresh").click()
    runbook.wait_until_idle()
    expect(search).to_have_value("<img")
    expect(_rows(area)).to_have_count(1)
    expect(_rows(area)).to_have_attribute("aria-selected", "true")
    search.fill("")
    expect(heading).to_have_attribute("aria-sort", "descending")
    _rows(area).nth(4).click()
    expect(area.get_by_text("chosen: 'off'")).to_be_visible()


def test_thousands_of_rows_come_soon_and_are_searched_and_sorted(runbook: Runbook) -> None:
    began = time.monotonic()
    area = runbook.run_cell(_MANY)
    _rows(area).first.wait_for()
    first = time.monotonic() - began
    print(f"5,000 rows: the first after {first:.2f} s")  # noqa: T201
    assert first < _SOON
    expect(area.get_by_text("Showing 1 to 15 of 5,000 entries")).to_be_visible()
    heading = area.get_by_role("columnheader", name="capacity")
    heading.get_by_role("button").click()
    assert _column(area, "capacity")[:3] == ["37 MiB", "74 MiB", "111 MiB"]
    area.get_by_role("searchbox").fill("vm4321.")
    expect(_rows(area)).to_have_count(1)
    assert _column(area, "name") == ["vm4321.qcow2"]


@pytest.mark.parametrize("theme", ["JupyterLab Dark", "JupyterLab Light"])
def test_a_table_reads_in_the_light_and_in_the_dark(runbook: Runbook, theme: str) -> None:
    area = _open(runbook, _FEW)
    _rows(area).nth(1).click()
    expect(area.get_by_text("chosen: 'line")).to_be_visible()
    runbook.theme(theme)
    expect(runbook.page.locator("html")).to_have_class(
        re.compile("dark" if "Dark" in theme else "^(?!.*dark)")
    )
    runbook.cell(_FEW).scroll_into_view_if_needed()
    runbook.picture(f"browse_{theme.replace(' ', '_')}")
    assert runbook.page.evaluate(CONTRAST) >= READABLE
