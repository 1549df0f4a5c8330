"""A form against a real daemon: what it shows, what it does, and what it leaves when something goes wrong."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

import kvmnb
from kvmnb.errors import KvmnbError
from kvmnb.forms.boards import action
from kvmnb.forms.form import Form
from kvmnb.forms.goals import goal_of
from kvmnb.host import Host, connect
from tests.forms.filling import beside, enter, in_a_loop, open_form, settled, shown, until, visible
from tests.storage.builders import MIB, Site, define_guest, file_disk

_MARKUP = "<img src=x onerror=alert(1)>"


def _changes(host: Host) -> list[str]:
    """Give what was done, by the audit log."""
    log = host.audit()
    return log[log["event"] == "done"]["action"].tolist() if len(log) else []


def _volumes(site: Site) -> list[str]:
    lines = site.daemon.virsh("vol-list", "--pool", site.pool).splitlines()[2:]
    return [line.split()[0] for line in lines if line.strip()]


def test_a_volume_is_made_as_shown_and_undone(site: Site) -> None:
    form = open_form(kvmnb.CreateVolume, site.running().host)
    assert shown(form) == "Still needed: pool, name, capacity."
    assert form.apply.disabled
    enter(form, pool=site.pool, name="a.raw", capacity="1 XB")
    assert "unknown unit" in beside(form, "capacity")
    assert form.apply.disabled

    enter(form, capacity="8M", format="raw")
    assert "unknown unit" not in beside(form, "capacity")
    assert "are free in pool 'vm disk'" in beside(form, "capacity")
    assert "virsh vol-create-as 'vm disk' a.raw 8M --format raw" in shown(form)
    assert not form.apply.disabled
    assert _changes(site.host) == []

    form.apply.click()
    assert _volumes(site) == ["a.raw"]
    assert form.report is not None
    assert form.report["verified"].all()
    assert "✓ Done." in form.result.value
    assert "is so already" in shown(form)
    assert form.apply.disabled

    form.undo.click()
    undo = form.undo_form
    assert undo is not None
    assert undo.apply.disabled
    enter(undo, confirm="a.ra")
    assert undo.apply.disabled
    enter(undo, confirm="a.raw")
    undo.apply.click()
    assert _volumes(site) == []
    assert _changes(site.host) == ["CreateVolume", "DeleteVolume"]
    assert not form.apply.disabled, "what was undone can be done again"


def test_the_code_does_the_same(site: Site) -> None:
    form = open_form(kvmnb.create_pool, site.host, name=site.pool, target=str(site.target))
    code = form.draft.code
    exec(code, {"kvmnb": kvmnb, "host": site.host})  # noqa: S102 - that is what the code is for
    form.look()
    assert form.draft.look is not None
    assert form.draft.look.already
    assert "State:          running" in site.daemon.virsh("pool-info", "--pool", site.pool)


def test_an_image_is_made_on_a_volume_that_is_chosen_by_its_own_pool(site: Site) -> None:
    site.running().volume("base.qcow2")
    form = action(kvmnb.create_overlay, site.host, pool=site.pool, volume="top.qcow2")
    assert "The image to take was said not at all" in shown(form)
    enter(form, backing_pool=site.pool)
    assert "base.qcow2" in dict(form.fields["backing_volume"].input.options)
    enter(form, backing_volume="base.qcow2")
    form.apply.click()
    assert "✓ Done" in form.result.value
    (top,) = site.host.volumes(site.pool).set_index("name").loc[["top.qcow2"]].to_dict("records")
    assert top["backing_path"].endswith("base.qcow2")


def test_one_in_use_is_not_deleted_and_the_guest_is_named(site: Site) -> None:
    path = site.running().volume("used.qcow2")
    define_guest(site, "vm1", file_disk(path))
    form = open_form(kvmnb.DeleteVolume, site.host, pool=site.pool)
    enter(form, name="used.qcow2")
    enter(form, confirm="used.qcow2")
    assert "vm1" in beside(form, "name") + shown(form)
    assert form.apply.disabled
    form.apply.click()
    form.run()
    assert _volumes(site) == ["used.qcow2"]
    assert _changes(site.host) == []


def test_deletion_wants_the_name_in_its_field(site: Site) -> None:
    site.running().volume("a.qcow2")
    site.volume("b.qcow2")
    form = open_form(kvmnb.DeleteVolume, site.host, pool=site.pool)
    assert not visible(form, "confirm"), "there is nothing yet to confirm"
    enter(form, name="a.qcow2")
    assert visible(form, "confirm")
    assert form.fields["confirm"].input.description == "type its name"
    enter(form, confirm="b.qcow2")
    assert form.apply.disabled
    enter(form, confirm="a.qcow2")
    assert "Cannot be undone" in shown(form)
    enter(form, name="b.qcow2")
    assert form.apply.disabled, "the name of another one is no confirmation"
    enter(form, confirm="b.qcow2")
    form.apply.click()
    assert _volumes(site) == ["a.qcow2"]
    assert form.fields["confirm"].entered == ""
    assert form.fields["name"].entered == "", "what was deleted is chosen no longer"
    assert "b.qcow2" not in [name for _label, name in form.fields["name"].input.options]


def test_growing_wants_the_name_and_shrinking_its_word(site: Site) -> None:
    site.running().volume("a.qcow2")
    form = open_form(kvmnb.ResizeVolume, site.host, pool=site.pool)
    enter(form, name="a.qcow2", capacity="16M")
    assert form.word.layout.display == ""
    assert form.word.description == "type 'a.qcow2'"
    assert form.apply.disabled
    enter(form, capacity="4M")
    assert form.word.layout.display == "none"
    assert visible(form, "shrink")
    assert form.apply.disabled
    enter(form, shrink="shrin")
    assert "not the word" in beside(form, "shrink")
    enter(form, shrink="shrink")
    assert not form.apply.disabled
    form.apply.click()
    assert f"{4 * MIB} bytes" in site.daemon.virsh("vol-info", "a.qcow2", "--pool", site.pool, "--bytes")
    assert form.fields["shrink"].entered == "", "the word is for one time"

    enter(form, capacity="16M")
    form.word.value = "a.qcow2"
    form.apply.click()
    assert f"{16 * MIB} bytes" in site.daemon.virsh("vol-info", "a.qcow2", "--pool", site.pool, "--bytes")
    assert form.word.value == ""


def test_any_number_of_clicks_is_one_action(site: Site) -> None:
    site.running().raw("a.raw", os.urandom(MIB))

    async def main() -> None:
        form = open_form(kvmnb.CloneVolume, site.host)
        await settled(form)
        for name, text in {"pool": site.pool, "name": "a.raw", "new_name": "b.raw"}.items():
            enter(form, **{name: text})
            await settled(form)
        for _ in range(20):
            form.apply.click()
            await asyncio.sleep(0.005)
        await settled(form)
        form.apply.click()
        await settled(form)

    in_a_loop(main())
    assert _changes(site.host) == ["CloneVolume"]
    assert _volumes(site) == ["a.raw", "b.raw"]


def test_a_refresh_is_not_done_twice_by_a_double_click(site: Site) -> None:
    async def main() -> None:
        form = open_form(kvmnb.RefreshPool, site.running().host)
        await settled(form)
        enter(form, pool=site.pool)
        await settled(form)
        form.apply.click()
        await until(lambda: form._job is None)
        form.apply.click()  # comes after the end, and before anybody has looked anew
        await settled(form)

    in_a_loop(main())
    assert _changes(site.host) == ["RefreshPool"]


def test_what_was_not_shown_is_not_done(site: Site) -> None:
    async def main() -> None:
        form = open_form(kvmnb.CreateVolume, site.running().host)
        await settled(form)
        enter(form, pool=site.pool, name="shown.raw", capacity="1M")
        await settled(form)
        assert not form.apply.disabled
        enter(form, name="not shown.raw")
        assert form.apply.disabled
        form.run()
        await settled(form)
        assert not form.apply.disabled

    in_a_loop(main())
    assert _changes(site.host) == []


def test_a_clone_is_cancelled_and_nothing_is_left(site: Site) -> None:
    site.running().raw("big.raw", os.urandom(256 * MIB), 256 * MIB)
    said: list[str] = []

    async def main() -> None:
        form = open_form(kvmnb.CloneVolume, site.host)
        form.fill(pool=site.pool, name="big.raw", new_name="copy.raw")
        await settled(form)
        form.apply.click()
        assert form.fields["name"].input.disabled
        await until(lambda: form.running.layout.display == "")
        form.cancel.click()
        while form._job is not None:
            said.append(form.progress.value)
            await asyncio.sleep(0.02)
        assert form.running.layout.display == "none"
        assert "■ Cancelled." in form.result.value
        assert not form.fields["name"].input.disabled
        await settled(form)
        assert not form.apply.disabled, "it can be asked for again"

    in_a_loop(main())
    assert any("Stopping" in text for text in said)
    assert _volumes(site) == ["big.raw"]
    assert [path.name for path in site.target.iterdir()] == ["big.raw"]


def test_a_daemon_that_stops_is_told_of_and_nothing_is_repeated(site: Site) -> None:
    form = open_form(kvmnb.CreateVolume, site.running().host, pool=site.pool)
    enter(form, name="a.raw", capacity="1M")
    assert not form.apply.disabled
    site.daemon.halt()
    try:
        form.apply.click()  # the form does not know yet
        assert "✗ Failed." in form.result.value
        assert form.apply.disabled
        assert "✗" in shown(form)
        enter(form, name="b.raw")
        assert form.apply.disabled
        opened = open_form(kvmnb.StartPool, site.host)
        assert opened.apply.disabled
        assert "✗" in shown(opened)
    finally:
        site.daemon.start()
    assert _changes(site.host) == []
    form.again.click()
    assert not form.apply.disabled
    assert _volumes(site) == []
    form.apply.click()
    assert _volumes(site) == ["b.raw"]
    assert _changes(site.host) == ["CreateVolume"]


def test_another_client_removes_the_chosen_pool(site: Site) -> None:
    form = open_form(kvmnb.CreateVolume, site.running().host, pool=site.pool)
    enter(form, name="a.raw", capacity="1M")
    site.daemon.virsh("pool-destroy", "--pool", site.pool)
    site.daemon.virsh("pool-undefine", "--pool", site.pool)
    form.apply.click()
    assert "✗ Failed." in form.result.value
    assert "There is no pool 'vm disk'" in beside(form, "pool")
    assert form.fields["pool"].entered == site.pool, "what was chosen is not changed behind anybody's back"
    assert form.apply.disabled
    assert _changes(site.host) == []


def test_two_forms_on_one_pool(site: Site) -> None:
    one = open_form(kvmnb.CreateVolume, site.running().host, pool=site.pool)
    two = open_form(kvmnb.CreateVolume, site.host, pool=site.pool)
    for form in (one, two):
        enter(form, name="a.raw", capacity="1M", format="raw")
    enter(two, capacity="2M")
    one.apply.click()
    two.apply.click()
    assert "✗ Failed." in two.result.value
    assert "already" in two.result.value
    assert two.apply.disabled
    assert f"{MIB} bytes" in site.daemon.virsh("vol-info", "a.raw", "--pool", site.pool, "--bytes")
    assert _changes(site.host) == ["CreateVolume"]


def test_a_host_for_reading_changes_nothing(site: Site) -> None:
    site.running()
    with connect(site.daemon.uri, readonly=True) as host:
        form = open_form(kvmnb.StopPool, host, pool=site.pool)
        assert "opened for reading" in shown(form)
        assert form.apply.disabled
        form.apply.click()
        form.run()
    assert _changes(site.host) == []


def test_a_row_fills_the_form(site: Site) -> None:
    site.running().volume("a.qcow2")
    form = Form(goal_of(kvmnb.ResizeVolume), site.host)
    row = site.host.volumes().iloc[0].to_dict()
    form.fill(**{str(name): value for name, value in row.items() if name in {"pool", "name", "capacity"}})
    assert (form.fields["pool"].entered, form.fields["name"].entered) == (site.pool, "a.qcow2")
    assert form.draft.look is not None
    assert form.draft.look.already
    form.fill(capacity="4M", shrink=True, unheard_of="x")
    assert not form.apply.disabled
    assert form.fields["shrink"].input.value == "shrink"


@pytest.mark.parametrize("name", [_MARKUP.replace("/", ""), "q'\"<&]]>", "two\nlines", "-x"])
def test_a_hostile_name_is_chosen_shown_and_deleted(site: Site, name: str) -> None:
    site.running().volume(name)
    form = open_form(kvmnb.DeleteVolume, site.host, pool=site.pool)
    labels = {value: label for label, value in form.fields["name"].input.options}
    assert labels[name].isprintable()
    enter(form, name=name)
    assert labels[name] in shown(form) or repr(name) in shown(form)
    enter(form, confirm=name)
    form.apply.click()
    assert "✓ Done." in form.result.value
    assert _MARKUP not in form.result.value
    assert [path.name for path in site.target.iterdir()] == []


def test_what_is_to_follow_gets_the_report_and_its_failure_leaves_the_form_usable(site: Site) -> None:
    reports = []

    def follow(report: object) -> None:
        reports.append(report)
        raise KvmnbError("The table could not be read", "read it again")

    form = Form(goal_of(kvmnb.StopPool), site.running().host, follow)
    enter(form, pool=site.pool)
    form.apply.click()
    assert len(reports) == 1
    assert not form.fields["pool"].input.disabled
    assert "is so already" in shown(form)


def test_an_upload_is_told_of_and_logged(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "a b.img"
    file.write_bytes(os.urandom(3 * MIB))
    site.running().volume("a.raw", 4 * MIB, "raw")
    form = open_form(kvmnb.UploadVolume, site.host, pool=site.pool)
    enter(form, name="a.raw", file=str(file), confirm="a.raw")
    form.apply.click()
    assert "✓ Done." in form.result.value
    assert (site.target / "a.raw").read_bytes()[: 3 * MIB] == file.read_bytes()
    assert _changes(site.host) == ["UploadVolume"]
    assert form.undo.layout.display == "none", "what was there before is gone"
