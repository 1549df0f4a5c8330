"""A plan: actions in order, checked as a whole before the first of them is run. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import overload

import pandas as pd

from kvmnb.errors import Refused
from kvmnb.schema import CHECKS, PLAN
from kvmnb.storage.action import Action, shell_line
from kvmnb.storage.model import Inventory, Problem, refusals


@dataclass(frozen=True)
class Step:
    """One action of a plan, as it stood when the plan was checked.

    Parameters
    ----------
    action : Action
        What is to be done.
    already : bool
        Whether it is so already, or will be by then.
    problems : tuple of Problem
        Refusals and warnings.
    undo : tuple of Action
        What would undo it; none where it cannot be undone, or is not to be done.
    """

    action: Action
    already: bool
    problems: tuple[Problem, ...]
    undo: tuple[Action, ...] = ()

    @property
    def refused(self) -> tuple[Problem, ...]:
        """The problems that stop it."""
        return refusals(self.problems)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """The problems that do not."""
        return tuple(problem for problem in self.problems if problem.severity == "warn")


def _printable(line: str) -> str:
    """Escape what a terminal would obey rather than show."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in line)


@dataclass(frozen=True)
class Plan(Sequence[Step]):
    """Actions in order, with what was found when they were checked against a host.

    Shows itself as a table: words, command lines, what is already so, problems. `Host.apply` runs it.

    Parameters
    ----------
    title : str
        What it is for.
    steps : tuple of Step
        The actions, checked.
    undo_on_failure : bool
        Whether a failing step has the steps before it undone.
    """

    title: str
    steps: tuple[Step, ...]
    undo_on_failure: bool = True

    @property
    def actions(self) -> tuple[Action, ...]:
        """The actions in order."""
        return tuple(step.action for step in self.steps)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Every problem that stops it; none means that it may be applied."""
        return tuple(problem for step in self.steps for problem in step.refused)

    def require(self) -> None:
        """Stop here, with nothing changed, where anything stands in the way.

        Raises
        ------
        kvmnb.errors.Refused
            The plan has problems; the error names each.
        """
        if self.problems:
            raise refusal(self.problems)

    @property
    def frame(self) -> pd.DataFrame:
        """The plan as a DataFrame, one row per step."""
        return PLAN.build(
            {
                "step": number,
                "what": step.action.describe(),
                "command": shell_line(step.action.command()),
                "already": step.already,
                "problems": tuple(map(str, step.refused)),
                "warnings": tuple(map(str, step.warnings)),
            }
            for number, step in enumerate(self.steps, 1)
        )

    @property
    def checks(self) -> pd.DataFrame:
        """What must be true first, as the `kvmnb.schema.CHECKS` frame: one row per step."""
        return CHECKS.build(
            {
                "check": step.action.describe(),
                "ok": not step.refused,
                "found": _found(step),
                "remedy": "; ".join(problem.remedy for problem in step.refused) or None,
            }
            for step in self.steps
        )

    @overload
    def __getitem__(self, index: int) -> Step: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Step]: ...
    def __getitem__(self, index: int | slice) -> Step | Sequence[Step]:
        return self.steps[index]

    def __len__(self) -> int:
        return len(self.steps)

    def _lines(self) -> Iterator[tuple[str, str, str, list[str]]]:
        """Give per step its number, words, command line, and what is to be said of it."""
        for number, step in enumerate(self.steps, 1):
            notes = ["already so: nothing to do"] if step.already else []
            notes += [f"PROBLEM: {problem}" for problem in step.refused]
            notes += [f"note: {problem}" for problem in step.warnings]
            yield str(number), step.action.describe(), shell_line(step.action.command()), notes

    def _verdict(self) -> str:
        if not self.steps:
            return "nothing to do"
        if self.problems:
            count = len(self.problems)
            return f"{count} problem{'s' if count > 1 else ''}: nothing will be done"
        left = sum(not step.already for step in self.steps)
        return f"{left} of {len(self)} steps to do" if left else "all of it is already so: nothing to do"

    @property
    def _single(self) -> bool:
        """Whether the plan is one action under its own words, which then need not be said twice."""
        return len(self) == 1 and self.title == self.steps[0].action.describe()

    def __repr__(self) -> str:
        if self._single:
            _, words, command, notes = next(self._lines())
            lines = [f"Plan: {words}", f"  {command}", *(f"  {note}" for note in notes or ["to do"])]
            return "\n".join(map(_printable, lines))
        lines = [f"Plan: {self.title} ({self._verdict()})"]
        for number, words, command, notes in self._lines():
            lines += [f"{number:>3}. {words}", f"       {command}", *(f"       {note}" for note in notes)]
        return "\n".join(map(_printable, lines))

    def _repr_html_(self) -> str:
        def row(tag: str, number: str, does: str, now: str) -> str:
            # An element inside the cell, because themes align the cell itself and GitHub drops styles.
            cells = (f"<{tag}><div align='left'>{text}</div></{tag}>" for text in (number, does, now))
            return f"<tr>{''.join(cells)}</tr>"

        head = row("th", "step", "what it does, and as a command", "now")
        rows = "".join(
            row(
                "td",
                number,
                f"{escape(words)}<br><code>{escape(command)}</code>",
                "<br>".join(map(escape, notes)) or "to&nbsp;do",
            )
            for number, words, command, notes in self._lines()
        )
        title = "" if self._single else f"<p><b>{escape(self.title)}</b>: {escape(self._verdict())}</p>"
        return f"{title}<table><thead>{head}</thead><tbody>{rows}</tbody></table>"


def refusal(problems: tuple[Problem, ...]) -> Refused:
    """Make the error that names every problem."""
    first, *others = problems
    more = "".join(f".\nAlso: {str(problem).rstrip('.')}" for problem in others)
    return Refused(f"Nothing was changed. {first.reason}", first.remedy + more, problems)


def _found(step: Step) -> str:
    if step.refused:
        return "; ".join(problem.reason for problem in step.refused)
    if step.already:
        return "is so already"
    return "; ".join(["can be done", *(problem.reason for problem in step.warnings)])


def check(title: str, actions: Sequence[Action], seen: Inventory, *, undo_on_failure: bool = True) -> Plan:
    """Check actions against an inventory, each as if those before it were done.

    Parameters
    ----------
    title : str
        What they are for.
    actions : sequence of Action
        In the order in which they are to be run.
    seen : Inventory
        What was read of the host.
    undo_on_failure : bool
        Whether a failing step has the steps before it undone.

    Returns
    -------
    Plan
        Nothing has been done.
    """
    steps = []
    for action in actions:
        already = action.already(seen)
        # What is so already is not done again, so nothing can stand in its way.
        problems = () if already else tuple(action.problems(seen))
        undo = () if already or refusals(problems) else action.inverse(seen)
        steps.append(Step(action, already, problems, undo))
        seen = seen if already else action.assume(seen)
    return Plan(title, tuple(steps), undo_on_failure)
