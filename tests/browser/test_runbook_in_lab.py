"""An operator sets up a pool in JupyterLab, and virsh is asked what came of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.contrast import CONTRAST, READABLE
from tests.browser.lab import Lab, Runbook
from tests.daemon import Daemon

_NOTEBOOK = "01_pool_setup.ipynb"
_PARAMETERS = "clean_up = "
_PLAN = "host.plan(create)"
_CREATE = "created = host.apply(create)"
_VOLUMES = "host.volumes(pool)"
_LAST = "log = host.audit()"

#: The sources of the notebook's code cells, in order: Jupyter numbers them as they are run.
_CELLS = [
    "".join(cell["source"])
    for cell in json.loads((Path(__file__).parents[2] / "notebooks" / _NOTEBOOK).read_text())["cells"]
    if cell["cell_type"] == "code"
]

#: Gives how many outputs are wider than the place there is for them.
_TOO_WIDE = """() => [...document.querySelectorAll(".jp-OutputArea-output")]
    .filter((e) => e.scrollWidth > e.clientWidth).length"""


@pytest.fixture(scope="module")
def lab(daemon: Daemon, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(daemon, tmp_path_factory.mktemp("lab")) as started:
        yield started


def _number(text: str) -> int:
    """Give the place of the code cell whose source contains a text, counted from 1."""
    return next(place for place, source in enumerate(_CELLS, 1) if text in source)


def _fields(printed: str) -> dict[str, str]:
    """Read what virsh prints as lines of a name and a value."""
    pairs = (line.split(":", 1) for line in printed.splitlines() if ":" in line)
    return {name.strip(): value.strip() for name, value in pairs}


def _assert_pool_with_volume(daemon: Daemon) -> None:
    pool = _fields(daemon.virsh("pool-info", "vmdisk"))
    assert (pool["State"], pool["Persistent"], pool["Autostart"]) == ("running", "yes", "yes")
    volume = _fields(daemon.virsh("vol-info", "vm1.qcow2", "--pool", "vmdisk", "--bytes"))
    assert volume["Capacity"] == f"{10 * 2**30} bytes"
    assert "format type='qcow2'" in daemon.virsh("vol-dumpxml", "vm1.qcow2", "--pool", "vmdisk")


def _assert_no_complaint(runbook: Runbook) -> None:
    assert runbook.failures == []
    assert runbook.errors == []
    assert runbook.strangers == []


def test_virsh_sees_what_the_steps_made_and_nothing_after_the_last(lab: Lab, clean_daemon: Daemon) -> None:
    with lab.open(_NOTEBOOK) as runbook:
        runbook.choose("Edit", "Clear Outputs of All Cells")
        runbook.select(_CREATE)
        runbook.run("Run All Above Selected Cell", last=_PLAN, number=_number(_PLAN))
        expect(runbook.output(_PLAN)).to_contain_text(
            "virsh vol-create-as vmdisk vm1.qcow2 10G --format qcow2"
        )
        assert clean_daemon.virsh("vol-list", "vmdisk").split() == ["Name", "Path", "-" * 14]

        runbook.run("Run Selected Cell", last=_CREATE, number=_number(_CREATE))
        expect(runbook.output(_CREATE).get_by_role("row", name="capacity of volume")).to_contain_text("yes")
        _assert_pool_with_volume(clean_daemon)

        runbook.select(_VOLUMES)
        runbook.run("Run Selected Cell and All Below", last=_LAST, number=_number(_LAST))
        assert clean_daemon.virsh("pool-list", "--all", "--name").split() == []
        assert not (clean_daemon.folder / "vmdisk").exists()
        expect(runbook.output(_LAST)).to_contain_text("virsh pool-undefine vmdisk")
        _assert_no_complaint(runbook)


def test_all_cells_twice_without_clean_up_leave_one_pool(lab: Lab, clean_daemon: Daemon) -> None:
    with lab.open(_NOTEBOOK) as runbook:
        runbook.choose("Edit", "Clear Outputs of All Cells")
        runbook.replace(_PARAMETERS, "clean_up = True", "clean_up = False")
        runbook.run("Run All Cells", last=_LAST, number=_number(_LAST))
        _assert_pool_with_volume(clean_daemon)
        before = clean_daemon.virsh("vol-dumpxml", "vm1.qcow2", "--pool", "vmdisk")

        runbook.run("Run All Cells", last=_LAST, number=len(_CELLS) + _number(_LAST))
        _assert_pool_with_volume(clean_daemon)
        assert clean_daemon.virsh("vol-dumpxml", "vm1.qcow2", "--pool", "vmdisk") == before
        expect(runbook.output(_PLAN)).to_contain_text("already so: nothing to do")
        _assert_no_complaint(runbook)


def test_stored_outputs_read_in_the_light_and_in_the_dark(lab: Lab) -> None:
    with lab.open(_NOTEBOOK) as runbook:
        for theme in ("JupyterLab Dark", "JupyterLab Light"):
            runbook.theme(theme)
            runbook.cell(_PLAN).scroll_into_view_if_needed()
            runbook.picture(theme.replace(" ", "_"))
            assert runbook.page.evaluate(CONTRAST) >= READABLE, theme
            assert runbook.page.evaluate(_TOO_WIDE) == 0, theme
        # JupyterLab takes much out of outputs that were made elsewhere; this must be left.
        expect(runbook.output(_VOLUMES).locator("td > div[align=right]").first).to_have_text("10\u00a0GiB")
        _assert_no_complaint(runbook)
