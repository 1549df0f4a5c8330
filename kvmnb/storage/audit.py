"""The audit log: one line of JSON before every change, and one after."""

from __future__ import annotations

import getpass
import json
import os
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from kvmnb.errors import KvmnbError
from kvmnb.schema import AUDIT
from kvmnb.storage.action import Action, shell_line


class AuditFailed(KvmnbError, OSError):
    """The audit log cannot be written or read; without it nothing is changed."""


def default_path() -> Path:
    """Give where the log is: ``KVMNB_AUDIT_LOG``, else ``kvmnb/audit.jsonl`` in the user's state folder."""
    told = os.environ.get("KVMNB_AUDIT_LOG")
    if told:
        return Path(told)
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "kvmnb" / "audit.jsonl"


def user_name() -> str:
    """Give the user's name; in a container with a user id that has none, the id."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


@dataclass(frozen=True)
class Deed:
    """What is written down of something that is done.

    Parameters
    ----------
    action : str
        The name of the action, or of the kit's function.
    fields : mapping
        What it was given.
    what : str
        What it does, in words.
    command : str
        The line that an operator would type.
    """

    action: str
    fields: Mapping[str, Any]
    what: str
    command: str

    @classmethod
    def of(cls, action: Action) -> Deed:
        """Give what is written down of an action."""
        told = asdict(action)  # type: ignore[call-overload]
        return cls(type(action).__name__, told, action.describe(), shell_line(action.command()))


@dataclass(frozen=True)
class Audit:
    """The log of one host's changes.

    Parameters
    ----------
    path : Path
        The file; it is made, with its folder, at the first change.
    host, uri : str
        Kept with every line.
    """

    path: Path
    host: str
    uri: str

    def intent(self, action: Action | Deed) -> str:
        """Write that something is about to be done.

        Returns
        -------
        str
            An id that joins this line with the action's outcome.
        """
        identity = uuid.uuid4().hex
        self._write(identity, "intent", action)
        return identity

    def outcome(self, identity: str, event: str, action: Action | Deed, error: str | None = None) -> None:
        """Write what became of it."""
        self._write(identity, event, action, error)

    @contextmanager
    def noted(self, deed: Deed) -> Iterator[None]:
        """Write what is about to be done, and what became of it."""
        identity = self.intent(deed)
        try:
            yield
        except BaseException as error:
            self.outcome(identity, "failed", deed, str(error) or type(error).__name__)
            raise
        self.outcome(identity, "done", deed)

    def _write(self, identity: str, event: str, action: Action | Deed, error: str | None = None) -> None:
        deed = action if isinstance(action, Deed) else Deed.of(action)
        line = {
            "time": time.time_ns(),
            "user": user_name(),
            "host": self.host,
            "uri": self.uri,
            "event": event,
            "action": deed.action,
            "fields": deed.fields,
            "what": deed.what,
            "command": deed.command,
            "error": error,
            "id": identity,
        }
        data = (json.dumps(line, ensure_ascii=True) + "\n").encode()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # One write of one line to a file opened for appending: lines of two writers do not mix.
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                if os.write(descriptor, data) != len(data):
                    raise AuditFailed(
                        f"The audit log {self.path} could not take a whole line", "free some space"
                    )
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error_:
            if isinstance(error_, AuditFailed):
                raise
            raise AuditFailed(
                f"The audit log {self.path} cannot be written: {error_.strerror}",
                "make it writable, or name another file in KVMNB_AUDIT_LOG",
            ) from error_


def read(path: Path) -> pd.DataFrame:
    """Read an audit log.

    Parameters
    ----------
    path : Path
        The file; one that does not exist is an empty log.

    Returns
    -------
    pandas.DataFrame
        The `kvmnb.schema.AUDIT` frame, oldest first. A line that was cut off, as by a full disk, is a row
        with ``event`` "unreadable".
    """
    if not path.exists():
        return AUDIT.empty()
    rows: list[dict[str, Any]] = []
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise AuditFailed(
            f"The audit log {path} cannot be read: {error.strerror}", "name a file that you may read"
        ) from error
    for text in lines:
        try:
            line = json.loads(text)
        except json.JSONDecodeError:
            line = {"event": "unreadable", "error": text[:200]}
        line.setdefault("command", line.get("virsh"))  # its key before there were lines of qemu-img
        rows.append({name: line.get(name) for name in AUDIT.names})
    return AUDIT.build(rows)
