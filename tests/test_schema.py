"""Every declared frame, empty and full, has its columns, dtypes and words."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest

from kvmnb import schema
from kvmnb.errors import BadValue
from kvmnb.schema import Frame

_FRAMES = list(schema.FRAMES.values())
_VALUES: dict[str, Any] = {
    "string": "text",
    "Int64": 2**63 - 1,
    "Float64": 0.5,
    "boolean": True,
    "time": 1_700_000_000_123_456_789,
    "texts": ("a", "b"),
}
_DTYPES = {"time": "datetime64[ns, UTC]", "texts": "object"}

_frames = pytest.mark.parametrize("frame", _FRAMES, ids=lambda frame: frame.name)


def _has_the_declared_shape(built: pd.DataFrame, frame: Frame) -> None:
    assert tuple(built.columns) == frame.names
    for column in frame.columns:
        assert str(built[column.name].dtype) == _DTYPES.get(column.dtype, column.dtype), column.name
    assert built.attrs["frame"] == frame.name


def test_there_are_frames() -> None:
    assert len(_FRAMES) >= 7
    assert len({frame.name for frame in _FRAMES}) == len(_FRAMES)


@_frames
def test_an_empty_frame_keeps_its_columns_and_dtypes(frame: Frame) -> None:
    _has_the_declared_shape(frame.empty(), frame)
    assert len(frame.empty()) == 0


@_frames
def test_a_full_frame_keeps_its_values(frame: Frame) -> None:
    built = frame.build([{column.name: _VALUES[column.dtype] for column in frame.columns}], host="h")
    _has_the_declared_shape(built, frame)
    for column in frame.columns:
        found = built[column.name][0]
        if column.dtype == "time":
            assert found.value == _VALUES["time"]
        else:
            assert found == _VALUES[column.dtype]
    assert built.attrs["host"] == "h"
    json.dumps(built.attrs)


@_frames
def test_what_is_not_known_is_na(frame: Frame) -> None:
    row = dict.fromkeys(frame.names)
    built = frame.build([row, row])
    _has_the_declared_shape(built, frame)
    for column in frame.columns:
        assert built[column.name].isna().all(), column.name


@_frames
def test_empty_and_full_go_together(frame: Frame) -> None:
    full = frame.build([{column.name: _VALUES[column.dtype] for column in frame.columns}])
    for parts in ([frame.empty(), full], [full, full]):
        _has_the_declared_shape(pd.concat(parts), frame)


@_frames
def test_a_missing_value_is_an_error(frame: Frame) -> None:
    with pytest.raises(KeyError):
        frame.build([{}])


@_frames
def test_every_column_says_what_it_means(frame: Frame) -> None:
    text = " ".join(frame.returns().split())
    assert frame.row in text
    for column in frame.columns:
        assert f"``{column.name}``" in text
        assert " ".join(column.meaning.split()) in text
        assert not column.meaning.endswith(".")
    assert len(set(frame.names)) == len(frame.names)


@_frames
def test_the_unit_of_a_column(frame: Frame) -> None:
    for column in frame.columns:
        assert frame.unit(column.name) == column.unit
        assert column.unit != "bytes" or column.dtype == "Int64"
    with pytest.raises(BadValue, match="no column 'absent'"):
        frame.unit("absent")
