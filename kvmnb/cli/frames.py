"""The commands that read a frame and print it."""
# ruff: noqa: PLC0415

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from kvmnb.cli.printing import form, print_frame

if TYPE_CHECKING:
    import pandas as pd

    from kvmnb.fleets.fleet import Fleet
    from kvmnb.host import Host


def _connects() -> argparse.ArgumentParser:
    """Give the option that says which host, or which hosts."""
    option = argparse.ArgumentParser(add_help=False)
    option.add_argument(
        "--connect",
        metavar="URI",
        action="append",
        default=[],
        help="the libvirt URI, as for virsh; LIBVIRT_DEFAULT_URI or libvirt's own default without it; may be "
        "repeated to read many hosts at once: then the exit code is 1 where one of them could not be read",
    )
    return option


def _host_frame(
    read: Callable[[Host | Fleet, argparse.Namespace], pd.DataFrame],
) -> Callable[[argparse.Namespace], int]:
    """Make a command of what reads a frame from the host, or from several."""

    def command(arguments: argparse.Namespace) -> int:
        from kvmnb.fleets.fleet import fleet
        from kvmnb.host import connect

        if len(arguments.connect) < 2:
            with connect(*arguments.connect) as host:
                frame = read(host, arguments)
            return print_frame(frame, arguments)
        with fleet(arguments.connect) as hosts:
            frame = read(hosts, arguments)
        whole = all(about["status"] == "ok" for about in frame.attrs["hosts"].values())
        return print_frame(frame, arguments) or int(not whole)

    return command


def _audit(arguments: argparse.Namespace) -> int:
    from kvmnb.storage.audit import default_path, read

    return print_frame(read(arguments.log or default_path()), arguments)


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands."""
    shown, connect = form(), _connects()

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
    _add_inside(command, connect)
    _add_usage(command, connect)
    audit = command("audit", "list what was changed with the kit, when and by whom")
    audit.add_argument("--log", type=Path, metavar="PATH", help="another log than this user's own")
    audit.set_defaults(function=_audit)


def _add_inside(command: Callable[..., argparse.ArgumentParser], connect: argparse.ArgumentParser) -> None:
    """Add the commands that look into the guests' disks."""
    for name, words in (
        ("df", "tell how full the file systems in the guests' disks are"),
        ("filesystems", "list the file systems in the guests' disks"),
    ):
        inside = command(name, words, connect)
        inside.add_argument(
            "guest", nargs="?", metavar="GUEST", help="name of a guest; all guests without it"
        )
        inside.add_argument(
            "--fresh",
            action="store_true",
            help="read again what is remembered of a guest that is shut off and whose disks have not changed",
        )
        inside.set_defaults(function=_host_frame(partial(_inside, name)))
    mounts = command("mounts", "list the guests' file systems that are mounted here, stale ones too")
    mounts.set_defaults(function=_mounts)


def _add_usage(command: Callable[..., argparse.ArgumentParser], connect: argparse.ArgumentParser) -> None:
    """Add the commands that say how storage is used."""
    usage = command(
        "usage", "tell what each image was promised, takes, holds inside and could give back", connect
    )
    usage.add_argument(
        "--no-inside", dest="inside", action="store_false", help="do not look into the guests' disks"
    )
    usage.add_argument("--fresh", action="store_true", help="read again what is remembered of guests' disks")
    usage.set_defaults(function=_host_frame(_usage))
    orphans = command(
        "orphans", "list the volumes that no guest is known to use, with reasons and doubts", connect
    )
    orphans.set_defaults(function=_host_frame(lambda host, _arguments: host.orphans()))
    overcommit = command("overcommit", "tell what pools have promised against what they have", connect)
    overcommit.set_defaults(function=_host_frame(lambda host, _arguments: host.overcommit()))


def _usage(host: Host | Fleet, arguments: argparse.Namespace) -> pd.DataFrame:
    return host.usage(arguments.inside, fresh=arguments.fresh, progress=_bar(arguments))


def _inside(name: str, host: Host | Fleet, arguments: argparse.Namespace) -> pd.DataFrame:
    read = host.df if name == "df" else host.filesystems
    return read(arguments.guest, fresh=arguments.fresh, progress=_bar(arguments))


def _bar(arguments: argparse.Namespace) -> Callable[[str], Callable[[int, int, str], None]] | None:
    """Give what draws the progress, of guests or of many hosts; none where nobody watches."""
    from kvmnb.notebook.progress import guest_bar, host_bar

    if not sys.stderr.isatty():
        return None
    return host_bar if len(arguments.connect) > 1 else guest_bar


def _mounts(arguments: argparse.Namespace) -> int:
    from kvmnb.guests.mounts import mounts

    return print_frame(mounts(), arguments)
