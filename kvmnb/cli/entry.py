"""The command ``kvmnb``: the frames, the runbooks and the doctor for a terminal.

What a command needs is imported when it runs, so that help and the first line come at once.
"""
# ruff: noqa: PLC0415

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path

from kvmnb import __version__
from kvmnb.cli import formats, frames, history
from kvmnb.cli.printing import say
from kvmnb.errors import KvmnbError

#: Exit codes, beside 0 and argparse's 2: something is wrong; stopped by Ctrl-C; nobody reads on.
_WRONG, _INTERRUPTED, _UNREAD = 1, 130, 141

_MARKS = {True: "✓ ok", False: "✗ failed", None: "– limited"}  # noqa: RUF001 - a dash, not a minus


def main(argv: list[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : list of str, optional
        The words after ``kvmnb``; those of this process without it.

    Returns
    -------
    int
        0; 1 where something is wrong; 130 when interrupted. Wrong usage raises SystemExit with 2.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a character gets its escape, not an end of the program.
            stream.reconfigure(errors="backslashreplace")
    arguments = _parser().parse_args(argv)
    command: Callable[[argparse.Namespace], int] = arguments.function
    try:
        code = command(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # What is left in the buffer has no reader either: its flush at exit must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _UNREAD
    except KvmnbError as error:
        _complain(error)
        return _WRONG
    except KeyboardInterrupt:
        return _INTERRUPTED
    return code


def _complain(error: KvmnbError) -> None:
    from kvmnb.notebook.tables import printable

    sys.stderr.write(f"kvmnb: {printable(str(error))}\n")


def _doctor(arguments: argparse.Namespace) -> int:
    from kvmnb.doctor import checkup
    from kvmnb.notebook.tables import printable

    checks = checkup(arguments.connect)
    width = max(len(check.check) for check in checks)
    for check in checks:
        say(f"{_MARKS[check.ok]:<9}  {check.check:<{width}}  {printable(check.found)}")
        if check.remedy:
            say(f"{'':<9}  {'':<{width}}  → {printable(check.remedy)}")
    return _WRONG if any(check.ok is False for check in checks) else 0


def _lab(arguments: argparse.Namespace) -> int:
    from kvmnb.lab import lab

    lab(arguments.port, browser=arguments.browser, tell=say)
    return 0


def _dashboard(arguments: argparse.Namespace) -> int:
    from kvmnb.dashboard import dashboard

    dashboard(
        arguments.port,
        uri=arguments.connect,
        write=arguments.write,
        browser=arguments.browser,
        tell=say,
    )
    return 0


def _run(arguments: argparse.Namespace) -> int:
    from kvmnb.notebook.tables import printable
    from kvmnb.runbook import RunbookInterrupted, run

    told: list[str] = []

    def tell(line: str) -> None:
        """Print the record's path for programs, and how far it is for people."""
        stream = sys.stderr if told else sys.stdout
        told.append(line)
        try:
            stream.write(f"{printable(line)}\n")
            stream.flush()
        except BrokenPipeError:
            # That nobody reads on is no reason to leave a change half done.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())

    try:
        run(
            arguments.runbook,
            dict(arguments.parameters),
            record=arguments.record,
            uri=arguments.connect,
            tell=tell,
        )
    except RunbookInterrupted as error:
        _complain(error)
        return _INTERRUPTED
    return 0


def _parameter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return name, value


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: give a number from 1 to 65535")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kvmnb",
        description="Storage of KVM hosts: what there is, what is wrong, and runbooks that change it.",
        epilog="Exit codes: 0 done, 1 something is wrong, 2 wrong usage, 130 interrupted.",
    )
    parser.add_argument("--version", action="version", version=f"kvmnb {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    connect = argparse.ArgumentParser(add_help=False)
    connect.add_argument(
        "--connect",
        metavar="URI",
        help="the libvirt URI, as for virsh; LIBVIRT_DEFAULT_URI or libvirt's own default without it",
    )
    doctor = commands.add_parser(
        "doctor",
        parents=[connect],
        help="look over this machine",
        description="Look at all that the kit needs on this machine. Each lack comes with what to do about "
        "it. The exit code is 1 where something fails that the kit cannot do without.",
    )
    doctor.set_defaults(function=_doctor)
    _add_run(commands, connect)
    lab = commands.add_parser(
        "lab",
        help="open the runbooks in JupyterLab",
        description="Open the runbooks in JupyterLab, which listens on this machine only and asks for a "
        "token. The folder is ./notebooks where there is one, else the checkout's; runbooks that were "
        "installed with the package are copied to ~/kvmnb-notebooks first.",
    )
    lab.add_argument("--port", type=_port, help="the port; the first free one from 8888 without it")
    lab.add_argument("--no-browser", dest="browser", action="store_false", help="only print the address")
    lab.set_defaults(function=_lab)
    _add_dashboard(commands, connect)
    frames.add(commands)
    formats.add(commands)
    history.add(commands, connect)
    return parser


def _add_dashboard(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], connect: argparse.ArgumentParser
) -> None:
    dashboard = commands.add_parser(
        "dashboard",
        parents=[connect],
        help="show pools, volumes and guests in a browser",
        description="Show the notebook 05_dashboard without its code, by Voilà, on this machine "
        "only and with a token. Nothing can be changed there unless --write is given.",
    )
    dashboard.add_argument("--port", type=_port, help="the port; the first free one from 8888 without it")
    dashboard.add_argument(
        "--no-browser", dest="browser", action="store_false", help="only print the address"
    )
    dashboard.add_argument(
        "--write",
        action="store_true",
        help="open the host for changes: whoever has the address may change it",
    )
    dashboard.set_defaults(function=_dashboard)


def _add_run(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], connect: argparse.ArgumentParser
) -> None:
    run = commands.add_parser(
        "run",
        parents=[connect],
        help="run a runbook with nobody clicking",
        description="Run a runbook and keep the executed notebook as the record. The first line of the "
        "output is the record's path; how far it is goes to stderr. Ctrl-C interrupts the cell that runs, "
        "and a second one ends its kernel; the record is kept either way.",
    )
    run.add_argument("runbook", metavar="RUNBOOK", help="its name, such as 01_pool_setup, or a path")
    run.add_argument(
        "-p",
        dest="parameters",
        metavar="KEY=VALUE",
        type=_parameter,
        action="append",
        default=[],
        help="set one of its parameters; may be repeated",
    )
    run.add_argument(
        "--record",
        type=Path,
        metavar="PATH",
        help="a new file or a folder for the record; ~/.local/state/kvmnb/records without it",
    )
    run.set_defaults(function=_run)
