"""Rows of a table to browse: text is text, and what is sorted is the number."""

from __future__ import annotations

from html import unescape

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmnb.errors import BadValue
from kvmnb.forms.rows import Rows, find, key_of, rows
from kvmnb.notebook.tables import printable
from tests.forms.browsed import HOSTILE, pool, pools
from tests.notebook.comparison import GIB, MIB

_SHOWN = ("name", "state", "capacity", "allocation")


def _sorted_by(made: Rows, column: str) -> list[str]:
    """Give the texts of a column as the table sorts them."""
    at = made.columns.index(column) + 1
    [order] = [one["orderData"] for one in made.definitions(("name",)) if one["targets"] == at]
    texts = made.cells.sort_values([made.cells.columns[place] for place in order], kind="stable")
    return list(texts[column])


def test_sizes_are_written_for_people_and_sorted_as_numbers() -> None:
    sizes = (900 * MIB, 2 * GIB, 10 * GIB, 1000 * GIB, None)
    made = rows(pools(*(pool(f"p{at}", size) for at, size in enumerate(sizes))), _SHOWN)
    assert _sorted_by(made, "capacity") == ["–", "900 MiB", "2 GiB", "10 GiB", "1000 GiB"]  # noqa: RUF001
    assert sorted(made.cells["capacity"]) != _sorted_by(made, "capacity")


def test_sizes_that_are_written_alike_are_sorted_as_they_differ() -> None:
    made = rows(pools(pool("b", 10 * GIB + 1), pool("a", 10 * GIB)), _SHOWN)
    assert set(made.cells["capacity"]) == {"10 GiB"}
    assert list(made.cells["order of capacity"]) == [2, 1]


def test_use_is_a_bar_with_its_figure_and_sorted_as_a_share() -> None:
    made = rows(pools(pool("a", GIB, GIB), pool("b", 1000 * GIB, 90 * GIB), pool("c", None, None)), _SHOWN)
    assert made.columns == ("name", "state", "capacity", "allocation", "use")
    assert _sorted_by(made, "use")[0] == "–"  # noqa: RUF001
    assert [text.rpartition("> ")[2] for text in _sorted_by(made, "use")[1:]] == ["9 %", "100 %"]
    assert made.cells["use"][0].count("█") == 10
    assert "aria-hidden='true'" in made.cells["use"][0]


def test_names_are_sorted_whatever_their_case() -> None:
    made = rows(pools(*(pool(name) for name in ("beta", "Alpha", "gamma", "alpha"))), _SHOWN)
    assert _sorted_by(made, "name") == ["Alpha", "alpha", "beta", "gamma"]


def test_why_a_row_could_not_be_read_is_shown_where_there_is_one() -> None:
    bad = pool("b", None, None, status="unreadable", problem="<gone>")
    assert "problem" not in rows(pools(pool("a")), _SHOWN).columns
    made = rows(pools(pool("a"), bad), _SHOWN)
    assert made.columns[-2:] == ("status", "problem")
    assert list(made.cells["problem"]) == ["–", "&lt;gone&gt;"]  # noqa: RUF001


@given(st.text(st.characters(exclude_categories=()), min_size=1))
def test_any_name_is_text_and_is_found_again(name: str) -> None:
    frame = pools(pool("other"), pool(name))
    cell = rows(frame, _SHOWN).cells["name"][1]
    assert not set(cell) & set("<>\"'\n\r\0\x1b\udc80")
    assert unescape(cell) == printable(name)
    key = key_of(frame, 1, ("name",))
    assert key == {"name": name}
    assert find(frame, key) == (0 if name == "other" else 1)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_as_they_are_in_the_key(name: str) -> None:
    assert key_of(pools(pool(name)), 0, ("name",)) == {"name": name}


def test_a_key_leaves_out_what_is_not_known() -> None:
    frame = pools(pool("a"))
    assert key_of(frame, 0, ("name", "target")) == {"name": "a"}
    assert find(frame, {"name": "b"}) is None
    assert find(frame, {}) is None
    assert find(pd.DataFrame(), {"name": "a"}) is None


def test_an_unknown_column_is_refused() -> None:
    with pytest.raises(BadValue, match="no column 'size'"):
        rows(pools(), ("name", "size"))
