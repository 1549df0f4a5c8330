"""A frame's rows as a table to browse gets them: safe HTML, and per column the order to sort by. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import pandas as pd

from kvmnb.errors import BadValue
from kvmnb.notebook.tables import UNKNOWN, bar, show

#: A column of bars, added where both the size and what is taken of it are shown.
USE = "use"

#: Texts of a column of which none has more characters stay on one line.
_SHORT = 16

#: Why a row is not whole; shown where any is not.
_WHY = ("status", "problem", "reason")


@dataclass(frozen=True)
class Rows:
    """What the table widget shows.

    Parameters
    ----------
    cells : pandas.DataFrame
        Per row an empty cell, for the mark of the chosen row; then each column as HTML; then for each of them
        the row's place in its order, 0 where it is not known.
    right : tuple of str
        The columns that are aligned to the right.
    columns : tuple of str
        The columns that are shown.
    """

    cells: pd.DataFrame
    right: tuple[str, ...]
    columns: tuple[str, ...]

    def definitions(self, key: Sequence[str]) -> list[dict[str, Any]]:
        """Say to the widget, in its own words, how its columns are shown, searched and sorted.

        Parameters
        ----------
        key : sequence of str
            The columns that a row is known by, which get more room.
        """
        shown = len(self.columns)
        found: list[dict[str, Any]] = [
            {"targets": 0, "className": "select-checkbox", "orderable": False, "searchable": False},
            {"targets": list(range(shown + 1, 2 * shown + 1)), "visible": False, "searchable": False},
        ]
        for at, name in enumerate(self.columns, 1):
            side = "dt-right" if name in self.right else "dt-left"
            short = max((len(text) for text in self.cells[name]), default=0) <= _SHORT
            room = "whole" if short or name in self.right or name == USE else "key" if name in key else "text"
            # The place decides; the text is named after it so that the heading shows what was sorted by.
            order = [at + shown, at]
            found.append({"targets": at, "orderData": order, "className": f"{side} kvmnb-{room}"})
        return found


def rows(frame: pd.DataFrame, columns: Sequence[str]) -> Rows:
    """Write a frame for a table to browse.

    Parameters
    ----------
    frame : pandas.DataFrame
        One of the kit's frames.
    columns : sequence of str
        Which columns, in this order.

    Returns
    -------
    Rows
        Sizes are text with units, and sorted as the numbers that they are; names are text whatever is in
        them. ``use`` is added where capacity and either allocation or used are shown, ``status`` and why
        where a row could not be read.

    Raises
    ------
    BadValue
        The frame has no such column.
    """
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise BadValue(f"The frame has no column {missing[0]!r}", f"choose from {', '.join(frame.columns)}")
    whole = "status" not in frame.columns or bool((frame["status"] == "ok").all())
    why = [] if whole else [column for column in _WHY if column in frame.columns]
    named = list(dict.fromkeys([*columns, *why]))
    texts = show(frame[named], named, bars=False)
    cells = {name: [escape(text) for text in texts.texts[name]] for name in named}
    places = {name: _places(list(frame[name])) for name in named}
    taken = next((name for name in ("allocation", "used") if {"capacity", name} <= set(columns)), None)
    if taken is not None:
        shares = [_share(c, a) for c, a in zip(frame["capacity"], frame[taken], strict=True)]
        at = named.index(taken) + 1
        named.insert(at, USE)
        cells[USE], places[USE] = [_bar(share) for share in shares], _places(shares)
    shown = {"": [""] * len(frame), **{name: cells[name] for name in named}}
    made = pd.DataFrame(shown, dtype="object")  # pandas would take names that are not UTF-8 for an error
    made = made.assign(**{f"order of {name}": places[name] for name in named})
    return Rows(made, tuple(name for name in named if name in texts.right), tuple(named))


def key_of(frame: pd.DataFrame, at: int, key: Sequence[str]) -> dict[str, str]:
    """Give what a row is known by, exactly as in the frame; without the columns that are not known."""
    row: Mapping[str, Any] = {name: frame[name].iloc[at] for name in key}
    return {name: str(value) for name, value in row.items() if not pd.isna(value)}


def find(frame: pd.DataFrame, key: Mapping[str, str]) -> int | None:
    """Give the place of the row that is known by a key; None where there is no such row."""
    if not key or not set(key) <= set(frame.columns):
        return None
    there = zip(*(frame[name] for name in key), strict=True)
    wanted = tuple(key.values())
    return next((at for at, cells in enumerate(there) if _texts(cells) == wanted), None)


def _texts(cells: tuple[Any, ...]) -> tuple[str | None, ...]:
    return tuple(None if pd.isna(cell) else str(cell) for cell in cells)


def _share(capacity: Any, allocation: Any) -> float | None:  # noqa: ANN401 - cells of a frame
    if pd.isna(capacity) or pd.isna(allocation) or not capacity:
        return None
    return float(allocation / capacity)


def _bar(share: float | None) -> str:
    """Draw a bar whose figure a screen reader says, and whose blocks it leaves out."""
    if share is None:
        return UNKNOWN
    blocks, _, figure = bar(share).partition(" ")
    return f"<span aria-hidden='true' class='kvmnb-bar'>{blocks}</span> {figure.strip()}"


def _places(values: list[Any]) -> list[int]:
    """Give each value's place in their order, 0 for what is not known; equal values share one."""
    keys = [_sortable(value) for value in values]
    places = {key: place for place, key in enumerate(sorted({k for k in keys if k is not None}), 1)}
    return [0 if key is None else places[key] for key in keys]


def _sortable(value: Any) -> Any:  # noqa: ANN401 - a frame's cell may be anything
    if isinstance(value, tuple):
        return tuple(text.casefold() for text in value)
    if value is None or pd.isna(value):
        return None
    return (value.casefold(), value) if isinstance(value, str) else value
