"""The goal of a function of the kit that is no action but does something, such as `kvmnb.copy_out`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from kvmnb.errors import KvmnbError, NotFound
from kvmnb.forms.fields import Entered, Field, fields_of, title_of
from kvmnb.forms.goals import Line, Look, Values, call_text
from kvmnb.host import Host
from kvmnb.storage.action import shell_line
from kvmnb.storage.apply import MakeProgress
from kvmnb.storage.audit import Deed
from kvmnb.storage.model import Problem

#: What a call is given: what stands in the form, and what was chosen elsewhere.
Arguments = Mapping[str, Any]


def _nothing() -> Arguments | None:
    return {}


def _unhindered(_host: Host, _arguments: Arguments) -> Iterator[Problem]:
    return iter(())


@dataclass(frozen=True)
class CallGoal:
    """A call of a function; made by `call_goal`.

    Parameters
    ----------
    call : callable
        What is called, with the host and with ``progress`` where it takes them.
    name : str
        The function's name in the kit.
    fields : tuple of Field
        What a person fills in: its arguments, but for those that are chosen elsewhere.
    title : str
        What it does.
    words : callable
        Says in one sentence what a call with some arguments does.
    command : callable
        Gives what an operator would type instead.
    problems : callable
        Gives what stands in the way, by what is there now.
    chosen : callable
        Gives the arguments that are chosen elsewhere than in the form; None as long as nothing is.
    needed : str
        What is to be chosen there, and where.
    cell : str
        The code around the call, which stands for ``{}``.
    undo : str or None
        As for `Look`.
    changes : bool
        Whether it wants a host that may be changed.
    unit : str
        What its progress counts.
    """

    call: Callable[..., pd.DataFrame]
    name: str
    fields: tuple[Field, ...]
    title: str
    words: Callable[[Arguments], str]
    command: Callable[[Arguments], list[str]]
    problems: Callable[[Host, Arguments], Iterable[Problem]] = _unhindered
    chosen: Callable[[], Arguments | None] = _nothing
    needed: str = ""
    cell: str = "report = {}"
    undo: str | None = None
    changes: bool = False
    unit: str = "B"

    def relevant(self, _entered: Mapping[str, Entered]) -> frozenset[str]:
        """Name the fields that matter: all of them."""
        return frozenset(each.name for each in self.fields)

    def suggest(self, _host: Host, _entered: Mapping[str, Entered]) -> dict[str, str]:
        """Propose nothing."""
        return {}

    def look(self, host: Host, values: Values) -> Look:
        """Say what it would do, without doing anything."""
        chosen = self.chosen()
        if chosen is None:
            return Look((), missing=(self.needed,))
        arguments = {**chosen, **values}
        line = Line(self.words(arguments), shell_line(self.command(arguments)))
        return Look((line,), tuple(self.problems(host, arguments)), self.undo)

    def _arguments(self, values: Values) -> dict[str, Any]:
        chosen = self.chosen()
        if chosen is None:
            raise NotFound(f"Nothing is chosen: {self.needed} is needed", "choose it, then apply again")
        return {**chosen, **values}

    def run(self, host: Host, values: Values, progress: MakeProgress) -> pd.DataFrame:
        """Call it, and write that to the audit log."""
        wanted = inspect.signature(self.call).parameters
        extra = {"progress": progress} if "progress" in wanted else {}
        first = (host,) if "host" in wanted else ()
        told = self._arguments(values)
        with host.noted(Deed(self.name, told, self.words(told), shell_line(self.command(told)))):
            return self.call(*first, **told, **extra)

    def code(self, values: Values) -> str:
        """Write it as a cell of a notebook."""
        takes_host = "host" in inspect.signature(self.call).parameters
        return self.cell.format(call_text(self.name, self._arguments(values), host=takes_host))


def call_goal(
    function: Callable[..., pd.DataFrame],
    words: Callable[[Arguments], str],
    command: Callable[[Arguments], list[str]],
    *,
    leave_out: Iterable[str] = (),
    declared: Callable[..., Any] | None = None,
    **how: Any,  # noqa: ANN401 - the rest of a CallGoal
) -> CallGoal:
    """Make the goal of a function, with fields from its signature and words from its docstring.

    Parameters
    ----------
    function : callable
        What is called.
    words, command
        As for `CallGoal`.
    leave_out : iterable of str
        Arguments that are no fields, because they are chosen elsewhere.
    declared : callable, optional
        The kit's function that it stands for, whose signature and docstring count; itself without it.
    **how
        As for `CallGoal`.

    Returns
    -------
    CallGoal
    """
    told = declared or function
    left = set(leave_out)
    fields = tuple(field for field in fields_of(told) if field.name not in left)
    return CallGoal(function, told.__name__, fields, title_of(told), words, command, **how)


def stands_in_the_way(trial: Callable[[], object], field: str = "") -> Iterator[Problem]:
    """Give what an error of a trial says, as the problem of a field.

    Parameters
    ----------
    trial : callable
        Looks whether something could be done.
    field : str
        The field that it belongs to.

    Yields
    ------
    Problem
        One, where it raised a `KvmnbError`.
    """
    try:
        trial()
    except KvmnbError as error:
        yield Problem(error.what, error.remedy, field)
