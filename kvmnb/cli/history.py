"""The commands ``kvmnb sample`` and ``kvmnb history``."""
# ruff: noqa: PLC0415

from __future__ import annotations

import argparse
import sys
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from kvmnb.cli.printing import form, print_frame, say
from kvmnb.durations import parse_duration
from kvmnb.errors import BadValue, KvmnbError

if TYPE_CHECKING:
    import pandas as pd

#: What a store holds, said here since what declares it takes a second to load.
_FRAMES = (
    "pools",
    "volumes",
    "guests",
    "disks",
    "filesystems",
    "df",
    "usage",
    "orphans",
    "overcommit",
    "samples",
)


def add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], connect: argparse.ArgumentParser
) -> None:
    """Add the commands."""
    store = argparse.ArgumentParser(add_help=False)
    store.add_argument(
        "--store",
        metavar="PATH",
        help="the folder of the samples; KVMNB_HISTORY or ~/.local/state/kvmnb/history without it",
    )
    shown = form()
    sample = commands.add_parser(
        "sample",
        parents=[shown, store, connect],
        help="put what a host says now into a store of samples",
        description="Put the host's frames as they are now into a store of samples, for kvmnb history and "
        "for kvmnb.history in a notebook. Reads the host only. Meant for a systemd timer or cron; with "
        "--every it goes on until SIGTERM or Ctrl-C, which let the sample being taken come to its end.",
    )
    sample.add_argument(
        "--no-inside", dest="inside", action="store_false", help="do not look into the guests' disks"
    )
    sample.add_argument(
        "--every", type=_duration, metavar="TIME", help="take a sample at each interval, such as 5m or 1h"
    )
    sample.set_defaults(function=_sample)
    history = commands.add_parser(
        "history",
        help="list, show, compact or prune the samples",
        description="What was sampled: which samples there are, a frame as it was at their times, and "
        "keeping the store small.",
    )
    _add_history(history.add_subparsers(metavar="WHAT", required=True), [shown, store])


def _add_history(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], parents: list[argparse.ArgumentParser]
) -> None:
    def command(name: str, words: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name, parents=parents, help=words, description=f"{words[0].upper()}{words[1:]}."
        )

    command("list", "list the hosts that there are samples of, from when to when, and how many").set_defaults(
        function=_list
    )
    show = command("show", "show a frame as it was at the times of the samples")
    show.add_argument("frame", metavar="FRAME", choices=_FRAMES, help=", ".join(_FRAMES))
    when = 'a time with its zone, such as "2026-11-25T14:00Z", or how long ago, such as 90d'
    show.add_argument("--since", metavar="WHEN", help=f"from {when}")
    show.add_argument("--until", metavar="WHEN", help=f"to before {when}")
    show.add_argument("--host", action="append", help="only this host; may be repeated")
    show.add_argument(
        "--every", type=_duration, metavar="TIME", help="only the last sample of each host in each interval"
    )
    show.add_argument(
        "--tz", metavar="ZONE", help="show times on this zone's clock, such as Europe/Berlin; UTC without it"
    )
    show.set_defaults(function=_show)
    compact = command("compact", "put the samples of each past day into one file")
    compact.set_defaults(function=_compact)
    prune = command("prune", "delete the days that are older than asked")
    prune.add_argument(
        "--keep", type=_duration, metavar="TIME", required=True, help="how long to keep, such as 400d"
    )
    prune.set_defaults(function=_prune)


def _duration(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except BadValue as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _sample(arguments: argparse.Namespace) -> int:
    if arguments.every is None:
        return print_frame(_take(arguments), arguments)
    from kvmnb.samples.looping import repeat

    repeat(partial(_take_and_tell, arguments), arguments.every)
    return 0


def _take(arguments: argparse.Namespace) -> pd.DataFrame:
    from kvmnb.host import connect
    from kvmnb.samples.taking import sample

    with connect(arguments.connect) as host:
        return sample(host, arguments.store, inside=arguments.inside)


def _take_and_tell(arguments: argparse.Namespace) -> None:
    """Take a sample and say so in a line; what fails now may do the next time."""
    from kvmnb.notebook.tables import printable

    try:
        row = _take(arguments).iloc[0]
    except KvmnbError as error:
        sys.stderr.write(f"kvmnb: {printable(str(error))}\n")
        sys.stderr.flush()
        return
    say(
        f"{row['sampled_at']:%Y-%m-%d %H:%M:%S} UTC  {printable(row['host'])}: sample {row['sample']}, "
        f"{row['rows']} rows, {row['gaps']} gaps, {row['seconds']:.1f} s"
    )


def _list(arguments: argparse.Namespace) -> int:
    from kvmnb.samples.listing import list_history

    return _told(list_history(arguments.store), arguments)


def _show(arguments: argparse.Namespace) -> int:
    from kvmnb.samples.reading import history

    frame = history(
        arguments.frame,
        arguments.store,
        since=arguments.since,
        until=arguments.until,
        host=arguments.host,
        every=arguments.every,
        tz=arguments.tz,
        strict=False,
    )
    return _told(frame, arguments)


def _told(frame: pd.DataFrame, arguments: argparse.Namespace) -> int:
    """Print a frame, and on stderr what is missing from it; give the exit code."""
    from kvmnb.notebook.tables import printable

    code = print_frame(frame, arguments)
    problems = frame.attrs["problems"]
    for problem in problems:
        sys.stderr.write(f"kvmnb: {printable(problem)}\n")
    if frame.attrs.get("made_up"):
        sys.stderr.write("kvmnb: these samples are made up, to learn on\n")
    return code or int(bool(problems))


def _compact(arguments: argparse.Namespace) -> int:
    from kvmnb.samples.tidying import compact_history

    return _tidied(compact_history(arguments.store), arguments)


def _prune(arguments: argparse.Namespace) -> int:
    from kvmnb.samples.tidying import prune_history

    return _tidied(prune_history(arguments.keep, arguments.store), arguments)


def _tidied(frame: pd.DataFrame, arguments: argparse.Namespace) -> int:
    return print_frame(frame, arguments) or int((frame["status"] != "ok").any())
