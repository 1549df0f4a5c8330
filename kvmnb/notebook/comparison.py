"""A comparison of disk formats as a person reads it: sizes, features and throughput, each a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from kvmnb.errors import BadValue
from kvmnb.notebook.tables import UNKNOWN, Table, printable, show
from kvmnb.schema import FEATURES, FORMATS, WORKLOADS
from kvmnb.units import format_size

if TYPE_CHECKING:
    from collections.abc import Mapping


def _checked(comparison: pd.DataFrame) -> pd.DataFrame:
    missing = set(FORMATS.names) - set(comparison.columns)
    if missing:
        raise BadValue(
            f"This frame is no comparison of formats: it has no column {min(missing)!r}",
            "give what kvmnb.compare_formats returned",
        )
    return comparison


def about_comparison(comparison: pd.DataFrame) -> str:
    """Say in a sentence where and with what a comparison was made."""
    told: Mapping[Any, Any] = _checked(comparison).attrs
    modes = comparison["cache"].dropna().unique()
    return printable(
        f"Disks of {format_size(told['size'])} with {format_size(told['data'])} of data, in {told['where']} "
        f"({told['filesystem']}) on {told['host']}, with qemu-img {told['qemu']}; throughput with cache="
        f"{', '.join(modes) or 'unknown'} in {told['rounds']} rounds."
    )


def show_sizes(comparison: pd.DataFrame) -> Table:
    """Show what each candidate takes on the host at each stage, and how long making it takes.

    Parameters
    ----------
    comparison : pandas.DataFrame
        What `kvmnb.compare_formats` returned.

    Returns
    -------
    Table
        Per candidate ``ls`` (the apparent size) and ``du`` (the allocated size) when it is new, then ``du``
        after each further stage; the reason where it could not be made.
    """
    told = _checked(comparison)
    names = {
        "candidate": "format",
        "created_apparent": "new, ls",
        "created_allocated": "new, du",
        "written_allocated": "written",
        "discarded_allocated": "discarded",
        "overlay_allocated": "overlay",
        "snapshot_allocated": "snapshot",
        "create_seconds": "create",
        "convert_seconds": "convert",
    }
    return _renamed(told, names)


def show_features(comparison: pd.DataFrame) -> Table:
    """Show what each candidate can do, as it was found by doing it.

    Parameters
    ----------
    comparison : pandas.DataFrame
        What `kvmnb.compare_formats` returned.

    Returns
    -------
    Table
        Per candidate yes, no or unknown for each feature.
    """
    told = _checked(comparison)
    names = {"candidate": "format", **{name: name for name in FEATURES}, "cipher": "cipher"}
    return _renamed(told, names)


def show_speed(comparison: pd.DataFrame) -> Table:
    """Show the throughput of each candidate against raw, with its spread.

    Parameters
    ----------
    comparison : pandas.DataFrame
        What `kvmnb.compare_formats` returned.

    Returns
    -------
    Table
        Per candidate and workload the median of the rounds, and in brackets the slowest and the fastest.
    """
    told = _checked(comparison)
    texts = pd.DataFrame({"format": [printable(name) for name in told["candidate"]]}, dtype="object")
    for workload in WORKLOADS:
        columns = [told[f"{workload}{end}"] for end in ("", "_low", "_high")]
        texts[workload.replace("_", " ")] = [_spread(*three) for three in zip(*columns, strict=True)]
    return Table(texts, set(texts.columns) - {"format"}, _unmeasured(told))


def _spread(ratio: Any, low: Any, high: Any) -> str:  # noqa: ANN401 - cells of a frame
    if pd.isna(ratio):
        return UNKNOWN
    if ratio == low == high == 1:
        return "1"
    return f"{ratio:.2f} ({low:.2f} to {high:.2f})"


def _renamed(told: pd.DataFrame, names: dict[str, str]) -> Table:
    """Show columns under short names; and below why a candidate was not measured."""
    table = show(told, list(names))
    table.texts = table.texts.rename(columns=names)
    table.right = {names.get(column, column) for column in table.right}
    table.note = _unmeasured(told)
    return table


def _unmeasured(told: pd.DataFrame) -> str:
    """Say which candidates could not be measured, and why."""
    left = told[told["status"] != "ok"]
    rows = zip(left["candidate"], left["status"], left["problem"], strict=True)
    return printable("; ".join(f"{name}: {status} ({problem})" for name, status, problem in rows))
