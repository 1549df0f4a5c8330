"""How a frame is declared: its columns, and per column its dtype, unit and meaning."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from textwrap import indent, wrap
from typing import Any, Literal, TypeVar, cast

import numpy as np
import pandas as pd

from kvmnb.errors import BadValue

Dtype = Literal["string", "Int64", "Float64", "boolean", "time", "texts"]

#: pandas' name for each dtype that a column may declare. ``texts`` holds a tuple of str per row.
_PANDAS: dict[Dtype, str] = {
    "string": "string",
    "Int64": "Int64",
    "Float64": "Float64",
    "boolean": "boolean",
    "time": "datetime64[ns, UTC]",
    "texts": "object",
}

_Function = TypeVar("_Function", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a frame.

    Parameters
    ----------
    name : str
        Its name, in the field's own words.
    dtype : {"string", "Int64", "Float64", "boolean", "time", "texts"}
        Its kind. ``time`` is UTC with nanoseconds and is built from nanoseconds since 1970;
        ``texts`` holds a tuple of str per row, empty where there are none. Every kind can hold NA.
    meaning : str
        One line for its reader.
    unit : str
        ``"bytes"`` or another unit; empty for a column without one.
    """

    name: str
    dtype: Dtype
    meaning: str
    unit: str = ""

    def build(self, values: list[Any]) -> pd.Series[Any]:
        """Make the column's Series of its values; None becomes NA, never zero or empty."""
        if self.dtype == "time":
            unknown = pd.NaT.value
            times = [unknown if value is None else value for value in values]
            index = pd.DatetimeIndex(np.array(times, "datetime64[ns]"), tz="UTC")
            return cast("pd.Series[Any]", pd.Series(index))
        if self.dtype == "string":
            # Not pyarrow's, pandas' choice where that is installed: it refuses names that are not UTF-8.
            return pd.Series(values, dtype=pd.StringDtype("python"))
        if self.dtype == "texts":  # pandas keeps None as it is among objects
            values = [pd.NA if value is None else value for value in values]
        return cast("pd.Series[Any]", pd.Series(values, dtype=cast("Any", _PANDAS[self.dtype])))

    def describe(self) -> str:
        """Its line in a docstring's list of columns."""
        unit = f", {self.unit}" if self.unit else ""
        kind = "tuple of str" if self.dtype == "texts" else _PANDAS[self.dtype]
        return f"``{self.name}`` ({kind}{unit}): {self.meaning}"


@dataclass(frozen=True)
class Frame:
    """The declaration of one frame.

    Parameters
    ----------
    name : str
        Its name, kept in ``attrs["frame"]``.
    row : str
        What one row stands for.
    columns : tuple of Column
        In the order in which they are shown.
    brief : tuple of str
        The columns that a person is shown unless others are asked for; empty for all.
    attrs : tuple of str
        What ``DataFrame.attrs`` holds beside the frame's name.
    """

    name: str
    row: str
    columns: tuple[Column, ...]
    brief: tuple[str, ...] = ()
    attrs: tuple[str, ...] = ("host", "uri", "read_at")

    def build(self, rows: Iterable[Mapping[str, Any]], **attrs: object) -> pd.DataFrame:
        """Make the frame of its rows.

        Parameters
        ----------
        rows : iterable of mapping
            Per row a value for every column; None means that it is not known.
        **attrs : object
            Kept in ``DataFrame.attrs``, such as the host and the time of reading.

        Returns
        -------
        pandas.DataFrame
            With every declared column and its dtype, also when there are no rows.
        """
        rows = list(rows)
        frame = pd.DataFrame({c.name: c.build([row[c.name] for row in rows]) for c in self.columns})
        frame.attrs.update(frame=self.name, **attrs)
        return frame

    def empty(self) -> pd.DataFrame:
        """Make the frame without rows: the same columns and dtypes."""
        return self.build([])

    def unit(self, column: str) -> str:
        """Give the unit of a column; raise `BadValue` where the frame has no such column."""
        for candidate in self.columns:
            if candidate.name == column:
                return candidate.unit
        raise BadValue(f"the frame {self.name!r} has no column {column!r}", f"choose one of {self.names}")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its columns."""
        return tuple(column.name for column in self.columns)

    def returns(self) -> str:
        """Write the Returns section of a docstring."""
        said = ", ".join(f"``{name}``" for name in self.attrs)
        about = f"One row per {self.row}.{f' ``attrs`` holds {said}.' if said else ''} Columns:"
        lines = ["Returns", "-------", "pandas.DataFrame"]
        lines += [*wrap(about, 100, initial_indent="    ", subsequent_indent="    "), ""]
        for column in self.columns:
            lines += wrap(f"* {column.describe()}", 100, initial_indent="    ", subsequent_indent="      ")
        return "\n".join(lines)


def returns(frame: Frame) -> Callable[[_Function], _Function]:
    """Decorate a function or method so that its docstring says the columns of the frame it returns."""

    def decorate(function: _Function) -> _Function:
        margin = " " * (8 if "." in function.__qualname__ else 4)
        section = indent(frame.returns(), margin)
        before, raises, after = (function.__doc__ or "").rstrip().partition(f"\n{margin}Raises\n")
        function.__doc__ = f"{before.rstrip()}\n\n{section}\n{raises}{after}\n{margin}"
        return function

    return decorate


def text(name: str, meaning: str) -> Column:
    """Declare a column of text."""
    return Column(name, "string", meaning)


def amount(name: str, meaning: str) -> Column:
    """Declare a column of whole bytes."""
    return Column(name, "Int64", meaning, "bytes")


def flag(name: str, meaning: str) -> Column:
    """Declare a column of yes, no and NA."""
    return Column(name, "boolean", meaning)


STATUS = (
    text("status", "``ok``, or the word for what could not be read"),
    text("problem", "why it could not be read; NA where all could"),
)

#: In every frame of a host, since ``attrs`` are lost where frames of several hosts are put together.
HOST = text("host", "the host that it was read from")
