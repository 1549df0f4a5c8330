"""What an action on an image does is what its printed line does on a copy; it is verified, logged, undone."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pandas as pd
import pytest

import kvmnb
from kvmnb.errors import Refused
from kvmnb.images import qemu_img as img
from kvmnb.storage.action import Action, shell_line
from tests.storage.builders import MIB, Site, digest
from tests.storage.image_cases import IMAGE_CASES, NAME, ImageCase, image_cases

#: Formats whose images hold an identifier of their own, so that no two of them are alike.
_UNIQUE = {"vdi", "vmdk", "vpc", "vhdx"}

#: Names that a folder may bring along; the kit itself gives none of them.
_HOSTILE = (
    "q'\"<&]]>",
    "-x",
    "a:b.qcow2",
    "json:{}",
    "a,b=c,,d",
    "two\nlines",
    "$(touch x)`;",
    "\udcff\udcee",
)

_HOSTILE_CASES = [
    pytest.param(case, name, id=f"{case.name}-{name!a}") for name in _HOSTILE for case in image_cases(name)
]


def _folder(site: Site, name: str) -> Path:
    folder = site.folder / name
    folder.mkdir()
    return folder


def _formats(action: Action) -> dict[str, str]:
    return {
        getattr(action, path, ""): getattr(action, kind, "qcow2")
        for path, kind in (("path", "format"), ("source", "source_format"), ("target", "target_format"))
    }


def _state(folder: Path, action: Action) -> dict[str, object]:
    """Give all that a folder holds; of an image with a time or an identifier inside, what a guest sees."""
    found: dict[str, object] = {}
    formats = {os.path.basename(path): kind for path, kind in _formats(action).items()}  # noqa: PTH119
    for path in sorted(folder.rglob("*")):
        kind = formats.get(path.name, "raw")
        told = img.info(path, kind)
        if kind in _UNIQUE or told.snapshots:
            content = folder.parent / "content"
            img.convert((path, kind), (content, "raw"))
            inside: object = (digest(content), told.snapshots, told.options if kind == "qcow2" else ())
            content.unlink()
        else:
            inside = digest(path).replace(str(folder), "")
        # The file system gives a block more or less.
        sizes = (told.virtual_size, told.apparent_size, round((told.allocated_size or 0) / MIB))
        found[path.name] = (path.lstat().st_mode, *sizes, inside)
    return found


def _by_shell(action: Action, cwd: Path) -> None:
    """Run the line as an operator would paste it."""
    line = shell_line(action.command())
    done = subprocess.run(
        ["bash", "-c", line],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        cwd=cwd,
        env=os.environ | {"LC_ALL": "C"},
    )
    assert done.returncode == 0, f"{line}: {done.stderr}"


def _prepared(site: Site, case: ImageCase, folder: str, name: str) -> tuple[Path, Action]:
    path = _folder(site, folder) / name
    case.prepare(path)
    return path.parent, case.action(path)


@pytest.mark.parametrize(
    ("case", "name"),
    [*(pytest.param(case, NAME, id=case.name) for case in IMAGE_CASES), *_HOSTILE_CASES],
)
def test_run_and_the_shell_line_leave_the_same(site: Site, case: ImageCase, name: str) -> None:
    # One after the other in one place: an overlay holds the path of what it lies on.
    folder, action = _prepared(site, case, "x y", name)
    before = _state(folder, action)
    site.host.apply(action)
    by_kit = _state(folder, action)
    folder.rename(site.folder / "by kit")

    again, same = _prepared(site, case, "x y", name)
    assert _state(again, same) == before, "the preparation is not repeatable"
    _by_shell(same, site.folder)
    assert _state(again, same) == by_kit
    assert not (site.folder / "x").exists()


@pytest.mark.parametrize("name", _HOSTILE)
@pytest.mark.parametrize(
    "case",
    [c for c in IMAGE_CASES if c.name in {"create qcow2", "create overlay", "convert raw"}],
    ids=lambda c: c.name,
)
def test_new_images_go_into_any_folder(site: Site, case: ImageCase, name: str) -> None:
    folder, action = _prepared(site, case, name, NAME)
    site.host.apply(action)
    by_kit = _state(folder, action)
    folder.rename(site.folder / "by kit")
    again, same = _prepared(site, case, name, NAME)
    _by_shell(same, site.folder)
    assert _state(again, same) == by_kit


def _undo(site: Site, report: pd.DataFrame) -> None:
    plan = site.host.undo(report)
    with pytest.raises(Refused, match="confirm="):  # what would be lost wants its name
        site.host.apply(plan)
    (action,) = plan.actions
    word = action.name if isinstance(action, kvmnb.DeleteSnapshot) else Path(action.pool).name
    site.host.apply(site.host.undo(report, confirm=word))


@pytest.mark.parametrize("case", IMAGE_CASES, ids=lambda case: case.name)
def test_it_is_verified_logged_and_undone(site: Site, case: ImageCase) -> None:
    folder, action = _prepared(site, case, "x y", NAME)
    before = _state(folder, action)
    report = site.host.apply(action)
    assert report["changed"].all()
    assert report["verified"].all(), report.to_string()
    log = site.host.audit()
    assert log["event"].tolist() == ["intent", "done"]
    assert set(log["command"]) == {shell_line(action.command())}

    after = _state(folder, action)
    if case.again == "refused":
        with pytest.raises(Refused):
            site.host.apply(action)
    else:
        assert set(site.host.apply(action)["outcome"]) == {case.again}
    assert _state(folder, action) == after
    if case.undoable:
        _undo(site, report)
        if case.kind is kvmnb.CreateSnapshot:  # the file stays longer than it was
            img.io(folder / NAME, "qcow2", ["read -P 7 1M 1M"])
            assert img.info(folder / NAME, "qcow2").snapshots == ()
        else:
            assert _state(folder, action) == before
    else:
        assert not site.host.undo(report).actions


@pytest.mark.parametrize("case", IMAGE_CASES, ids=lambda case: case.name)
def test_what_is_assumed_is_what_then_is(site: Site, case: ImageCase) -> None:
    folder, action = _prepared(site, case, "x y", NAME)
    assumed = action.assume(site.host.inventory())
    site.host.apply(action)
    found = site.host.inventory()
    for path, kind in _formats(action).items():
        if not path:
            continue
        assert assumed.kind(path) == found.kind(path)
        before, after = assumed.image(path, kind), found.image(path, kind)
        if isinstance(before, str) or isinstance(after, str) or before is None or after is None:
            assert found.kind(path) == "missing"
            continue
        assert (before.backing_path, before.backing_format) == (after.backing_path, after.backing_format)
        assert before.snapshots == after.snapshots
        if kind != "vpc":  # QEMU rounds its size
            assert before.virtual_size == after.virtual_size
    assert sorted(path.name for path in folder.iterdir() if path.name.startswith(".")) == []
