"""What an action is, and how what it leaves behind is compared with what was expected."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import libvirt

from kvmnb.storage.model import Inventory, Problem
from kvmnb.storage.streams import Progress


@dataclass(frozen=True)
class Expectation:
    """Something that must be true after an action.

    Parameters
    ----------
    check : str
        What is looked at, as in "state of pool 'vmdisk'".
    expected : str or callable
        What it is to be; a callable works it out from a fresh inventory and gives None where it can't.
    actual : callable
        Reads what it is from a fresh inventory; None where it cannot be known.
    """

    check: str
    expected: str | Callable[[Inventory], str | None]
    actual: Callable[[Inventory], str | None]

    def compare(self, seen: Inventory) -> tuple[str | None, str | None, bool | None]:
        """Give what was expected, what is, and whether they agree (None where it cannot be known)."""
        expected = self.expected if isinstance(self.expected, str) else self.expected(seen)
        actual = self.actual(seen)
        known = expected is not None and actual is not None
        return expected, actual, expected == actual if known else None


@runtime_checkable
class Action(Protocol):
    """One call of libvirt or qemu-img as a value: it can say what it does, be checked, run, verified, undone.

    Actions are frozen dataclasses without a common base; a form is made from their fields.
    """

    @property
    def pool(self) -> str:
        """Name of the pool or path of the image that it works on; actions on one run one after the other."""

    @property
    def patient(self) -> bool:
        """Whether it may be asked for again while the pool is busy with a job."""

    def describe(self) -> str:
        """Say in one sentence what it does, sizes in words."""

    def command(self) -> list[str]:
        """Give what an operator would type: the program, ``virsh`` or ``qemu-img``, and its arguments."""

    def problems(self, seen: Inventory) -> Iterator[Problem]:
        """Give each reason not to do it, and each thing to know before; no refusal means go."""

    def already(self, seen: Inventory) -> bool:
        """Whether it is so already, so that nothing is to be done."""

    def assume(self, seen: Inventory) -> Inventory:
        """Give the inventory as it would be afterwards, for checking the steps that follow."""

    def run(self, connection: libvirt.virConnect, progress: Progress) -> None:
        """Make the call."""

    def expected(self) -> tuple[Expectation, ...]:
        """Give what must be true afterwards."""

    def inverse(self, before: Inventory) -> tuple[Action, ...]:
        """Give the actions that undo it, in order; none where it cannot be undone."""


def met(action: Action, seen: Inventory) -> bool:
    """Tell whether all that an action is to bring about can be seen to be true."""
    return all(expectation.compare(seen)[2] for expectation in action.expected())


#: A shell takes a word of these as it is.
_PLAIN = re.compile(r"[A-Za-z0-9_./:=@%+,-]+", re.ASCII)


def shell_line(arguments: list[str]) -> str:
    """Write a list of arguments as one line for a shell; control characters show as ``$'…'`` escapes."""
    return " ".join(_quote(argument) for argument in arguments)


def _quote(word: str) -> str:
    if _PLAIN.fullmatch(word):
        return word
    if word.isprintable():
        return "'" + word.replace("'", "'\"'\"'") + "'"
    escaped = "".join(
        f"\\{c}" if c in "'\\" else c if c.isprintable() else "".join(f"\\x{b:02x}" for b in _bytes(c))
        for c in word
    )
    return f"$'{escaped}'"


def _bytes(letter: str) -> bytes:
    """Give a character's bytes: of a surrogate the byte that it stands for, where it stands for one."""
    try:
        return letter.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return letter.encode(errors="surrogatepass")


def given(option: str, value: str) -> list[str]:
    """Give a positional argument of virsh, by its option's name where it could be taken for an option."""
    return [option, value] if value.startswith("-") or not value else [value]


def optional(**values: str) -> list[str]:
    """Give options of virsh, leaving out the empty ones: ``source_host="h"`` becomes ``--source-host h``."""
    return [
        word for name, value in values.items() if value for word in (f"--{name.replace('_', '-')}", value)
    ]
