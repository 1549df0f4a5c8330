"""The examples in docstrings give what they say."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import kvmnb

_PACKAGE = Path(kvmnb.__file__).parent
_WITH_EXAMPLES = sorted(
    ".".join(path.relative_to(_PACKAGE.parent).with_suffix("").parts)
    for path in _PACKAGE.rglob("*.py")
    if "\n    >>> " in (text := path.read_text()) and "+SKIP" not in text
)


@pytest.mark.parametrize("name", _WITH_EXAMPLES)
def test_examples_give_what_they_say(name: str) -> None:
    told = doctest.testmod(import_module(name))
    assert told.attempted
    assert not told.failed
