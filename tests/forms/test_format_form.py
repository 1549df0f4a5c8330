"""The form of the comparison: what it would measure, and what stands in the way."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kvmnb.forms.draft import check_draft
from kvmnb.forms.format_form import FormatsGoal
from kvmnb.host import Host

_NONE = dict.fromkeys(("raw falloc", "qcow2", "qcow2 falloc", "vmdk", "vdi"), False)


def test_what_is_ticked_is_what_is_measured(made_up: Host, tmp_path: Path) -> None:
    goal = FormatsGoal()
    draft = check_draft(goal, made_up, {**_NONE, "where": str(tmp_path), "qcow2": True, "size": "64M"})
    assert draft.ready
    assert draft.look is not None
    assert draft.look.lines[0].words.startswith("Measure raw, qcow2 quickly in a hidden folder")
    assert draft.look.lines[0].command == (
        f"kvmnb formats --in {tmp_path} --size 67108864 --formats raw,qcow2"
    )
    assert f"where={str(tmp_path)!r}, size=67108864, formats=['raw', 'qcow2']" in draft.code
    compile(draft.code, "cell", "exec")
    assert not any(tmp_path.iterdir())


def test_all_ticked_is_all_there_is(made_up: Host, tmp_path: Path) -> None:
    goal = FormatsGoal()
    ticks = {field.name: True for field in goal.fields if field.flag}
    draft = check_draft(goal, made_up, {**ticks, "where": str(tmp_path)})
    assert "formats=" not in draft.code
    assert "thorough=True" in draft.code


@pytest.mark.parametrize(
    ("entered", "field", "said"),
    [
        ({"where": "/nowhere"}, "where", "does not exist"),
        ({"size": "1000"}, "size", "cannot be compared"),
        ({"size": "wide"}, "size", "wide"),
        ({"size": "60T", "data": "30T"}, "where", "are needed"),
    ],
)
def test_what_stands_in_the_way_stands_beside_its_field(
    made_up: Host, tmp_path: Path, entered: dict[str, str], field: str, said: str
) -> None:
    draft = check_draft(FormatsGoal(), made_up, {"where": str(tmp_path), **entered})
    assert not draft.ready
    assert re.search(said, " ".join(draft.beside[field]))
    assert not draft.elsewhere
