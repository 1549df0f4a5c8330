"""Frames for people: human sizes, usage bars, no index, everything escaped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Any, Literal

import numpy as np
import pandas as pd

from kvmnb import schema
from kvmnb.errors import BadValue
from kvmnb.units import format_size

#: Shown for what is not known; never an empty cell, which could be taken for nothing.
UNKNOWN = "–"  # noqa: RUF001 - a dash, not a minus

_BAR_WIDTH = 10


def bar(fraction: float) -> str:
    """Draw a fraction as text, so that it reads where no style sheet reaches.

    Examples
    --------
    >>> bar(0.43)
    '████░░░░░░  43 %'
    """
    full = round(max(0.0, min(1.0, fraction)) * _BAR_WIDTH)
    return "█" * full + "░" * (_BAR_WIDTH - full) + f" {fraction:4.0%}".replace("%", " %")


def _text(value: Any) -> str:  # noqa: ANN401 - a frame's cell may be anything
    if isinstance(value, tuple):
        return ", ".join(map(printable, value)) or "none"
    if pd.isna(value):
        return UNKNOWN
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, pd.Timestamp):
        return value.strftime("%Y-%m-%d %H:%M:%S %Z")
    return printable(str(value))


def printable(text: str) -> str:
    """Write control characters as escapes, so that a hostile name can't break a line or a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class Table:
    """A frame as a person reads it; made by `show`.

    Parameters
    ----------
    texts : pandas.DataFrame
        The cells as text.
    right : set of str
        Columns that are aligned to the right.
    note : str
        What stands below: where and when the figures were read, or what is missing.
    """

    def __init__(self, texts: pd.DataFrame, right: set[str], note: str) -> None:
        self.texts = texts
        self.right = right
        self.note = note

    def __repr__(self) -> str:
        columns = list(self.texts.columns)
        if self.texts.empty:
            return f"({', '.join(columns)}: no rows)"
        widths = {c: max(len(c), *(len(text) for text in self.texts[c])) for c in columns}

        def line(cells: dict[str, str]) -> str:
            parts = [
                cells[c].rjust(widths[c]) if c in self.right else cells[c].ljust(widths[c]) for c in columns
            ]
            return "  ".join(parts).rstrip()

        rows = [line(dict(zip(columns, row, strict=True))) for row in self.texts.itertuples(index=False)]
        note = [self.note] if self.note else []
        return "\n".join([line({c: c for c in columns}), *rows, *note])

    def _repr_html_(self) -> str:
        def cell(tag: str, column: str, text: str) -> str:
            # An element inside the cell, because themes align the cell itself and GitHub drops styles.
            side = "right" if column in self.right else "left"
            words = escape(text)
            if column in self.right or column == "use":
                words = words.replace(" ", "&nbsp;")  # a number stays with its unit, a bar with its figure
            return f"<{tag}><div align='{side}'>{words}</div></{tag}>"

        columns = list(self.texts.columns)
        head = "".join(cell("th", c, c) for c in columns)
        rows = "".join(
            "<tr>" + "".join(cell("td", c, t) for c, t in zip(columns, row, strict=True)) + "</tr>"
            for row in self.texts.itertuples(index=False)
        )
        if self.texts.empty:
            rows = f"<tr><td colspan='{len(columns)}'><div align='left'>no rows</div></td></tr>"
        note = f"<p>{escape(self.note)}</p>" if self.note else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{note}"


def show(
    frame: pd.DataFrame,
    columns: Sequence[str] | Literal["all"] | None = None,
    *,
    bars: bool = True,
    note: bool = False,
) -> Table:
    """Show a frame to a person: sizes with units, use as a bar, yes and no, UTC times.

    Parameters
    ----------
    frame : pandas.DataFrame
        One of the kit's frames.
    columns : sequence of str, optional
        Which columns, in this order; ``"all"`` for all of them. Without it those that matter most, the
        host where there are several, and ``status`` and why where something could not be read.
    bars : bool
        Whether to add a column ``use`` where both capacity and allocation are shown.
    note : bool
        Whether to say below where and when the figures were read.

    Returns
    -------
    Table
        Shows itself as a table in a notebook and as text elsewhere.

    Raises
    ------
    BadValue
        The frame has no such column.
    """
    declared = schema.FRAMES.get(str(frame.attrs.get("frame")))
    units = {c.name: c.unit for c in declared.columns} if declared else {}
    numbers = {name for name in frame.columns if pd.api.types.is_numeric_dtype(frame[name].dtype)}
    numbers -= {name for name in frame.columns if pd.api.types.is_bool_dtype(frame[name].dtype)}
    texts = pd.DataFrame(
        {name: [_cell(units.get(name, ""))(value) for value in frame[name]] for name in frame.columns},
        dtype="object",
    )
    columns = _choose(frame, columns, declared)
    if bars and {"capacity", "allocation"} <= set(columns):
        texts["use"] = [_use(c, a) for c, a in zip(frame["capacity"], frame["allocation"], strict=True)]
        columns += ["use"] if "use" not in columns else []
    missing = [column for column in columns if column not in texts.columns]
    if missing:
        raise BadValue(f"The frame has no column {missing[0]!r}", f"choose from {', '.join(texts.columns)}")
    read_at = frame.attrs.get("read_at")
    said = (
        f"{frame.attrs.get('host', '')}, read at {_text(pd.Timestamp(read_at))}" if note and read_at else ""
    )
    return Table(texts[columns], numbers, said)


def _choose(
    frame: pd.DataFrame, columns: Sequence[str] | Literal["all"] | None, declared: schema.Frame | None
) -> list[str]:
    """Give the columns to show."""
    if columns == "all" or (columns is None and not (declared and declared.brief)):
        return list(frame.columns)
    if columns is not None:
        return list(columns)
    chosen = [column for column in (declared.brief if declared else ()) if column in frame.columns]
    if "host" in frame.columns and frame["host"].nunique(dropna=False) > 1:
        chosen = ["host", *chosen]
    if "sampled_at" in frame.columns and frame["sampled_at"].nunique() > 1:  # from a store of samples
        chosen = ["sampled_at", *chosen]
    whole = "status" not in frame.columns or not (frame["status"] != "ok").any()
    why = [column for column in ("status", "problem", "reason") if column in frame.columns]
    return chosen if whole else list(dict.fromkeys([*chosen, *why]))


def _cell(unit: str) -> Callable[[Any], str]:
    written = _UNITS.get(unit)
    if written is None:
        return _text
    return lambda value: UNKNOWN if pd.isna(value) else written(value)


def _seconds(value: float) -> str:
    return f"{value * 1000:.3g} ms" if value < 1 else f"{value:.3g} s"


#: How a number with a unit is written.
_UNITS: dict[str, Callable[[Any], str]] = {
    "bytes": lambda value: format_size(int(value)),
    "bytes per second": lambda value: f"{format_size(int(value))}/s",
    "bytes per day": lambda value: f"{'-' if value < 0 else ''}{format_size(abs(round(value)))}/day",
    "day": lambda value: f"{value:%Y-%m-%d}",
    "days": lambda value: f"{value:.1f}" if value < 100 else f"{value:.0f}",
    "seconds": _seconds,
    "times": lambda value: f"{value:.2f} ×",  # noqa: RUF001 - a multiplication sign
    "times raw": lambda value: f"{value:.2f} ×",  # noqa: RUF001 - a multiplication sign
}


def _use(capacity: Any, allocation: Any) -> str:  # noqa: ANN401 - cells of a frame
    if pd.isna(capacity) or pd.isna(allocation) or not capacity:
        return UNKNOWN
    return bar(allocation / capacity)
