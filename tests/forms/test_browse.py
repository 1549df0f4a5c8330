"""A table to browse, without a browser: what is chosen, what is told, what is said of old figures."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from kvmnb.errors import KvmnbError, Unreachable
from kvmnb.forms.browse import Browser
from tests.forms.browsed import HOSTILE, many_volumes, pool, pools

_SHOWN = ("name", "state", "capacity", "allocation")


class _Source:
    """Gives a frame, or fails, as it is told to."""

    def __init__(self, *names: str) -> None:
        self.frame = pools(*map(pool, names))
        self.error: KvmnbError | None = None
        self.times = 0

    def __call__(self) -> pd.DataFrame:
        self.times += 1
        if self.error:
            raise self.error
        return self.frame


def _browser(source: _Source, **how: Any) -> Browser:  # noqa: ANN401
    return Browser(source, _SHOWN, ("name",), "Storage pools", **how)


def _sent(browser: Browser) -> list[list[Any]]:
    """Give the rows that the page gets."""
    return list(json.loads(browser.table._dt_args["data_json"]))


def _choose(browser: Browser, *places: int) -> None:
    browser.table.selected_rows = list(places)


def test_the_chosen_row_is_told_with_its_name_as_it_is() -> None:
    browser = _browser(_Source(*HOSTILE))
    told: list[dict[str, str] | None] = []
    browser.on_select(told.append)
    assert browser.selected is None
    for at, name in enumerate(HOSTILE):
        _choose(browser, at)
        assert browser.selected == {"name": name}
    _choose(browser)
    assert told == [*({"name": name} for name in HOSTILE), None]


def test_all_rows_are_sent_as_text() -> None:
    browser = _browser(_Source(*HOSTILE))
    assert [row[1].count("<") for row in _sent(browser)] == [0] * len(HOSTILE)
    frame = many_volumes(1000)
    many = Browser(lambda: frame, ("pool", "name"), ("pool", "name"), "Volumes")
    assert len(_sent(many)) == 1000
    assert "downsampling_warning" not in many.table._dt_args
    many.refresh()
    assert len(_sent(many)) == 1000


def test_reading_anew_keeps_the_chosen_row_where_it_moved_to() -> None:
    source = _Source("a", "b")
    browser = _browser(source)
    _choose(browser, 1)
    told: list[dict[str, str] | None] = []
    browser.on_select(told.append)
    source.frame = pools(pool("c"), pool("a"), pool("b"))
    browser.button.click()
    assert browser.selected == {"name": "b"}
    assert browser.table.selected_rows == [2]
    assert told == []
    source.frame = pools(pool("c"))
    browser.refresh()
    assert not browser.selected
    assert told == [None]


def test_a_row_that_is_gone_is_not_taken_for_another() -> None:
    browser = _browser(_Source("a"))
    _choose(browser, 7)  # a click on a table that was longer
    assert browser.selected is None


def test_it_says_when_it_was_read_and_what_is_old() -> None:
    source = _Source("a")
    browser = _browser(source)
    assert "Read at 2026-11-25 08:00:00 UTC" in browser.said.value
    source.error = Unreachable("No daemon <answers>", "start it")
    browser.refresh()
    assert "✗ No daemon &lt;answers&gt;. Start it." in browser.said.value
    assert "old: read at 2026-11-25 08:00:00 UTC" in browser.said.value
    assert "role='alert'" in browser.said.value
    assert [row[1] for row in _sent(browser)] == ["a"]
    assert not browser.button.disabled
    source.error = None
    source.frame = pools(pool("b"), read_at="2026-11-25T09:00:00+00:00")
    browser.refresh()
    assert "Read at 2026-11-25 09:00:00 UTC" in browser.said.value
    assert "old" not in browser.said.value.replace("kvmnb-old", "")


def test_what_stands_beside_is_drawn_anew_with_new_figures() -> None:
    source = _Source("a")
    browser = _browser(source)
    seen: list[int] = []
    browser.on_show(lambda: seen.append(len(browser.frame)))
    source.frame = pools(pool("a"), pool("b"))
    browser.refresh()
    source.error = Unreachable("No daemon answers", "start it")
    browser.refresh()
    assert seen == [2]


def test_what_could_not_be_read_at_first_can_be_read_later() -> None:
    source = _Source("a")
    source.error = Unreachable("No daemon answers", "start it")
    browser = _browser(source)
    assert "Nothing was read yet." in browser.said.value
    assert _sent(browser) == []
    source.error = None
    browser.refresh()
    assert [row[1] for row in _sent(browser)] == ["a"]


def test_reading_elsewhere_is_asked_for_once_and_shown_when_it_comes() -> None:
    source = _Source("a")
    waiting: list[tuple[Callable[[], pd.DataFrame], Callable[[pd.DataFrame | KvmnbError], None]]] = []
    browser = _browser(source, run=lambda read, done: waiting.append((read, done)))
    assert browser.button.disabled
    assert "Reading" in browser.said.value
    browser.refresh()
    [(read, done)] = waiting
    assert source.times == 0
    done(read())
    assert [row[1] for row in _sent(browser)] == ["a"]
    assert not browser.button.disabled


def test_an_error_of_another_kind_is_not_hidden() -> None:
    source = _Source("a")
    browser = _browser(source)
    source.frame = pd.DataFrame({"other": []})
    with pytest.raises(KvmnbError, match="no column"):
        browser.refresh()
    assert not browser.button.disabled
