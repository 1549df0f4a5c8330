"""The fields of a form, read off an action's or a function's own declaration. Pure."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace, UnionType
from typing import Annotated, Any, Literal, Union, Unpack, get_args, get_origin, get_type_hints

import docstring_parser
import pandas as pd

from kvmnb.errors import BadValue
from kvmnb.storage.roles import Role
from kvmnb.units import parse_size

#: What a field holds once it is read; a form knows no others.
Value = str | int | bool

#: What stands in a widget: text, or a tick.
Entered = str | bool

#: Arguments that the form itself gives.
_OWN = {"host", "progress"}


@dataclasses.dataclass(frozen=True)
class Field:
    """One thing that a person fills in.

    Parameters
    ----------
    name : str
        The action's field, or the function's argument.
    role : Role
        What its value stands for.
    help : str
        One sentence, from the docstring.
    default : str, int, bool or None
        What it is without anybody saying so; None where somebody must.
    choices : tuple of str
        All that it may be; empty where it is free.
    flag : bool
        Whether it is yes or no.
    """

    name: str
    role: Role = Role.TEXT
    help: str = ""
    default: Value | None = None
    choices: tuple[str, ...] = ()
    flag: bool = False

    @property
    def required(self) -> bool:
        """Whether a person must say what it is."""
        return self.default is None

    @property
    def label(self) -> str:
        """What stands beside it."""
        if self.role is Role.CONFIRM:
            return "type its name"
        return f"type {self.name!r}" if self.role is Role.WORD else self.name.replace("_", " ")

    @property
    def initial(self) -> Entered:
        """What stands in it at first."""
        if self.flag:
            return bool(self.default)
        return "" if self.default in {None, 0} else str(self.default)

    def entry(self, value: object) -> Entered:
        """Give what a person would enter for a value, such as that of a row of a frame."""
        if self.flag:
            return bool(value)
        if self.role is Role.WORD and isinstance(value, bool):
            return self.name if value else ""
        return "" if value is None or pd.isna(value) else str(value)  # type: ignore[call-overload]

    def read(self, entered: Entered) -> Value | None:
        """Give what was entered as a value; None for nothing.

        Raises
        ------
        BadValue
            It cannot be read as what the field holds.
        """
        if self.flag:
            return bool(entered)
        text = str(entered)
        if not text:
            return None
        if self.role is Role.WORD:
            if text != self.name:
                raise BadValue(f"{text!r} is not the word", f"type {self.name} to say that you mean it")
            return True
        return parse_size(text) if self.role is Role.SIZE else text


def fields_of(maker: Callable[..., Any]) -> tuple[Field, ...]:
    """Read the fields of an action or of a function that plans or does something on a host.

    Parameters
    ----------
    maker : callable
        A frozen dataclass, or a function whose first argument is the host. Its docstring and its annotations
        say all there is to know: `kvmnb.storage.roles` has the roles.

    Returns
    -------
    tuple of Field
        In the order in which they are declared.
    """
    told = _told(maker)
    return tuple(_field(name, hint, default, told.get(name, "")) for name, hint, default in _declared(maker))


def _declared(maker: Callable[..., Any]) -> Iterator[tuple[str, Any, object]]:
    if dataclasses.is_dataclass(maker):
        hints = get_type_hints(maker, include_extras=True)
        for each in dataclasses.fields(maker):
            yield each.name, hints[each.name], None if each.default is dataclasses.MISSING else each.default
        return
    parameters = inspect.signature(maker).parameters.values()
    hints = _hints(maker)
    for one in parameters:
        hint = hints[one.name]
        if one.kind is one.VAR_KEYWORD:
            (extra,) = get_args(hint)
            yield from ((name, each, "") for name, each in get_type_hints(extra, include_extras=True).items())
        elif one.name not in _OWN:
            yield one.name, hint, None if one.default is one.empty else one.default


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Give the types of a function's arguments, not of what it returns: that may be there for mypy only."""
    said = {name: hint for name, hint in function.__annotations__.items() if name != "return"}
    names = vars(inspect.getmodule(function))
    return get_type_hints(SimpleNamespace(__annotations__=said), names, include_extras=True)


def _extras(function: Callable[..., Any]) -> list[type]:
    """Give the typed dictionary of the keywords that a function takes beyond those it names."""
    return [get_args(hint)[0] for hint in _hints(function).values() if get_origin(hint) is Unpack]


def _field(name: str, hint: object, default: object, help: str) -> Field:
    role, plain = Role.TEXT, hint
    if get_origin(hint) is Annotated:
        plain, *notes = get_args(hint)
        role = next(note for note in notes if isinstance(note, Role))
    kinds = get_args(plain) if get_origin(plain) in {Union, UnionType} else (plain,)
    choices = get_args(plain) if get_origin(plain) is Literal else ()
    if default is None and type(None) in kinds:
        default = ""
    if not (default is None or isinstance(default, Value)):
        raise TypeError(f"{name} has a default that no form can show: {default!r}")
    return Field(name, role, help, default, choices, flag=plain is bool and role is not Role.WORD)


def _told(maker: Callable[..., Any]) -> Mapping[str, str]:
    """Give what the docstring says of each field, also of those that an action has of its base."""
    told: dict[str, str] = {}
    documents = [*reversed(inspect.getmro(maker))] if inspect.isclass(maker) else [maker, *_extras(maker)]
    for documented in documents:
        parsed = docstring_parser.parse(documented.__doc__ or "", docstring_parser.DocstringStyle.NUMPYDOC)
        for each in parsed.params:
            words = " ".join((each.description or "").split()).replace("`", "")
            told |= dict.fromkeys(each.arg_name.split(", "), words)
    return told


def title_of(maker: Callable[..., Any]) -> str:
    """Give the first sentence of a docstring, without its full stop."""
    parsed = docstring_parser.parse(maker.__doc__ or "", docstring_parser.DocstringStyle.NUMPYDOC)
    words = " ".join((parsed.short_description or maker.__name__).split()).rstrip(".").replace("`", "")
    goal = words.removeprefix("Plan to ")
    return goal[:1].upper() + goal[1:]
