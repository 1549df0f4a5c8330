"""What a form shows: names as text, and nothing by colour alone."""

from __future__ import annotations

import re

import pytest

from kvmnb.forms import view
from kvmnb.forms.draft import Draft
from kvmnb.forms.goals import Line, Look
from kvmnb.notebook.tables import printable
from tests.forms.pages import read_page
from tests.storage.builders import HOSTILE

_HOSTILE = (
    *HOSTILE,
    "<img src=x onerror=alert(1)>",
    "</code></ol><script>alert(1)</script>",
    "&lt;b&gt;",
    "\x1b[31m",
)


@pytest.mark.parametrize("name", _HOSTILE)
def test_a_name_is_text_wherever_it_stands(name: str) -> None:
    shown = "\n".join(printable(part) for part in name.split("\n"))
    look = Look((Line(name, name), Line(name, "", already=True)), (), undo=name)
    draft = Draft(look=look, notes=(name,), missing=(name,), code=name)
    assert read_page(view.plan(draft)).count(shown) == 6
    assert shown in read_page(view.code(name))
    assert read_page(view.plan(Draft(look=look, elsewhere=(name,)))).count(f"✗ {shown}") == 1
    assert read_page(view.beside(name, (name,), hint=name)).count(shown) == 3


def test_a_problem_is_said_by_a_sign_and_to_a_screen_reader() -> None:
    html = view.beside("What it is for.", ("It is too large.",))
    assert read_page(html) == "✗ It is too large.What it is for."
    assert "role='alert'" in html
    assert "alert" not in view.beside("What it is for.", ())


def test_what_cannot_be_undone_says_so() -> None:
    lines = (Line("Wipe it", "virsh vol-wipe"),)
    assert "Cannot be undone" in read_page(view.plan(Draft(look=Look(lines, undo=""))))
    assert "undone" not in read_page(view.plan(Draft(look=Look(lines, undo=None))))
    assert "Can be undone by: Put it back." in read_page(
        view.plan(Draft(look=Look(lines, undo="Put it back")))
    )
    stopped = Draft(look=Look(lines, undo=""), beside={"pool": ("No.",)})
    assert "undone" not in read_page(view.plan(stopped)), "nothing will be done, so nothing is to be undone"


def test_the_code_is_as_it_is_to_be_copied() -> None:
    text = "report = host.apply(kvmnb.StartPool(pool='a & <b> \\n'))"
    assert read_page(view.code(text)) == f"The same as code, for a runbook{text}"
    assert view.code("") == ""


def test_every_colour_is_the_theme_s() -> None:
    colours = re.findall(r"(?:color|background|border): ?([^;}]+)", view.STYLE)
    assert len(colours) > 5
    assert all("var(--jp-" in colour for colour in colours), colours
