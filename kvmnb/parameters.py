"""The parameters of a runbook: which it has, and texts read as the kind of value that it has there."""

from __future__ import annotations

import json
from ast import literal_eval
from collections.abc import Mapping
from pathlib import Path

import papermill

from kvmnb.errors import BadValue
from kvmnb.record_files import load

_WORDS: dict[str, object] = {"true": True, "false": False, "none": None, "null": None}


def fit(runbook: Path, given: Mapping[str, object]) -> dict[str, object]:
    """Check values against the parameters of a runbook.

    Parameters
    ----------
    runbook : pathlib.Path
        The notebook; its parameters are what the cell with the tag ``parameters`` assigns.
    given : mapping
        The values by name. A text is read as the kind of value that the runbook has there.

    Returns
    -------
    dict
        The values to set.

    Raises
    ------
    BadValue
        The runbook has no such parameter, or not of that kind.
    """
    notebook = load(runbook)
    # Runbooks are run by this Python, whatever kernel they name, if any.
    notebook.metadata["kernelspec"] = {"name": "python3", "language": "python", "display_name": "Python 3"}
    known = papermill.inspect_notebook(notebook)
    for name in given:
        if name not in known:
            has = ", ".join(f"{one}={about['default']}" for one, about in known.items()) or "none"
            what = f"The runbook {runbook.stem!r} has no parameter {name!r}"
            raise BadValue(what, f"its parameters and their defaults are: {has}")
    return {name: _read(name, value, known[name]["default"]) for name, value in given.items()}


def _read(name: str, value: object, source: str) -> object:
    """Read a value as the kind of the default, whose source text is given."""
    try:
        default = literal_eval(source)
    except (ValueError, SyntaxError):
        default = None  # an expression, or one of several lines: its kind is not known here
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise BadValue(f"The value of {name!r} is not UTF-8", "give a text that is") from None
        if isinstance(default, str):
            return value
        value = _literal(value)
    problem = _misfit(value, default)
    if problem:
        raise BadValue(f"The parameter {name!r} cannot be {value!r}", f"give {problem}, such as {default}")
    return value


def _literal(text: str) -> object:
    """Read a number, true, false, null or a list; anything else is the text itself, as 10G and 0755 are."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        return json.loads(text, parse_constant=str)
    except (ValueError, RecursionError):
        return text


def _misfit(value: object, default: object) -> str | None:
    """Say what kind of value the parameter takes, where this one is of another."""
    # To Python, True is a whole number.
    is_flag = isinstance(value, bool)
    if isinstance(default, bool):
        return None if is_flag else "true or false"
    if isinstance(default, int):
        return None if isinstance(value, int) and not is_flag else "a whole number"
    if isinstance(default, float):
        return None if isinstance(value, int | float) and not is_flag else "a number"
    return None
