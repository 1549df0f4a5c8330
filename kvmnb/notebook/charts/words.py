"""What the charts read of a frame, and how they say it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.font_manager import findfont, get_font

from kvmnb.errors import BadValue
from kvmnb.notebook.charts.figure import LETTERS, width_of
from kvmnb.notebook.tables import UNKNOWN, printable
from kvmnb.schema import Frame
from kvmnb.units import format_size

#: How the frame's ``attrs`` say where and when it was measured.
_ORIGIN = {
    "host": "on {}",
    "where": "in {}",
    "filesystem": "on the file system {}",
    "qemu": "with QEMU {}",
    "read_at": "at {} UTC",
}

#: Shown in place of a figure that there is none of.
UNMEASURED = "not measured"

#: How wide a name may be, in inches, and how many characters of it are looked at.
_WIDEST, _MOST = 2.3, 200


def expect(frame: pd.DataFrame, declared: Frame, columns: Iterable[str], chart: str) -> None:
    """Refuse a frame that the chart cannot be drawn of.

    Raises
    ------
    BadValue
        A column is missing.
    """
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        kind = frame.attrs.get("frame")
        given = f"the frame {printable(str(kind))!r}" if kind else "the frame that it was given"
        raise BadValue(
            f"{chart} draws the frame {declared.name!r}, and {given} has no column {missing[0]!r}",
            f"give it the frame {declared.name!r}: one row per {declared.row}",
        )


@cache
def _shapes() -> frozenset[int]:
    """Give the characters that the charts' letters can draw."""
    return frozenset(get_font(findfont(LETTERS)).get_charmap())


def drawable(said: Any, most: int = _MOST) -> str:  # noqa: ANN401 - a frame's cell may be anything
    """Write text so that it can be drawn: on one line, with escapes for what has no shape, not too long."""
    if pd.isna(said):
        return UNKNOWN
    text = _shorter(printable(str(said)), most)
    return "".join(c if ord(c) in _shapes() else c.encode("unicode_escape").decode() for c in text)


def label(said: Any, widest: float = _WIDEST) -> str:  # noqa: ANN401 - a frame's cell may be anything
    """Write a name so that it can be drawn, no wider than some inches; its end tells it from others as well.

    Examples
    --------
    >>> label("qcow2"), label("qcow2 with a very long list of options", 1)
    ('qcow2', 'qcow2 …tions')
    """
    text = short = drawable(said) or "(no name)"
    while (wide := width_of(short)) > widest:
        short = _shorter(text, min(len(short) - 1, int(len(short) * widest / wide) + 2))
    return short


def _shorter(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most // 2]}…{text[len(text) - (most - 1) // 2 :]}"


def names(frame: pd.DataFrame) -> list[str]:
    """Give each row's candidate as it is drawn, with its host where the frame has several."""
    candidates = [label(candidate) for candidate in frame["candidate"]]
    if "host" not in frame.columns or frame["host"].nunique(dropna=False) < 2:
        return candidates
    hosts = [label(host, _WIDEST / 2) for host in frame["host"]]
    return [f"{label(name, _WIDEST / 2)}, {host}" for name, host in zip(candidates, hosts, strict=True)]


def numbers(column: pd.Series[Any]) -> list[float]:
    """Give a column's figures, with nan for NA."""
    return [float(value) for value in column.to_numpy(dtype="float64", na_value=np.nan)]


def size(value: float) -> str:
    """Write a size that may not be known."""
    return UNMEASURED if np.isnan(value) else format_size(int(value))


def listed(words: Sequence[str], most: int = 3) -> str:
    """Name a few things, and count the others.

    Examples
    --------
    >>> listed(["a", "b"]), listed(["a", "b", "c", "d", "e"])
    ('a and b', 'a, b, c and 2 more')
    """
    if len(words) > most + 1:  # "1 more" takes as much room as its name
        return f"{', '.join(words[:most])} and {len(words) - most} more"
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def extremes(called: Sequence[str], values: Sequence[float], written: Sequence[str]) -> str:
    """Say how far values reach, and whose are the least and the greatest; nan is passed over.

    Examples
    --------
    >>> extremes(["a", "b"], [1.0, 2.0], ["1 byte", "2 bytes"])
    'from 1 byte (a) to 2 bytes (b)'
    """
    least, most = np.nanmin(values), np.nanmax(values)

    def said(extreme: float) -> str:
        figure = written[list(values).index(extreme)]
        whose = [name for name, text in zip(called, written, strict=True) if text == figure]
        return f"{figure} ({listed(whose)})"

    return said(least) if said(least) == said(most) else f"from {said(least)} to {said(most)}"


def gaps(called: Sequence[str], values: Sequence[float]) -> str:
    """Say whose value is not known; empty where all are."""
    unknown = [name for name, value in zip(called, values, strict=True) if np.isnan(value)]
    return f" Not measured: {listed(unknown, 20)}." if unknown else ""


def count(number: int, thing: str = "candidate") -> str:
    """Write how many there are.

    Examples
    --------
    >>> count(1), count(17)
    ('1 candidate', '17 candidates')
    """
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def origin(frame: pd.DataFrame, how: str = "Measured") -> str:
    """Say where and when the figures were measured or read, as far as the frame knows."""
    about = {key: drawable(value, 60) for key, value in frame.attrs.items() if key in _ORIGIN and value}
    if "sampled_at" in frame.columns:  # it is of a history
        about |= _sampled(frame)
    if "read_at" in about:
        about["read_at"] = about["read_at"][:16].replace("T", " ")
    said = [words.format(about[key]) for key, words in _ORIGIN.items() if key in about]
    made_up = "The figures are made up." if frame.attrs.get("made_up") else ""
    return " ".join(filter(None, [f"{how} {', '.join(said)}." if said else "", made_up]))


def _sampled(frame: pd.DataFrame) -> dict[str, str]:
    """Give the host and the time of what is of one sample."""
    hosts, times = frame["host"].dropna().unique(), frame["sampled_at"].dropna().unique()
    about = {"host": drawable(hosts[0], 60)} if len(hosts) == 1 else {}
    if len(times) == 1:
        about["read_at"] = pd.Timestamp(times[0]).tz_convert("UTC").isoformat()
    return about


def size_ticks(top: float) -> list[int]:
    """Give four to eight round sizes from 0 up to a size, a power of two apart.

    Examples
    --------
    >>> size_ticks(1024)
    [0, 256, 512, 768, 1024]
    """
    apart = 1
    while top / apart > 7.5:
        apart *= 2
    return list(range(0, int(top) + 1, apart))
