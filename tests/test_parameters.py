"""Parameters arrive in a runbook as they were meant, or are refused before anything runs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from kvmnb import runbook
from kvmnb.errors import BadValue
from tests.notebooks import ECHO, read, texts, write


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("pool", "12", "12"),
        ("pool", "true", "true"),
        ("pool", '"; import os; "\\', '"; import os; "\\'),
        ("pool", "two\nlines <&]]> é", "two\nlines <&]]> é"),
        ("count", "-7", -7),
        ("share", "1e-1", 0.1),
        ("share", "2", 2),
        ("force", "true", True),
        ("force", "False", False),
        ("size", "10G", "10G"),
        ("size", "0755", "0755"),
        ("size", "12", 12),
        ("size", "null", None),
        ("size", "[1, 2]", [1, 2]),
    ],
)
def test_parameters_arrive_as_meant(name: str, text: str, value: object, tmp_path: Path) -> None:
    source = write(tmp_path / "a.ipynb", f"import json; print(json.dumps({name}))")
    done = runbook.run(str(source), {name: text}, record=tmp_path)
    assert done.parameters == {name: value}
    assert json.loads(texts(read(done.path))[0]) == value


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"pol": "x"},
            r'no parameter \'pol\'. Its .*: pool="vmdisk", count=3, share=0.5, force=False, size=10 ',
        ),
        ({"count": "10G"}, "'count' cannot be '10G'. Give a whole number, such as 3."),
        ({"count": "true"}, "'count' cannot be True"),
        ({"share": "half"}, "'share' cannot be 'half'. Give a number"),
        ({"force": "yes"}, "'force' cannot be 'yes'. Give true or false"),
        ({"pool": os.fsdecode(b"\xff")}, "not UTF-8"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(
    given: dict[str, object], message: str, tmp_path: Path
) -> None:
    source = write(tmp_path / "a.ipynb", ECHO)
    with pytest.raises(BadValue, match=message):
        runbook.run(str(source), given, record=tmp_path / "out.ipynb")
    assert not (tmp_path / "out.ipynb").exists()
