"""Frames as Arrow tables, for files, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from kvmnb.schema import Column, Dtype, Frame

#: How each kind of column lies in a file. Microseconds, since Spark cannot read nanoseconds.
_ARROW: dict[Dtype, pa.DataType] = {
    "string": pa.string(),
    "Int64": pa.int64(),
    "Float64": pa.float64(),
    "boolean": pa.bool_(),
    "time": pa.timestamp("us", "UTC"),
    "texts": pa.list_(pa.string()),
}

#: pandas' types of what the files' types become.
_PANDAS = {
    pa.string(): pd.StringDtype("pyarrow"),
    pa.int64(): pd.Int64Dtype(),
    pa.float64(): pd.Float64Dtype(),
    pa.bool_(): pd.BooleanDtype(),
}

#: How text is held in memory until it is a frame's: each text once, and per row its number.
CODED = pa.dictionary(pa.int32(), pa.string())

#: The columns that every row in a store has, before those of its frame; ``host`` and ``day`` are in the path.
KEYS = ("sample", "sampled_at")

_SAMPLED_AT = Column("sampled_at", "time", "when the host was read")
_SAMPLE = Column("sample", "string", "the sample's id")


@cache
def stored(frame: Frame) -> dict[str, Column]:
    """Give the columns of a frame's files, by name: the sample's own first, ``host`` not among them."""
    own = {column.name: column for column in frame.columns if column.name != "host"}
    return {"sample": _SAMPLE, "sampled_at": _SAMPLED_AT} | {k: v for k, v in own.items() if k not in KEYS}


def schema(frame: Frame) -> pa.Schema:
    """Give the schema of a frame's files."""
    return pa.schema([(name, _ARROW[column.dtype]) for name, column in stored(frame).items()])


def to_table(
    frame: Frame, rows: pd.DataFrame, sample: str | pa.Array, sampled_at: int | pa.Array
) -> pa.Table:
    """Make the table of a frame that was read, for a file.

    Parameters
    ----------
    frame : Frame
        Its declaration.
    rows : pandas.DataFrame
        The frame.
    sample, sampled_at
        The sample's id and time, in microseconds since 1970; or an array with one for each row.

    Returns
    -------
    pyarrow.Table
        With the columns of `schema`. Names that are not UTF-8 are written with their odd bytes as escapes.
    """
    keys: dict[str, Any] = {"sample": sample, "sampled_at": sampled_at}
    arrays = []
    for name, column in stored(frame).items():
        if name in keys:
            array = keys[name]
            if not isinstance(array, pa.Array):
                array = pa.repeat(pa.scalar(array, _ARROW[column.dtype]), len(rows))
        else:
            array = _to_array(column, rows[name])
        arrays.append(array)
    return pa.Table.from_arrays(arrays, schema=schema(frame))


def _to_array(column: Column, values: pd.Series[Any]) -> pa.Array:
    kind = _ARROW[column.dtype]
    if column.dtype in {"texts", "string"}:
        told = [None if v is pd.NA or v is None else v for v in values.to_numpy(object)]
        try:
            return pa.array(told, kind)
        except UnicodeEncodeError:
            return pa.array([_utf8(value) for value in told], kind)
    if column.dtype == "time":
        return pa.array(values).cast(kind, safe=False)  # less than a microsecond is lost
    return pa.array(values, kind)


def _utf8(value: Any) -> Any:  # noqa: ANN401 - a text, several, or None
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    return value if value is None else [_utf8(one) for one in value]


def conform(table: pa.Table, frame: Frame, names: Sequence[str], *, coded: bool = True) -> pa.Table:
    """Give a file's columns the declared types; a column that an older kit did not write is NA.

    Parameters
    ----------
    table : pyarrow.Table
        What a file holds.
    frame : Frame
        The declaration of its frame.
    names : sequence of str
        Which columns, in this order.
    coded : bool
        Whether texts are to be `CODED`, which suits where few rows of many are kept, or plain.

    Returns
    -------
    pyarrow.Table
        With these columns.

    Raises
    ------
    pyarrow.ArrowException
        A column cannot be what it is declared to be; the message names it.
    """
    columns = stored(frame)
    arrays = [_conformed(table, name, _ARROW[columns[name].dtype], coded=coded) for name in names]
    return pa.table(arrays, names=list(names))


def _conformed(table: pa.Table, name: str, kind: pa.DataType, *, coded: bool = True) -> pa.ChunkedArray:
    if name not in table.column_names:
        nothing = pa.nulls(len(table), kind)
        return pa.chunked_array([_coded(nothing) if coded else nothing])
    found = table[name]
    if pa.types.is_string(kind):
        if not _is_text(found.type):
            raise pa.ArrowTypeError(f"column {name!r} is {found.type}, not text")
        if not coded:
            return found if found.type == kind else found.cast(kind)
        return found if found.type == CODED else _coded(found.cast(kind))
    try:
        # A time may have been kept finer than we keep it; of a number nothing may be lost.
        return found.cast(kind, safe=not pa.types.is_timestamp(found.type))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise pa.ArrowTypeError(f"column {name!r} is {found.type}, not {kind}: {error}") from error


def _coded(array: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    return array.dictionary_encode() if pa.types.is_string(array.type) else array


def conform_known(table: pa.Table, frame: Frame | None) -> pa.Table:
    """Give the columns that this version of the kit knows their declared types, and keep all the others.

    Parameters
    ----------
    table : pyarrow.Table
        What a file holds.
    frame : Frame or None
        The declaration of its frame; None where this version knows no such frame.

    Returns
    -------
    pyarrow.Table
        With the table's columns. Texts are `CODED`.

    Raises
    ------
    pyarrow.ArrowException
        A column cannot be what it is declared to be; the message names it.
    """
    known = stored(frame) if frame else {}
    arrays = []
    for name in table.column_names:
        if name in known:
            arrays.append(_conformed(table, name, _ARROW[known[name].dtype]))
        else:
            found = table[name]
            is_text = _is_text(found.type) and not pa.types.is_null(found.type)
            arrays.append(_coded(found.cast(pa.string())) if is_text else found)
    return pa.table(arrays, names=table.column_names)


def plain(kind: pa.DataType) -> pa.DataType:
    """Give the type that coded values are of in a file."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_null(kind)
    )


def to_frame(table: pa.Table, columns: Mapping[str, Column]) -> pd.DataFrame:
    """Make the DataFrame of a table, with the declared dtypes.

    Parameters
    ----------
    table : pyarrow.Table
        As `conform` gives it.
    columns : mapping of str to Column
        The declaration of each of its columns.

    Returns
    -------
    pandas.DataFrame
        With the table's columns.
    """
    made: dict[str, Any] = {}
    arrays = dict(zip(table.column_names, table.columns, strict=True))
    del table  # so that what has become pandas' own is not held twice
    for name in list(arrays):
        found, kind = arrays.pop(name), _ARROW[columns[name].dtype]
        if pa.types.is_list(kind):
            made[name] = _tuples(found)
        elif pa.types.is_timestamp(kind):
            made[name] = found.cast(pa.timestamp("ns", "UTC")).to_pandas()
        else:
            made[name] = cast("Any", _PANDAS[kind]).__from_arrow__(found.cast(kind))
    return pd.DataFrame(made)


def _tuples(lists: pa.ChunkedArray) -> pd.Series[Any]:
    """Make a tuple of each list. Equal ones are one tuple: a year of samples has few that differ."""
    known: dict[str, tuple[str, ...]] = {}
    parts = [_chunk_of_tuples(chunk, known) for chunk in lists.chunks]
    return pd.Series(np.concatenate(parts) if parts else [], dtype=object)


def _chunk_of_tuples(lists: pa.Array, known: dict[str, tuple[str, ...]]) -> np.ndarray[Any, Any]:
    lengths = pc.list_value_length(lists).cast(pa.string())
    # With its length before it, a list of one empty text is told from an empty list.
    coded = pc.binary_join_element_wise(lengths, pc.binary_join(lists, "\0"), ":").dictionary_encode()
    keys = coded.dictionary.to_pylist()
    values = np.empty(len(keys) + 1, dtype=object)
    for place, key in enumerate(keys):
        if key not in known:
            texts = _split(key)
            if texts is None:  # one has a zero byte in it
                told = [pd.NA if one is None else tuple(one) for one in lists.to_pylist()]
                return pd.Series(told, dtype=object).to_numpy()
            known[key] = texts
        values[place] = known[key]
    values[-1] = pd.NA
    return cast("np.ndarray[Any, Any]", values[coded.indices.fill_null(len(keys)).to_numpy()])


def _split(key: str) -> tuple[str, ...] | None:
    length, _, joined = key.partition(":")
    texts = tuple(joined.split("\0")) if length != "0" else ()
    return texts if len(texts) == int(length) else None
