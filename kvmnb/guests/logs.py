"""The last lines of a guest's logs: why won't it boot."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kvmnb.errors import BadValue
from kvmnb.guests.asking import Answer, ask_files, guest_path
from kvmnb.guests.inside import inside
from kvmnb.host import Host
from kvmnb.schema import LOGS, returns

if TYPE_CHECKING:
    import pandas as pd

#: Where systems write why they do not start, whichever they are.
LOGS_OF_SYSTEMS = (
    "/var/log/messages",
    "/var/log/syslog",
    "/var/log/kern.log",
    "/var/log/dmesg",
    "/var/log/boot.log",
    "/var/log/cloud-init-output.log",
)
_JOURNAL = "/var/log/journal"
_FIELDS = ("MESSAGE", "SYSLOG_IDENTIFIER", "_COMM", "_PID")

#: Of a mounted file so many of its last bytes are read at most.
_TAIL = 1 << 20

_REASONS = {
    "empty": "there is nothing in it",
    "missing": "there is no such log",
    "no file": "it is no file, so that it was not opened",
    "damaged": "there are files of systemd's journal, of which no entry could be read",
    "binary": "it is systemd's journal, which is binary and could not be read by the appliance",
}


@returns(LOGS)
def tail_logs(host: Host, guest: str, lines: int = 20, device: str | None = None) -> pd.DataFrame:
    """Give the last lines of a guest's usual logs, whether it runs or not, and without FUSE.

    Reads only. systemd's journal is binary; it is read by the appliance, never by this machine.

    Parameters
    ----------
    host : Host
        A host whose images are on this machine.
    guest : str
        The guest's name.
    lines : int
        How many lines of each.
    device : str, optional
        As for `kvmnb.mount`; a file system that holds ``/var/log``.

    Raises
    ------
    kvmnb.errors.NotFound
        There is no such guest or device, or no system in it.
    kvmnb.errors.Refused
        A disk is missing, or is written to at the moment.
    """
    return _asked(host, guest, device, lines, logs=LOGS_OF_SYSTEMS, journals=[_JOURNAL])


@returns(LOGS)
def tail_file(host: Host, guest: str, path: str, lines: int = 20, device: str | None = None) -> pd.DataFrame:
    """Give the last lines of any text file of a guest, whether it runs or not, and without FUSE.

    Parameters
    ----------
    host, guest, lines, device
        As for `tail_logs`.
    path : str
        The file in the guest; its name must be UTF-8. Of a file at most the last MiB is read.

    Raises
    ------
    kvmnb.errors.BadValue
        The path cannot be asked for.
    kvmnb.errors.NotFound, kvmnb.errors.Refused
        As for `tail_logs`; a file that is not there is a row that says so.
    """
    where = guest_path(path)
    try:
        where.encode()
    except UnicodeEncodeError as error:
        raise BadValue(f"The name {where!r} is not UTF-8", "copy the file out instead") from error
    return _asked(host, guest, device, lines, logs=[where], journals=[])


@returns(LOGS)
def tail_mounted(root: Path, path: str, lines: int = 20) -> pd.DataFrame:
    """Give the last lines of a text file of a guest that is mounted.

    Parameters
    ----------
    root : Path
        What `kvmnb.mount` gave.
    path : str
        The file in the guest; links are followed within the guest. At most the last MiB is read.
    lines : int
        How many lines.

    Raises
    ------
    kvmnb.errors.BadValue, kvmnb.errors.NotFound
        As for `kvmnb.inside`.
    """
    _require_lines(lines)
    file = inside(root, path)
    answer: Answer = {"log": guest_path(path), "status": "no file"}
    if file.is_file():
        with file.open("rb") as opened:
            start = max(0, file.stat().st_size - _TAIL)
            opened.seek(start)
            answer |= {"status": "ok", "start": start, "text": os.fsdecode(opened.read(_TAIL))}
    told = ({**row, "guest": None, "source": "mount"} for row in _rows(answer, [], lines))
    return LOGS.build(told, guest=None, device=None, read_at=time.time_ns())


def _require_lines(lines: int) -> None:
    if lines < 1:
        raise BadValue(f"{lines} lines are no lines", "ask for at least one")


def _asked(
    host: Host, guest: str, device: str | None, lines: int, *, logs: Sequence[str], journals: Sequence[str]
) -> pd.DataFrame:
    _require_lines(lines)
    answers: list[Answer] = []
    asked: dict[str, Any] = {"logs": logs, "journals": journals, "lines": lines, "fields": _FIELDS}
    ask_files(host, guest, device, answers.append, task="logs", **asked)
    rows = [row for answer in answers if answer["event"] == "log" for row in _rows(answer, answers, lines)]
    told = ({**row, "guest": guest, "source": "appliance"} for row in rows)
    return LOGS.build(told, guest=guest, device=device, read_at=time.time_ns())


def _rows(answer: Answer, answers: list[Answer], lines: int) -> Iterator[dict[str, Any]]:
    log, status = answer["log"], answer["status"]
    if status == "ok":
        # A line ends with a newline only, whatever other characters a hostile guest writes.
        found = answer["text"].removesuffix("\n").split("\n") if answer["text"] else []
        if answer["start"] and len(found) > 1:
            found = found[1:]  # only the end of a long log is read, and it begins within a line
        found = found[-lines:]
        status = "ok" if found else "empty"
    elif status == "journal":
        found = [_entry(one) for one in answers if one["event"] == "journal" and one["log"] == log]
        status = "ok" if found else "damaged" if answer["damaged"] else "empty"
    else:
        found = []
    for number, line in enumerate(found):
        yield {"log": log, "number": number - len(found), "line": line, "status": "ok", "reason": None}
    if not found:
        reason = answer.get("reason") or _REASONS.get(status)
        if status == "binary":
            reason = f"{_REASONS[status]}: {answer['reason']}"
        yield {"log": log, "number": None, "line": None, "status": status, "reason": reason}


def _entry(answer: Answer) -> str:
    """Write an entry of the journal as journalctl does, in UTC."""
    fields = answer["fields"]
    when = datetime.fromtimestamp(answer["time"] / 1e6, UTC).isoformat(timespec="seconds")
    who = fields.get("SYSLOG_IDENTIFIER") or fields.get("_COMM") or "unknown"
    pid = f"[{fields['_PID']}]" if "_PID" in fields else ""
    return f"{when} {who}{pid}: {fields.get('MESSAGE', '')}"
