"""Every action and every recipe has a form, whose fields are what its declaration says."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterator
from typing import Annotated, Any, cast

import pytest

from kvmnb import planning, planning_images
from kvmnb.errors import BadValue
from kvmnb.forms.fields import Field, fields_of, title_of
from kvmnb.storage.actions import ACTIONS, CloneVolume, CreateVolume, DefinePool, ResizeVolume
from kvmnb.storage.roles import PoolName, Role

#: The functions that give a plan.
RECIPES: dict[str, Callable[..., Any]] = {
    name: made
    for module in (planning, planning_images)
    for name, made in inspect.getmembers(module, inspect.isfunction)
    if made.__module__ == module.__name__
    and made.__annotations__["return"] == "Plan"
    and not name.startswith("_")
}
MAKERS: dict[str, Callable[..., Any]] = {**ACTIONS, **RECIPES}

#: Fields in which any text may stand; every other one of text has a role.
_FREE = {
    "options",
    "auth_type",
    "auth_username",
    "secret_usage",
    *(f"source_{name}" for name in ("host", "path", "dev", "name", "initiator")),
}


def _faults(maker: Callable[..., Any]) -> Iterator[str]:
    """Say what a declaration leaves unsaid, so that its form would be a poor one."""
    name = getattr(maker, "__name__", str(maker))
    if not (maker.__doc__ or "").strip():
        yield f"{name} has no docstring, of which the first sentence is the form's title"
        return
    for field in fields_of(maker):
        said = f"{name}.{field.name}"
        if not field.help:
            yield f"{said} is not in the docstring's Parameters: the form could not say what it is for"
        plain = field.role is Role.TEXT and not field.choices and not field.flag
        if plain and field.name not in _FREE and said not in _FREE_OF:
            yield f"{said} has no role: annotate it with one of kvmnb.storage.roles, or list it here as free"
        if isinstance(field.default, int) and not field.flag and field.role not in {Role.SIZE, Role.WORD}:
            yield f"{said} is a number without a unit"


#: Likewise, by action.
_FREE_OF = {"CreateSnapshot.name", "DefinePool.source_format", "create_pool.source_format"}


@pytest.mark.parametrize("name", MAKERS)
def test_a_declaration_says_all_that_a_form_needs(name: str) -> None:
    assert list(_faults(MAKERS[name])) == []


def test_a_poor_declaration_would_be_found() -> None:
    @dataclasses.dataclass(frozen=True)
    class Bare:
        """Do something.

        Parameters
        ----------
        pool : str
            A pool.
        """

        pool: PoolName
        new: str
        many: int = 3

    assert [fault.partition(":")[0] for fault in _faults(Bare)] == [
        "Bare.new is not in the docstring's Parameters",
        "Bare.new has no role",
        "Bare.many is not in the docstring's Parameters",
        "Bare.many has no role",
        "Bare.many is a number without a unit",
    ]

    class Undocumented:
        pass

    assert "no docstring" in next(_faults(Undocumented))


@pytest.mark.parametrize("name", ACTIONS)
def test_the_fields_are_those_of_the_action_in_its_order(name: str) -> None:
    kind = ACTIONS[name]
    declared = dataclasses.fields(cast("Any", kind))
    fields = fields_of(kind)
    assert [field.name for field in fields] == [field.name for field in declared]
    for field, one in zip(fields, declared, strict=True):
        assert field.required is (one.default is dataclasses.MISSING), field
        assert field.required or field.default == one.default, field


@pytest.mark.parametrize("name", RECIPES)
def test_the_fields_are_the_arguments_of_the_recipe(name: str) -> None:
    named = [one for one in inspect.signature(RECIPES[name]).parameters.values() if one.name != "host"]
    plain = [one.name for one in named if one.kind is not one.VAR_KEYWORD]
    fields = fields_of(RECIPES[name])
    assert [field.name for field in fields][: len(plain)] == plain
    extra = {field.name for field in fields[len(plain) :]}
    pool = {field.name for field in fields_of(DefinePool)} - {"name", "type"}
    assert extra == (pool if len(plain) < len(named) else set())


def test_a_field_says_what_it_is() -> None:
    fields = {field.name: field for field in fields_of(CreateVolume)}
    assert fields["pool"] == Field("pool", Role.POOL, "A running pool.")
    assert fields["capacity"].role is Role.SIZE
    assert fields["preallocation"].choices == ("off", "metadata", "falloc")
    assert (fields["backing_volume"].label, fields["backing_volume"].initial) == ("backing volume", "")
    assert {f.label for f in fields_of(ResizeVolume)} == {"pool", "name", "capacity", "type 'shrink'"}
    assert title_of(CloneVolume) == "Copy a volume to a new one in the same pool"
    assert title_of(RECIPES["create_volume"]) == "Create a volume"


def test_what_is_entered_is_read_by_the_role() -> None:
    size = Field("capacity", Role.SIZE)
    assert size.read("1.5 GiB") == 3 << 29
    assert size.read("") is None
    for bad in ("1 X", "-1", "9" * 500, "1.5", "٣G", "1\0", "<b>1</b>", "\ud800"):
        with pytest.raises(BadValue):
            size.read(bad)
    word = Field("shrink", Role.WORD, default=False)
    assert word.read("shrink") is True
    for near in ("Shrink", "shrin", " shrink", "yes", "True"):
        with pytest.raises(BadValue, match="Type shrink"):
            word.read(near)
    assert Field("on", flag=True, default=True).read(False) is False
    assert Field("name").read(" a ") == " a ", "a name is taken as it is: the action says what is wrong"


def test_a_default_that_no_form_can_show_is_a_fault_of_the_programmer() -> None:
    def recipe(host: object, sizes: tuple[int, ...] = (1, 2)) -> None:
        """Plan something."""

    with pytest.raises(TypeError, match="sizes has a default that no form can show"):
        fields_of(recipe)


def test_an_annotation_may_hold_more_than_a_role() -> None:
    def recipe(host: object, size: Annotated[int, "in bytes", Role.SIZE, "more"]) -> None:
        """Plan something."""

    assert fields_of(recipe)[0].role is Role.SIZE
