"""Frames for other programs: CSV for spreadsheets, JSON for everything that must have it exactly."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import numpy as np
import pandas as pd

from kvmnb.notebook.tables import printable

#: What makes a spreadsheet take a text for a formula, in whatever width it is written.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")  # noqa: RUF001 - meant as they are


def to_csv(frame: pd.DataFrame) -> str:
    r"""Write a frame as CSV, with every column.

    Sizes are bytes, times are ISO 8601, what is not known is empty, several texts in one cell are a JSON
    list. A text that a spreadsheet would take for a formula gets a leading ``'``, and control characters are
    written as escapes such as ``\x1b``, so that a row is a line: where names must be exact, take JSON.

    Parameters
    ----------
    frame : pandas.DataFrame
        One of the kit's frames.

    Returns
    -------
    str
        A heading and one line per row.
    """
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(frame.columns)
    for row in _rows(frame):
        writer.writerow([_cell(value) for value in row])
    return written.getvalue()


def to_json(frame: pd.DataFrame) -> str:
    """Write a frame as a JSON list of objects, with every column and every name exactly as it is.

    Parameters
    ----------
    frame : pandas.DataFrame
        One of the kit's frames.

    Returns
    -------
    str
        ASCII only: all other characters are JSON's escapes. What is not known is null.
    """
    records = [dict(zip(frame.columns, row, strict=True)) for row in _rows(frame)]
    # DEL is ASCII's one control character that JSON may hold as it is.
    return json.dumps(records, indent=2).replace("\x7f", "\\u007f") + "\n"


def _rows(frame: pd.DataFrame) -> list[list[Any]]:
    columns = [[_value(value) for value in frame[name]] for name in frame.columns]
    return [list(row) for row in zip(*columns, strict=True)]


def _value(value: Any) -> Any:  # noqa: ANN401 - a frame's cell may be anything
    """Give a cell as JSON has it."""
    if isinstance(value, tuple):
        return list(value)
    if pd.isna(value):
        return None
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    return value.item() if isinstance(value, np.generic) else value


def _cell(value: Any) -> str:  # noqa: ANN401 - what JSON may hold
    if value is None:
        return ""
    if isinstance(value, str):
        return printable(f"'{value}" if value.startswith(_FORMULA) else value)
    if isinstance(value, bool | list):
        return printable(json.dumps(value, ensure_ascii=False))
    return str(value)
