"""Of any text in any field there come the kit's own errors or none, and libvirt is never asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kvmnb.errors import KvmnbError
from kvmnb.host import Host, connect
from kvmnb.storage.actions import ACTIONS

_TEXT = st.one_of(
    st.text(max_size=40),
    st.text(st.characters(categories=("Cs", "Cc", "Po", "Sm")), max_size=8),
    st.sampled_from(["default-pool", "/default-pool", "raw", "qcow2", "dir", "-x", "..", "a\0"]),
)
_SIZE = st.one_of(st.integers(), _TEXT, st.floats(), st.none())
_FIELDS: dict[type, st.SearchStrategy[Any]] = {bool: st.booleans(), int: _SIZE, str: _TEXT}


@pytest.fixture(scope="module")
def made_up() -> Iterator[Host]:
    """Give libvirt's made-up host, which lives in this process."""
    with connect("test:///default", readonly=False) as host:
        yield host


def _values(kind: Callable[..., Any]) -> st.SearchStrategy[dict[str, Any]]:
    types = {field.name: field.type for field in fields(cast("Any", kind))}
    known = {"bool": bool, "int": int}
    return st.fixed_dictionaries({name: _FIELDS[known.get(str(t), str)] for name, t in types.items()})


@pytest.mark.parametrize("name", sorted(ACTIONS))
@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_plan_takes_anything(made_up: Host, name: str, data: st.DataObject) -> None:
    values = data.draw(_values(ACTIONS[name]))
    try:
        action = ACTIONS[name](**values)
        plan = made_up.plan(action)
    except KvmnbError:
        return
    assert action.describe() in plan.frame["what"].tolist()
    assert all(line.isprintable() for line in repr(plan).split("\n"))
    assert plan._repr_html_()
    assert len(plan.frame) == 1
    assert action.command()[0] in {"virsh", "qemu-img", "rm"}
    for problem in plan.problems:
        assert problem.reason
        assert problem.remedy
    for expectation in action.expected():
        if name not in {"UploadVolume", "DownloadVolume", "WipeVolume"}:
            expectation.compare(made_up.inventory())
    action.inverse(made_up.inventory())
