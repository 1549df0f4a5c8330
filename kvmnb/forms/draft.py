"""From what stands in a form to what may be done: values, problems beside their fields, and the code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from kvmnb.errors import BadValue, KvmnbError
from kvmnb.forms.fields import Entered, Field, Value
from kvmnb.forms.goals import Goal, Look
from kvmnb.host import Host
from kvmnb.storage.model import Problem
from kvmnb.storage.roles import Role

#: Fields that name what is worked on, the most telling first.
_NAMING = ("name", "path", "source", "guest", "pool")

_READING_ONLY = (
    "This host was opened for reading, so that nothing can be changed. "
    "Open it with kvmnb.connect(readonly=False)."
)


@dataclass(frozen=True)
class Draft:
    """What came of what was entered.

    Parameters
    ----------
    values : mapping of str to value
        What could be read; fields that are as they would be anyway are left out.
    look : Look or None
        What would be done; None as long as something is missing or cannot be read.
    beside : mapping of str to tuple of str
        Per field the problems that belong to it.
    elsewhere : tuple of str
        Problems that belong to no field.
    notes : tuple of str
        What to know before; it stops nothing.
    missing : tuple of str
        Labels of fields that are still empty, and what is still to be chosen elsewhere.
    word : str
        What must be typed once more, because it cannot be undone; empty where nothing must.
    code : str
        The cell that does the same; empty as long as it does not do anything.
    meant : bool
        Whether the word was typed, where one must.
    """

    values: Mapping[str, Value] = field(default_factory=dict)
    look: Look | None = None
    beside: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    elsewhere: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    word: str = ""
    code: str = ""
    meant: bool = True

    @property
    def ready(self) -> bool:
        """Whether nothing stands in the way, and there is something to do."""
        stops = self.beside or self.elsewhere or self.missing
        return self.look is not None and not stops and self.meant and not self.look.already


def check_draft(goal: Goal, host: Host, entered: Mapping[str, Entered], word: str = "") -> Draft:
    """Read what stands in a form, and look at what it would do. Changes nothing.

    Parameters
    ----------
    goal : Goal
        What the form is for.
    host : Host
        Where.
    entered : mapping of str to str or bool
        What stands in each field.
    word : str
        What was typed to confirm, where the form asks for it.

    Returns
    -------
    Draft
        Never an error of what was entered: that is a problem, beside its field.
    """
    relevant = goal.relevant(entered)
    fields = [each for each in goal.fields if each.name in relevant]
    values, beside, missing = _read(fields, entered)
    if beside or missing:
        return Draft(values, beside=beside, missing=missing)
    try:
        look = goal.look(host, values)
    except KvmnbError as error:
        return Draft(values, elsewhere=(str(error),))
    if look.missing:
        return Draft(values, missing=look.missing)
    refused = [problem for problem in look.problems if problem.severity == "refuse"]
    beside, elsewhere = _placed(refused, goal.fields)
    if goal.changes and host.readonly:
        elsewhere = (*elsewhere, _READING_ONLY)
    wanted = "" if refused else _word(fields, values, look)
    return Draft(
        values,
        look,
        beside,
        elsewhere,
        tuple(str(problem) for problem in look.problems if problem.severity == "warn"),
        word=wanted,
        code=goal.code(values),
        meant=not wanted or word == wanted,
    )


def _read(
    fields: Iterable[Field], entered: Mapping[str, Entered]
) -> tuple[dict[str, Value], dict[str, tuple[str, ...]], tuple[str, ...]]:
    values: dict[str, Value] = {}
    beside: dict[str, tuple[str, ...]] = {}
    missing: list[str] = []
    for each in fields:
        try:
            value = each.read(entered.get(each.name, each.initial))
        except BadValue as error:
            beside[each.name] = (str(error),)
            continue
        if value is None and each.required:
            missing.append(each.label)
        elif value is None and each.default and isinstance(each.default, str):
            values[each.name] = ""  # emptied on purpose: that is not the same as left alone
        elif value is not None and value != each.default:
            values[each.name] = value
    return values, beside, tuple(missing)


def _placed(
    problems: Iterable[Problem], fields: Iterable[Field]
) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """Put each problem beside its field; a recipe may call a field of its actions by another name."""
    names = {each.name: each.name for each in fields}
    for each in fields:
        if each.role in {Role.POOL, Role.NEW_POOL}:
            names.setdefault("pool", each.name)
    beside: dict[str, tuple[str, ...]] = {}
    elsewhere: dict[str, None] = {}
    for problem in problems:
        name = names.get(problem.field)
        if name is None:
            elsewhere[str(problem)] = None
        elif str(problem) not in beside.get(name, ()):
            beside[name] = (*beside.get(name, ()), str(problem))
    return beside, tuple(elsewhere)


def _word(fields: Iterable[Field], values: Mapping[str, Value], look: Look) -> str:
    """Give the name that must be typed: of what cannot be undone, where no field asks for it already."""
    asked = any(each.role in {Role.CONFIRM, Role.WORD} and values.get(each.name) for each in fields)
    if look.undo != "" or look.already or asked:
        return ""
    found = next((str(values[name]) for name in _NAMING if values.get(name)), "yes")
    return PurePosixPath(found).name or found
