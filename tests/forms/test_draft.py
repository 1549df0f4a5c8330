"""What is entered becomes a plan, problems beside their fields, and code that does the same."""

from __future__ import annotations

import ast
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import kvmnb
from kvmnb.forms.draft import Draft, check_draft
from kvmnb.forms.fields import Entered, Field
from kvmnb.forms.goals import PlanGoal, goal_of
from kvmnb.host import Host, connect
from kvmnb.storage.roles import Role
from tests.forms.pages import read_page, whole
from tests.forms.test_fields import MAKERS
from tests.storage.builders import HOSTILE

POOL = "default-pool"

_MARKUP = (
    "<script>alert(1)</script>",
    "</pre></details><img src=x onerror=alert(1)>",
    "a' b\" &amp; $x$",
    "'",
)
_NAMES = st.one_of(
    st.sampled_from([POOL, "", "a", "..", "a\0", "\ud800", "x" * 300, *HOSTILE, *_MARKUP]),
    st.text(max_size=30),
)
_SIZES = st.one_of(
    st.sampled_from(
        ["1G", "512", "1.5 GiB", "0", "-1", "1e9", "9" * 400, "1 X", "8E", " 1M ", "\uff11G", "\0"]
    ),
    st.integers().map(str),
    st.text(max_size=20),
)


def _entries(goal: PlanGoal) -> st.SearchStrategy[dict[str, Entered]]:
    def of(field: Field) -> st.SearchStrategy[Any]:
        if field.flag:
            return st.booleans()
        if field.choices:
            return st.sampled_from(field.choices)
        if field.role is Role.SIZE:
            return _SIZES
        known = {Role.POOL: POOL, Role.POOL_TYPE: "dir", Role.FORMAT: "raw", Role.WORD: field.name}
        return st.one_of(st.just(known[field.role]), _NAMES) if field.role in known else _NAMES

    return st.fixed_dictionaries({}, optional={field.name: of(field) for field in goal.fields})


class Recorder:
    """A host for code that is to be looked at: it reads as the real one, and keeps what it is to apply."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.applied: list[Any] = []

    def inventory(self) -> Any:  # noqa: ANN401 - as the host's own
        return self._host.inventory()

    def apply(self, plan: Any) -> None:  # noqa: ANN401 - a plan or an action
        self.applied.append(plan)


def actions_of(code: str, host: Host) -> tuple[Any, ...]:
    """Run the code of a form, and give the actions that it would have applied."""
    assert "\n" not in code
    ast.parse(code)
    recorder = Recorder(host)
    exec(code, {"kvmnb": kvmnb, "host": recorder})  # noqa: S102 - that is what the code is for
    (plan,) = recorder.applied
    return plan.actions if isinstance(plan, kvmnb.Plan) else (plan,)


@pytest.mark.parametrize("name", sorted(MAKERS))
@given(data=st.data())
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_form_takes_anything(made_up: Host, name: str, data: st.DataObject) -> None:
    goal = goal_of(MAKERS[name])
    entered = data.draw(_entries(goal))
    draft = check_draft(goal, made_up, entered, data.draw(_NAMES))

    read_page(whole(goal.fields, draft))
    names = {field.name for field in goal.fields}
    assert set(draft.beside) <= names
    stopped = bool(draft.beside or draft.elsewhere or draft.missing)
    assert not (draft.ready and stopped)
    assert draft.ready or stopped or not draft.meant or (draft.look is not None and draft.look.already)
    if draft.code:
        assert actions_of(draft.code, made_up) == goal.plan(made_up, draft.values).actions


def test_what_is_missing_is_said_by_the_labels(made_up: Host) -> None:
    goal = goal_of(kvmnb.CloneVolume)
    assert check_draft(goal, made_up, {"pool": POOL}) == Draft({"pool": POOL}, missing=("name", "new name"))


def test_a_size_that_is_none_is_said_beside_its_field_and_stops_it(made_up: Host) -> None:
    goal = goal_of(kvmnb.CreateVolume)
    draft = check_draft(goal, made_up, {"pool": POOL, "name": "a", "capacity": "1 XB"})
    assert list(draft.beside) == ["capacity"]
    assert "unknown unit 'XB'" in draft.beside["capacity"][0]
    assert not draft.ready

    mended = check_draft(goal, made_up, {"pool": POOL, "name": "a", "capacity": "1 GB"})
    assert mended.ready
    assert mended.values == {"pool": POOL, "name": "a", "capacity": 10**9}
    assert mended.code == (
        "report = host.apply(kvmnb.CreateVolume(pool='default-pool', name='a', capacity=1000000000))"
    )


def test_a_problem_of_a_recipe_stands_beside_the_field_that_the_recipe_has(made_up: Host) -> None:
    gone = check_draft(goal_of(kvmnb.remove_pool), made_up, {"name": "gone"})
    assert not gone.ready
    named = check_draft(goal_of(kvmnb.create_pool), made_up, {"name": "a/b", "target": "/x"})
    assert list(named.beside) == ["name"]
    nowhere = check_draft(goal_of(kvmnb.create_pool), made_up, {"name": "ab"})
    assert list(nowhere.beside) == ["target"]


def test_fields_that_a_type_of_pool_does_not_take_are_left_out(made_up: Host) -> None:
    goal = goal_of(kvmnb.create_pool)
    entered: dict[str, Entered] = {"name": "p", "type": "dir", "target": "/p", "source_host": "left over"}
    assert goal.relevant(entered) == {"name", "type", "autostart", "target"}
    assert "source_host" not in check_draft(goal, made_up, entered).values
    assert "source_host" in goal.relevant({"type": "netfs"})
    assert goal.relevant({"type": "unheard of"}) == {field.name for field in goal.fields}


def test_what_was_emptied_is_not_what_was_left_alone(made_up: Host) -> None:
    goal = goal_of(kvmnb.CreateVolume)
    full: dict[str, Entered] = {"pool": POOL, "name": "a", "capacity": "1G"}
    assert "format" not in check_draft(goal, made_up, full).values
    assert check_draft(goal, made_up, {**full, "format": ""}).values["format"] == ""


def test_what_is_so_already_is_not_to_be_done(made_up: Host) -> None:
    draft = check_draft(goal_of(kvmnb.StartPool), made_up, {"pool": POOL})
    assert draft.look is not None
    assert draft.look.already
    assert (draft.beside, draft.elsewhere, draft.word) == ({}, (), "")
    assert not draft.ready


def test_a_host_for_reading_says_so_and_shows_the_plan_all_the_same() -> None:
    with connect("test:///default", readonly=True) as host:
        draft = check_draft(goal_of(kvmnb.StopPool), host, {"pool": POOL})
    assert draft.look is not None
    assert "opened for reading" in draft.elsewhere[0]
    assert "readonly=False" in draft.elsewhere[0]
    assert not draft.ready


@given(word=_NAMES)
@example(word="")
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
def test_what_cannot_be_undone_wants_the_name(made_up: Host, word: str) -> None:
    class Lasting(kvmnb.StopPool):
        """Stop a pool for good.

        Parameters
        ----------
        pool : str
            A running pool.
        """

        def inverse(self, _before: object) -> tuple[()]:
            return ()

    goal = goal_of(Lasting)
    draft = check_draft(goal, made_up, {"pool": POOL}, word)
    assert draft.word == POOL
    assert draft.ready is (word == POOL)
