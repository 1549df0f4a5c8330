"""The commands that read a frame and print it."""
# ruff: noqa: PLC0415

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from kvmnb.cli.printing import form, print_frame

if TYPE_CHECKING:
    import pandas as pd

    from kvmnb.host import Host


def _host_frame(
    read: Callable[[Host, argparse.Namespace], pd.DataFrame],
) -> Callable[[argparse.Namespace], int]:
    """Make a command of what reads a frame from the host."""

    def command(arguments: argparse.Namespace) -> int:
        from kvmnb.host import connect

        with connect(arguments.connect) as host:
            frame = read(host, arguments)
        return print_frame(frame, arguments)

    return command


def _audit(arguments: argparse.Namespace) -> int:
    from kvmnb.storage.audit import default_path, read

    return print_frame(read(arguments.log or default_path()), arguments)


def add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], connect: argparse.ArgumentParser
) -> None:
    """Add the commands."""
    shown = form()

    def command(name: str, words: str, *parents: argparse.ArgumentParser) -> argparse.ArgumentParser:
        told = f"{words[0].upper()}{words[1:]}. Reads only."
        return commands.add_parser(name, parents=[shown, *parents], help=words, description=told)

    pools = command("pools", "list the storage pools", connect)
    pools.set_defaults(function=_host_frame(lambda host, _arguments: host.pools()))
    volumes = command("volumes", "list the volumes of one pool or of all, with who uses them", connect)
    volumes.add_argument("pool", nargs="?", metavar="POOL", help="name of a pool; all pools without it")
    volumes.set_defaults(function=_host_frame(lambda host, arguments: host.volumes(arguments.pool)))
    guests = command("guests", "list the guests", connect)
    guests.set_defaults(function=_host_frame(lambda host, _arguments: host.guests()))
    disks = command("disks", "list the guests' disks, with their volumes and backing chains", connect)
    disks.set_defaults(function=_host_frame(lambda host, _arguments: host.disks()))
    audit = command("audit", "list what was changed with the kit, when and by whom")
    audit.add_argument("--log", type=Path, metavar="PATH", help="another log than this user's own")
    audit.set_defaults(function=_audit)
