"""Filling in a form as a person does, and waiting for what comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from kvmnb.forms.form import Form
from kvmnb.forms.goals import goal_of
from kvmnb.host import Host
from tests.forms.pages import read_page


def open_form(maker: Callable[..., Any], host: Host, **entered: str | bool) -> Form:
    """Open the form of an action or a recipe, and fill it in."""
    form = Form(goal_of(maker), host)
    enter(form, **entered)
    return form


def enter(form: Form, **entered: str | bool) -> None:
    """Change fields one after the other, in their widgets."""
    for name, value in entered.items():
        form.fields[name].input.value = value


def shown(form: Form) -> str:
    """Give the text of a form's plan."""
    return read_page(form.plan.value)


def beside(form: Form, name: str) -> str:
    """Give the text below a field."""
    return read_page(form.fields[name].below.value)


def visible(form: Form, name: str) -> bool:
    """Whether a field is to be seen."""
    return str(form.fields[name].view.layout.display) != "none"


async def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Let the event loop run until something is so."""
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come to be so")


async def settled(form: Form) -> None:
    """Let the event loop run until a form has nothing left to do."""
    await until(lambda: form._looking is None and form._job is None and not form._stale)


def in_a_loop(main: Coroutine[Any, Any, None]) -> None:
    """Run something as in a notebook, where an event loop runs."""
    asyncio.run(main)
