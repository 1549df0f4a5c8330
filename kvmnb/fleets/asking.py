"""Asking one host of a fleet, in whatever process that is to happen.

A libvirt call that hangs cannot be stopped. So each question is asked by a daemonic thread of its own, which
is left behind when its time is over, and nothing more is asked of a host that owes an answer.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import libvirt

from kvmnb.errors import KvmnbError, NotFound, Unreachable
from kvmnb.fleets.threads import fulfil
from kvmnb.host import connect

if TYPE_CHECKING:
    import pandas as pd

#: How long a host that owes an answer is let alone, in seconds, before one more question is tried: what
#: hangs on a connection that is lost hangs for ever, though the host may long be back.
LET_ALONE = 600.0


@dataclass(frozen=True, slots=True)
class Question:
    """What one host is asked; can be sent to another process or machine.

    Parameters
    ----------
    label : str
        What the host is called.
    uri : str
        Where it answers.
    method : str
        The method of `kvmnb.Host` that reads a frame.
    options : mapping
        The method's arguments.
    timeout : float
        How long connecting may take, in seconds.
    patience : float
        How long all of it may take, in seconds.
    identity : str
        Tells it from every other question: Dask gives equal calls the answer that it has already.
    """

    label: str
    uri: str
    method: str
    options: Mapping[str, Any]
    timeout: float
    patience: float
    identity: str = field(default_factory=lambda: uuid4().hex)


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a question.

    Parameters
    ----------
    frame : pandas.DataFrame or None
        What the host has; None where it could not be read.
    status : str
        ``ok``; ``unreachable``; ``timed out``; ``not found``: it has no pool or guest of that name;
        ``unreadable``; ``not asked``: whoever was to ask it could not.
    problem : str
        Why it could not be read; empty where it could.
    """

    frame: pd.DataFrame | None = None
    status: str = "ok"
    problem: str = ""


def ask(question: Question) -> Answer:
    """Ask a host, and wait for its answer as long as the question says.

    The time counts from here: waiting for a free thread or worker is not the host's fault.

    Parameters
    ----------
    question : Question
        What to ask.

    Returns
    -------
    Answer
        Also where the host cannot be reached, does not answer in time, or cannot be read.
    """
    owing = _owing(question.uri)
    if owing is not None:
        return Answer(status="timed out", problem=owing)
    return _Reading(question).wait()


class _Reading:
    """One question under way."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self._answer: Future[Answer] = Future()
        self._connected = Event()
        self._began = time.monotonic()
        self._thread = Thread(target=self._run, name=f"kvmnb {question.label}", daemon=True)
        _under_way.add(self)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it has not come back yet; a process that was forked has no thread of its parent's."""
        return self._thread.is_alive()

    @property
    def age(self) -> float:
        """How long ago it was asked, in seconds."""
        return time.monotonic() - self._began

    @property
    def late(self) -> bool:
        """Whether its time is over."""
        asked = self.question
        return self.age > (asked.patience if self._connected.is_set() else asked.timeout)

    def wait(self) -> Answer:
        """Wait for the answer, or until its time is over."""
        asked = self.question
        if not self._connected.wait(asked.timeout):
            problem = f"{asked.uri} did not let anyone connect within {asked.timeout:g} s"
            return Answer(status="timed out", problem=problem)
        try:
            return self._answer.result(max(0.0, asked.patience - self.age))
        except TimeoutError:
            problem = f"{asked.uri} could be connected to, but was not read within {asked.patience:g} s"
            return Answer(status="timed out", problem=problem)

    def _run(self) -> None:
        try:
            fulfil(self._answer, self._read)
        finally:
            self._connected.set()
            _under_way.discard(self)

    def _read(self) -> Answer:
        asked = self.question
        try:
            with connect(asked.uri) as host:
                self._connected.set()
                return Answer(getattr(host, asked.method)(**asked.options))
        except (KvmnbError, OSError, libvirt.libvirtError) as error:
            return Answer(status=_status(error), problem=str(error))


#: What this process has asked and waits for, or has given up waiting for. Adding, discarding and copying are
#: each one step of the interpreter's, so no lock is needed, and none can be held while a process is forked.
_under_way: set[_Reading] = set()


def _status(error: Exception) -> str:
    if isinstance(error, Unreachable):
        return "unreachable"
    return "not found" if isinstance(error, NotFound) else "unreadable"


def _owing(uri: str) -> str | None:
    """Say that the host owes an answer to an earlier question whose time is over; None where it does not."""
    left = [one for one in _under_way.copy() if one.question.uri == uri and one.alive]
    ages = [one.age for one in left if one.late]
    if not ages or min(ages) > LET_ALONE:
        return None
    return (
        f"{uri} still owes the answer to what it was asked {max(ages):.0f} s ago, and was not asked anew: a "
        f"libvirt call that hangs cannot be stopped. It is asked again when that one has come back, or "
        f"{LET_ALONE:.0f} s after it was last asked"
    )
