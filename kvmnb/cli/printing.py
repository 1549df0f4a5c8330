"""How a command prints: lines, and frames as a table, CSV or JSON."""
# ruff: noqa: PLC0415

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def form() -> argparse.ArgumentParser:
    """Give the options that say how a frame is printed."""
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument(
        "--format",
        choices=("table", "csv", "json"),
        default="table",
        help="table is for reading; csv for spreadsheets: bytes, ISO times, control characters escaped, and "
        "a ' before what would be a formula; json for programs, with every name exactly as it is",
    )
    options.add_argument("--all", action="store_true", help="show every column in the table")
    return options


def print_frame(frame: pd.DataFrame, arguments: argparse.Namespace) -> int:
    """Print a frame as the arguments say; give the exit code."""
    from kvmnb.notebook.tables import show
    from kvmnb.plain import to_csv, to_json

    if arguments.format == "table":
        say(str(show(frame, "all" if arguments.all else None)))
    else:
        sys.stdout.write(to_csv(frame) if arguments.format == "csv" else to_json(frame))
    return 0
