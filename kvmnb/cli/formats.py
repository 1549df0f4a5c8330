"""The command ``kvmnb formats``: the comparison of disk formats for a terminal."""
# ruff: noqa: PLC0415

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kvmnb.cli.printing import form, print_frame, say

if TYPE_CHECKING:
    import pandas as pd


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    words = "compare disk formats by measuring them"
    command = commands.add_parser(
        "formats",
        parents=[form()],
        help=words,
        description=f"{words.capitalize()} in a folder: what an image takes when it is created, written, "
        "discarded, under an overlay and with a snapshot; what the format can do; and its throughput against "
        "raw. It takes about half a minute, works in a hidden folder of its own and removes it at the end.",
    )
    command.add_argument(
        "--in",
        dest="where",
        default=".",
        metavar="FOLDER",
        help="where, such as a pool's target; here without it",
    )
    command.add_argument("--size", default="1G", help="the size that a guest would see; 1G without it")
    command.add_argument("--data", default="32M", help="how much is written; 32M without it")
    command.add_argument(
        "--formats",
        metavar="NAMES",
        type=lambda text: [name.strip() for name in text.split(";" if ";" in text else ",")],
        help="names such as 'raw full,qcow2', with ; between them where options are given: "
        "'raw;qcow2:cluster_size=2M,lazy_refcounts=on'; all of them without it",
    )
    command.add_argument(
        "--thorough", action="store_true", help="measure throughput in more and longer rounds"
    )
    command.set_defaults(function=_formats)


def _formats(arguments: argparse.Namespace) -> int:
    from kvmnb.images.compare import compare_formats
    from kvmnb.notebook.progress import step_bar

    with _ended_tidily():
        comparison = compare_formats(
            arguments.where,
            arguments.size,
            arguments.formats,
            data=arguments.data,
            thorough=arguments.thorough,
            progress=step_bar if sys.stderr.isatty() else None,
        )
    if arguments.format != "table" or arguments.all:
        return print_frame(comparison, arguments)
    _report(comparison)
    return 0


@contextmanager
def _ended_tidily() -> Iterator[None]:
    """Have a request to end, or a closed terminal, end by way of the clean-up; its exit code is a shell's."""

    def end(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    # What nohup has ignored stays ignored.
    ours = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def _report(comparison: pd.DataFrame) -> None:
    from kvmnb.images.advice import advise, check_sayings
    from kvmnb.notebook.comparison import about_comparison, show_features, show_sizes, show_speed
    from kvmnb.notebook.tables import show

    say(about_comparison(comparison))
    for title, table in (
        ("What it takes on the host, and how long making it takes", show_sizes(comparison)),
        ("What it can do, found by doing it", show_features(comparison)),
        ("Throughput, times raw (slowest to fastest round)", show_speed(comparison)),
        ("What is said, and what was measured", show(check_sayings(comparison))),
        ("Choose this when", show(advise(comparison))),
    ):
        say(f"\n{title}\n{table}")
