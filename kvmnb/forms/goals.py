"""What a form is for: an action, a recipe or a call, with its fields, what it would do, and its code.

A goal never talks to libvirt itself: it makes an action or a plan, and hands it to the host.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import pandas as pd

from kvmnb.forms.fields import Entered, Field, Value, fields_of, title_of
from kvmnb.host import Host
from kvmnb.storage.action import Action, shell_line
from kvmnb.storage.actions import NEEDS, DownloadVolume, RefreshPool
from kvmnb.storage.actions.pool_definition import TAKES
from kvmnb.storage.apply import MakeProgress
from kvmnb.storage.model import Problem
from kvmnb.storage.plan import Plan
from kvmnb.storage.roles import Role

#: What leaves nothing that would have to be undone.
_LASTING_NOTHING = (RefreshPool, DownloadVolume)

Values = Mapping[str, Value]


@dataclass(frozen=True)
class Line:
    """One thing that would be done.

    Parameters
    ----------
    words : str
        One sentence.
    command : str
        What an operator would type.
    already : bool
        Whether it is so already.
    """

    words: str
    command: str
    already: bool = False


@dataclass(frozen=True)
class Look:
    """What a goal would do, by what is there now.

    Parameters
    ----------
    lines : tuple of Line
        The steps, in order.
    problems : tuple of Problem
        Refusals and warnings, each with the field that it belongs to.
    undo : str or None
        What would undo it, in words; empty where it cannot be undone, None where there is nothing to undo.
    missing : tuple of str
        What is still to be chosen elsewhere than in the form.
    """

    lines: tuple[Line, ...]
    problems: tuple[Problem, ...] = ()
    undo: str | None = None
    missing: tuple[str, ...] = ()

    @property
    def already(self) -> bool:
        """Whether all of it is so already."""
        return bool(self.lines) and all(line.already for line in self.lines)


class Goal(Protocol):
    """What a form is made for."""

    @property
    def title(self) -> str:
        """What it does, in a few words."""

    @property
    def fields(self) -> tuple[Field, ...]:
        """What a person fills in."""

    @property
    def changes(self) -> bool:
        """Whether it changes the host, which wants one that was opened for it."""

    @property
    def unit(self) -> str:
        """What its progress counts: ``B`` for bytes, else a word."""

    def relevant(self, entered: Mapping[str, Entered]) -> frozenset[str]:
        """Name the fields that matter, by what has been entered so far."""

    def suggest(self, host: Host, entered: Mapping[str, Entered]) -> dict[str, str]:
        """Propose values for fields that nobody has touched yet."""

    def look(self, host: Host, values: Values) -> Look:
        """Say what it would do, without doing anything."""

    def run(self, host: Host, values: Values, progress: MakeProgress) -> pd.DataFrame:
        """Do it, and give what there is to see afterwards."""

    def code(self, values: Values) -> str:
        """Write it as a cell of a notebook."""


def call_text(name: str, values: Values, *, host: bool) -> str:
    """Write a call of the kit's as code."""
    words = [f"{key}={value!r}" for key, value in values.items()]
    return f"kvmnb.{name}({', '.join([*(['host'] if host else []), *words])})"


def _none(_host: Host, _entered: Mapping[str, Entered]) -> dict[str, str]:
    return {}


@dataclass(frozen=True)
class PlanGoal:
    """An action, or a recipe that makes a plan; made by `goal_of`.

    Parameters
    ----------
    maker : callable
        The action's class, or the recipe.
    fields : tuple of Field
        What it is made of.
    title : str
        What it does.
    suggestions : callable
        Proposes values for fields that nobody has touched.
    """

    maker: Callable[..., Any]
    fields: tuple[Field, ...]
    title: str
    suggestions: Callable[[Host, Mapping[str, Entered]], dict[str, str]] = field(default=_none)
    changes: bool = True
    unit: str = "B"

    def relevant(self, entered: Mapping[str, Entered]) -> frozenset[str]:
        """Name the fields that matter: of a pool those that its type takes."""
        names = frozenset(field.name for field in self.fields)
        kind = next((field.name for field in self.fields if field.role is Role.POOL_TYPE), None)
        taken = str(entered.get(kind, "")) if kind else ""
        if taken not in NEEDS:
            return names
        optional = {name for kinds in (*NEEDS.values(), *TAKES.values()) for name in kinds}
        return names - (optional - {*NEEDS[taken], *TAKES[taken]})

    def suggest(self, host: Host, entered: Mapping[str, Entered]) -> dict[str, str]:
        """Propose values for fields that nobody has touched yet."""
        return self.suggestions(host, entered)

    def plan(self, host: Host, values: Values) -> Plan:
        """Make the plan, checked against the host as it is now."""
        if inspect.isclass(self.maker):
            return host.plan(cast("Action", self.maker(**values)))
        return cast("Plan", self.maker(host, **values))

    def look(self, host: Host, values: Values) -> Look:
        """Say what it would do, without doing anything."""
        return look_at(self.plan(host, values))

    def run(self, host: Host, values: Values, progress: MakeProgress) -> pd.DataFrame:
        """Do it, checked anew, and give the verified frame."""
        return host.apply(self.plan(host, values), progress=progress)

    def code(self, values: Values) -> str:
        """Write it as a cell of a notebook."""
        recipe = not inspect.isclass(self.maker)
        return f"report = host.apply({call_text(self.maker.__name__, values, host=recipe)})"


def look_at(plan: Plan) -> Look:
    """Say what a plan would do."""
    lines = tuple(
        Line(step.action.describe(), shell_line(step.action.command()), step.already) for step in plan
    )
    return Look(lines, tuple(problem for step in plan for problem in step.problems), _undo(plan))


def _undo(plan: Plan) -> str | None:
    """Say what would undo a plan: nothing at all unless every step of it can be undone."""
    steps = [step for step in plan if not step.already and not isinstance(step.action, _LASTING_NOTHING)]
    if not steps:
        return None
    if not all(step.undo for step in steps):
        return ""
    return "; ".join(action.describe() for step in reversed(steps) for action in step.undo)


def goal_of(
    maker: Callable[..., Any],
    suggestions: Callable[[Host, Mapping[str, Entered]], dict[str, str]] = _none,
) -> PlanGoal:
    """Make the goal of an action or a recipe."""
    return PlanGoal(maker, fields_of(maker), title_of(maker), suggestions)


class UndoGoal:
    """Undoing what a plan has done, as far as it can be undone.

    Parameters
    ----------
    report : pandas.DataFrame
        What `Host.apply` returned.
    """

    changes = True
    unit = "B"

    def __init__(self, report: pd.DataFrame) -> None:
        self._report = report
        wants_name = any("confirm" in one["fields"] for one in report.attrs["undo"])
        help_ = "The name of what goes away again: somebody may have put something on it since."
        self.fields = (Field("confirm", Role.CONFIRM, help_, ""),) if wants_name else ()
        self.title = f"Undo: {report.attrs['title']}"

    def relevant(self, _entered: Mapping[str, Entered]) -> frozenset[str]:
        """Name the fields that matter: all of them."""
        return frozenset(each.name for each in self.fields)

    def suggest(self, _host: Host, _entered: Mapping[str, Entered]) -> dict[str, str]:
        """Propose nothing."""
        return {}

    def _plan(self, host: Host, values: Values) -> Plan:
        return host.undo(self._report, confirm=str(values.get("confirm", "")))

    def look(self, host: Host, values: Values) -> Look:
        """Say what it would do, without doing anything."""
        look = look_at(self._plan(host, values))
        # That it cannot be undone in turn goes without saying; where a name is wanted, there is a field.
        return Look(look.lines, look.problems, look.undo or None)

    def run(self, host: Host, values: Values, progress: MakeProgress) -> pd.DataFrame:
        """Undo it, checked anew, and give the verified frame."""
        return host.apply(self._plan(host, values), progress=progress)

    def code(self, values: Values) -> str:
        """Write it as a cell of a notebook; the report is that of the cell before."""
        confirm = f", confirm={values['confirm']!r}" if values.get("confirm") else ""
        return f"host.apply(host.undo(report{confirm}))"
