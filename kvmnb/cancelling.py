"""Stopping work from another thread: what a form's Cancel does, as Ctrl-C does for a cell. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Event

from kvmnb.errors import Cancelled

_asked: ContextVar[Event | None] = ContextVar("kvmnb_cancelling", default=None)


@contextmanager
def cancellable(asked: Event) -> Iterator[None]:
    """Let the work inside be stopped by setting an event.

    Parameters
    ----------
    asked : threading.Event
        Set by another thread.
    """
    token = _asked.set(asked)
    try:
        yield
    finally:
        _asked.reset(token)


@contextmanager
def uncancellable() -> Iterator[None]:
    """Let the work inside come to its end: what has been half made is put right, whatever was asked for."""
    token = _asked.set(None)
    try:
        yield
    finally:
        _asked.reset(token)


def stop_event() -> Event | None:
    """Give the event that stops the work that this thread is doing; None where nobody can."""
    return _asked.get()


def is_cancelled() -> bool:
    """Tell whether the work that this thread is doing is to stop."""
    asked = _asked.get()
    return asked is not None and asked.is_set()


def check_cancelled() -> None:
    """Stop here where that was asked for.

    Raises
    ------
    kvmnb.errors.Cancelled
        It was.
    """
    if is_cancelled():
        raise Cancelled("It was cancelled", "ask again if you still want it")
