"""Files that other versions of the kit have written, and compaction of them together with ours."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from kvmnb.errors import BadHistory
from kvmnb.samples.reading import history
from kvmnb.samples.tidying import compact_history
from tests.samples.making import GIB, NOON, data_files, put

HOUR = timedelta(hours=1)


def rewrite(store: Path, sample: str, change: Any) -> None:  # noqa: ANN401 - table to table
    """Write the volumes of a sample as another version would have."""
    path = next((store / "volumes").rglob(f"{sample}.parquet"))
    table = change(pq.read_table(path, partitioning=None))
    pq.write_table(table, path)


def cast(name: str, kind: pa.DataType, most: int | None = None) -> Any:  # noqa: ANN401
    """Give what casts a column, whose numbers are made smaller where they would not fit."""

    def change(table: pa.Table) -> pa.Table:
        place = table.column_names.index(name)
        values = table[name] if most is None else pc.min_element_wise(table[name], most)
        return table.set_column(place, name, values.cast(kind))

    return change


def test_a_column_that_was_not_written_yet_is_na(tmp_path: Path) -> None:
    old, new = put(tmp_path, NOON), put(tmp_path, NOON + HOUR)
    rewrite(tmp_path, old, lambda table: table.drop_columns(["allocation", "chain", "name", "modified"]))
    before = history("volumes", tmp_path)
    compact_history(tmp_path)
    for found in (before, history("volumes", tmp_path)):
        assert str(found["allocation"].dtype) == "Int64"
        for name in ("allocation", "chain", "name", "modified"):
            assert found[found["sample"] == old][name].isna().all()
        assert found[found["sample"] == new]["allocation"].tolist() == [0, GIB]
    assert set(history("volumes", tmp_path, columns=["allocation"])["allocation"].dropna()) == {0, GIB}


@pytest.mark.parametrize(
    "values", [pa.array([7, 8]), pa.array(["a", "b"]), pa.array([["x"], []]), pa.array([{"y": 1}, None])]
)
def test_a_column_of_a_newer_kit_is_left_out_but_kept_in_files(tmp_path: Path, values: pa.Array) -> None:
    ours, theirs = put(tmp_path, NOON), put(tmp_path, NOON + HOUR)
    rewrite(tmp_path, theirs, lambda table: table.append_column("newer", values))
    assert "newer" not in history("volumes", tmp_path).columns
    compact_history(tmp_path)
    assert "newer" not in history("volumes", tmp_path).columns
    files = data_files(tmp_path / "volumes")
    assert len(files) == 1
    kept = pq.ParquetFile(files[0]).read()
    assert kept["newer"].to_pylist() == [None, None, *values.to_pylist()]
    assert kept["sample"].to_pylist() == [ours, ours, theirs, theirs]


@pytest.mark.parametrize(
    ("name", "kind", "value"),
    [
        ("allocation", pa.int32(), [0, 1]),
        ("allocation", pa.uint64(), [0, GIB]),
        ("allocation", pa.float64(), [0, GIB]),
        ("pool", pa.large_string(), ["p", "p"]),
        ("pool", pa.dictionary(pa.int8(), pa.large_string()), ["p", "p"]),
        ("chain", pa.large_list(pa.large_string()), [(), ("/b1",)]),
        ("modified", pa.timestamp("ns", "UTC"), [pd.Timestamp(NOON)] * 2),
        ("modified", pa.timestamp("s", "UTC"), [pd.Timestamp(NOON)] * 2),
        ("sampled_at", pa.timestamp("ns", "UTC"), [pd.Timestamp(NOON)] * 2),
    ],
    ids=str,
)
def test_another_width_is_cast(tmp_path: Path, name: str, kind: pa.DataType, value: list[Any]) -> None:
    odd = put(tmp_path, NOON)
    rewrite(tmp_path, odd, cast(name, kind, 1 if value == [0, 1] else None))
    before = history("volumes", tmp_path)
    put(tmp_path, NOON + HOUR)
    compact_history(tmp_path)
    after = history("volumes", tmp_path)
    for found in (before, after):
        assert found[found["sample"] == odd][name].tolist() == value
        assert found[name].dtype == history("volumes", tmp_path, since=NOON + HOUR)[name].dtype
    stored = pq.ParquetFile(data_files(tmp_path / "volumes")[0]).schema_arrow
    assert stored.field("pool").type == pa.string()
    assert stored.field("sampled_at").type == pa.timestamp("us", "UTC")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("allocation", pa.array(["much", "little"])),
        ("allocation", pa.array([0.5, 1.5])),
        ("pool", pa.array([1, 2])),
        ("chain", pa.array(["/b", "/c"])),
    ],
)
def test_what_cannot_be_cast_names_the_file_and_the_column(
    tmp_path: Path, name: str, values: pa.Array
) -> None:
    odd, whole = put(tmp_path, NOON), put(tmp_path, NOON + HOUR)
    rewrite(tmp_path, odd, lambda table: table.set_column(table.column_names.index(name), name, values))
    with pytest.raises(BadHistory, match=rf"{odd}\.parquet .*'{name}'"):
        history("volumes", tmp_path)
    assert set(history("volumes", tmp_path, strict=False)["sample"]) == {whole}
    assert len(history("volumes", tmp_path, columns=["path"])) == 4  # the other columns are sound
    before = data_files(tmp_path / "volumes")
    told = compact_history(tmp_path)
    assert told[told["frame"] == "volumes"]["status"].tolist() == ["left alone"]
    assert f"{odd}.parquet" in told[told["frame"] == "volumes"]["problem"].tolist()[0]
    assert data_files(tmp_path / "volumes") == before


def test_a_frame_of_a_newer_kit_is_compacted_and_pruned_with_the_others(tmp_path: Path) -> None:
    for number in range(3):
        sample = put(tmp_path, NOON + HOUR * number)
        path = next((tmp_path / "volumes").rglob(f"{sample}.parquet"))
        other = tmp_path / "newer" / path.relative_to(tmp_path / "volumes")
        other.parent.mkdir(parents=True, exist_ok=True)
        other.write_bytes(path.read_bytes())
    compact_history(tmp_path)
    files = data_files(tmp_path / "newer")
    assert len(files) == 1
    assert pq.ParquetFile(files[0]).metadata.num_rows == 6
