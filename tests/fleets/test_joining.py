"""The frame of many hosts is that of each, one after the other, whatever they hold."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvmnb.fleets.asking import Answer
from kvmnb.fleets.joining import join, of_hosts
from kvmnb.schema import DF, FRAMES, POOLS, Frame

_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text(st.characters(codec="utf-8"), max_size=4),
    "Int64": st.integers(-(2**63), 2**63 - 1),
    "Float64": st.floats(allow_nan=False),
    "boolean": st.booleans(),
    "time": st.integers(0, 2**62),
    "texts": st.lists(st.text(max_size=2), max_size=2).map(tuple),
}
_TOLD = Answer(status="unreachable", problem="it is off")


def _rows(frame: Frame) -> st.SearchStrategy[list[dict[str, Any]]]:
    row = {column.name: st.none() | _VALUES[column.dtype] for column in frame.columns}
    return st.lists(st.fixed_dictionaries(row), max_size=3)


_answers = st.sampled_from([POOLS, DF]).flatmap(
    lambda frame: st.tuples(st.just(frame), st.lists(st.none() | _rows(frame), min_size=1, max_size=4))
)


@settings(max_examples=12, deadline=None)
@given(_answers)
def test_every_host_has_its_own_rows_and_no_others(
    given: tuple[Frame, list[list[dict[str, Any]] | None]],
) -> None:
    frame, hosts = given
    built = {f"h{n}": None if rows is None else frame.build(rows) for n, rows in enumerate(hosts)}
    answers = {label: _TOLD if own is None else Answer(own) for label, own in built.items()}
    whole = join(frame, answers, {label: f"test:///{label}" for label in built})
    assert whole.dtypes.equals(frame.empty().dtypes)
    assert list(whole.index) == list(range(len(whole)))
    assert list(dict.fromkeys(whole["host"])) == [h for h, own in built.items() if own is None or len(own)]
    for label, own in built.items():
        part = whole[whole["host"] == label].reset_index(drop=True)
        if own is None:
            assert len(part) == 1
            known = part.iloc[0].dropna()
            assert dict(known) == {"host": label, "status": "unreachable", _why(frame): "it is off"}
        else:
            pd.testing.assert_frame_equal(part.drop(columns="host"), own.drop(columns="host"))


def _why(frame: Frame) -> str:
    return "problem" if "problem" in frame.names else "reason"


def test_the_frame_says_how_reading_each_host_went() -> None:
    early, late = "2026-11-25T03:00:00+00:00", "2026-11-25T04:00:00.5+00:00"
    answers = {
        "a": Answer(POOLS.build([], host="vm", uri="qemu:///system", read_at=late)),
        "b": _TOLD,
        "c": Answer(POOLS.build([], host="vm", uri="x", read_at=early, more=[1])),
    }
    attrs = join(POOLS, answers, {"a": "qemu+ssh://a/system", "b": "B", "c": "C"}).attrs
    assert attrs == {
        "frame": "pools",
        "host": "3 hosts",
        "read_at": early,
        "hosts": {
            "a": {"uri": "qemu+ssh://a/system", "status": "ok", "read_at": late},
            "b": {"uri": "B", "status": "unreachable", "read_at": None},
            "c": {"uri": "C", "status": "ok", "read_at": early, "more": [1]},
        },
    }
    assert json.loads(json.dumps(attrs)) == attrs
    assert join(POOLS, {"b": _TOLD}, {"b": "B"}).attrs["read_at"] is None
    assert join(POOLS, {"b": _TOLD}, {"b": "B"}).attrs["host"] == "b"


@pytest.mark.parametrize("kind", ["str", "object", "string[pyarrow]", "string[python]"])
def test_text_that_was_kept_in_another_way_elsewhere_is_as_declared(kind: Any) -> None:  # noqa: ANN401
    row = dict.fromkeys(POOLS.names) | {"name": "vmdisk"}
    other = POOLS.build([row]).astype({"name": kind})
    whole = join(POOLS, {"a": Answer(POOLS.build([row])), "b": Answer(other)}, {"a": "A", "b": "B"})
    assert whole.dtypes.equals(POOLS.empty().dtypes)
    assert list(whole["name"]) == ["vmdisk", "vmdisk"]


def test_labels_and_names_that_are_no_utf_8_stay_what_they_are() -> None:
    row = dict.fromkeys(POOLS.names) | {"name": "half\udc80"}
    whole = join(POOLS, {"\udcff": Answer(POOLS.build([row]))}, {"\udcff": "test:///\udcff"})
    assert whole[["host", "name"]].to_numpy().tolist() == [["\udcff", "half\udc80"]]


def test_columns_of_another_version_are_not_mixed_in() -> None:
    foreign = POOLS.empty().drop(columns="uuid")
    whole = join(POOLS, {"a": Answer(foreign)}, {"a": "A"})
    assert list(whole["status"]) == ["not asked"]
    assert "have the same version everywhere" in whole["problem"][0]
    assert whole.attrs["hosts"]["a"]["status"] == "not asked"


def test_every_frame_of_a_host_can_tell_why_there_is_nothing() -> None:
    for name in (
        "pools",
        "volumes",
        "guests",
        "disks",
        "filesystems",
        "df",
        "usage",
        "orphans",
        "overcommit",
    ):
        told = join(FRAMES[name], {"a": _TOLD}, {"a": "A"})
        assert told[["host", "status", _why(FRAMES[name])]].to_numpy().tolist() == [
            ["a", "unreachable", "it is off"]
        ]
        assert "could not be read" in of_hosts(FRAMES[name]).returns()
