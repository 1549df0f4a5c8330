"""Reading a frame as it was: types, times, hosts, thinning, and files that are not as they should be."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmnb import schema
from kvmnb.durations import parse_duration
from kvmnb.errors import BadHistory, BadValue, NotFound
from kvmnb.samples.reading import STORED, history
from kvmnb.samples.store import Store
from kvmnb.samples.taking import write_sample
from kvmnb.samples.thinning import last_of_each
from kvmnb.schema import Frame
from tests.samples.making import GIB, NOON, data_files, nanoseconds, put, rows_of

_VALUES: dict[str, list[Any]] = {
    "string": ["plain", "", "ünï\n\x00<&", None],
    "Int64": [0, 2**63 - 1, -1, None],
    "Float64": [0.5, float("inf"), -0.0, None],
    "boolean": [True, False, None, None],
    "time": [0, 1_700_000_000_123_456_000, None, None],
    "texts": [("a", "b"), (), ("",), None],
}

HOUR = timedelta(hours=1)


@pytest.mark.parametrize("frame", [f for f in STORED.values() if f.name != "samples"], ids=lambda f: f.name)
def test_every_value_of_every_frame_comes_back(tmp_path: Path, frame: Frame) -> None:
    rows = [
        {column.name: _VALUES[column.dtype][number] for column in frame.columns} | {"host": "h"}
        for number in range(4)
    ]
    told = frame.build(rows)
    write_sample(Store(tmp_path), [(frame, told)], host="h", uri="u", sampled_at=10**18, seconds=1)
    found = history(frame.name, tmp_path)
    assert found["sample"].nunique() == 1
    assert (found["sampled_at"] == pd.Timestamp(10**18, tz="UTC")).all()
    back = found[list(frame.names)]
    pd.testing.assert_frame_equal(back.astype(object), told.astype(object), check_dtype=False)
    assert [str(t) for t in back.dtypes] == [str(t) for t in frame.empty().dtypes]
    assert found.attrs["frame"] == frame.name


def test_a_frame_without_rows_keeps_its_columns(tmp_path: Path) -> None:
    put(tmp_path, NOON)
    for name in ("guests", "usage"):  # read and empty; not part of the sample
        found = history(name, tmp_path)
        assert found.empty
        expected = STORED[name].empty()
        assert set(found.columns) == {*expected.columns, "sample", "sampled_at"}
        for column in expected.columns:
            assert str(found[column].dtype) == str(expected[column].dtype)


def test_names_that_are_not_utf8_are_escaped(tmp_path: Path) -> None:
    put(tmp_path, NOON, 1, name="b\udcff", chain=("a", "\udc80"))
    found = history("volumes", tmp_path)
    assert found["name"].tolist() == ["b\\udcff"]
    assert found["chain"].tolist() == [("a", "\\udc80")]


def test_less_than_a_microsecond_is_lost_and_no_more(tmp_path: Path) -> None:
    put(tmp_path, NOON)
    assert (history("volumes", tmp_path)["modified"] == pd.Timestamp(NOON)).all()


def test_samples_are_listed_with_what_they_have(tmp_path: Path) -> None:
    gap = rows_of(
        schema.VOLUMES, {}, {"status": "unreadable", "problem": "why"}, {"status": "not read inside"}
    )
    taken = [(schema.VOLUMES, gap), (schema.POOLS, rows_of(schema.POOLS, {}))]
    row = write_sample(Store(tmp_path), taken, host="h", uri="u:", sampled_at=10**18, seconds=0.25)
    found = history("samples", tmp_path)
    assert row["rows"].tolist() == [4]
    assert row["gaps"].tolist() == [1]
    pd.testing.assert_frame_equal(found[list(row.columns)].astype(object), row.astype(object))


def test_times_bound_what_is_read(tmp_path: Path) -> None:
    ids = [put(tmp_path, NOON + HOUR * number) for number in range(14)]

    def found(**bounds: Any) -> list[str]:  # noqa: ANN401
        return list(dict.fromkeys(history("volumes", tmp_path, **bounds)["sample"]))

    assert found() == ids
    assert found(since=NOON + HOUR) == ids[1:]
    assert found(until=NOON + HOUR) == ids[:1]
    assert found(since="2024-11-25T14:00+01:00", until="2024-11-25T15:00Z") == ids[1:3]
    assert found(since="2024-11-26", tz="Europe/Berlin") == ids[11:]
    assert found(since=pd.Timestamp("2024-11-26 00:00"), tz="UTC") == ids[12:]
    assert found(since=datetime.now(UTC) - (NOON + HOUR * 5)) in (ids[5:], ids[6:])
    assert found(since="2025-01-01T00:00Z") == []
    assert found(since="0001-01-01T00:00+14:00", until="9999-12-31T23:59-14:00") == ids
    assert found(until="0001-01-01T00:00Z") == found(since="9999-12-31T23:59:59.999999Z") == []


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"since": "2024-11-25"}, "does not say in which time zone"),
        ({"since": NOON.replace(tzinfo=None)}, "does not say in which time zone"),
        ({"since": "yesterday"}, "'yesterday' is not a time"),
        ({"since": "2026-13-01T00:00Z"}, "is not a time"),
        ({"since": "9999999d"}, "is not a time"),
        ({"since": date(2026, 11, 25)}, "is not a time"),
        ({"since": NOON, "until": NOON}, "Nothing is since"),
        ({"tz": "Mars/Olympus"}, "is not a time zone"),
        ({"tz": "../x"}, "is not a time zone"),
        ({"tz": "x" * 300}, "is not a time zone"),
        ({"columns": ["name", "nome"]}, "has no column 'nome'"),
        ({"columns": "name"}, "'name' is no list of columns"),
        ({"every": "hourly"}, "is not a duration"),
    ],
)
def test_a_mistaken_question_is_told(tmp_path: Path, asked: dict[str, Any], said: str) -> None:
    put(tmp_path, NOON)
    with pytest.raises(BadValue, match=said.replace(".", r"\.")):
        history("volumes", tmp_path, **asked)


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="There is no store of samples"):
        history("volumes", tmp_path / "absent")
    with pytest.raises(BadValue, match="A store has no frame 'ls'"):
        history("ls", tmp_path)
    assert history("volumes", tmp_path).empty
    put(tmp_path, NOON)
    with pytest.raises(NotFound, match="no sample of host 'x'"):
        history("volumes", tmp_path, host=["h", "x"])
    assert history("volumes", tmp_path, host="h", since=NOON + HOUR).empty


def test_the_store_may_be_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "own", NOON)
    monkeypatch.setenv("KVMNB_HISTORY", str(tmp_path / "own"))
    assert len(history("volumes")) == 2
    monkeypatch.delenv("KVMNB_HISTORY")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    put(tmp_path / "state/kvmnb/history", NOON, 1)
    assert len(history("volumes")) == 1


@pytest.mark.parametrize("host", ["a/b", "%2F", "..", "x=1", "ünï code", "10", "", "host\nname", "day=1"])
def test_any_name_of_a_host_comes_back(tmp_path: Path, host: str) -> None:
    put(tmp_path, NOON, 1, host=host)
    put(tmp_path, NOON + HOUR, 1, host="other")
    for frame in ("volumes", "samples"):
        found = history(frame, tmp_path)["host"]
        assert [None if pd.isna(name) else name for name in found] == [host or None, "other"]
    if host:
        assert len(history("volumes", tmp_path, host=host)) == 1
    assert {path.parent.parent.parent.parent.name for path in data_files(tmp_path)} == {tmp_path.name}


def test_hosts_are_mixed_by_time(tmp_path: Path) -> None:
    for number in range(6):
        put(tmp_path, NOON + HOUR * number, 1, host="ab"[number % 2])
    found = history("volumes", tmp_path)
    assert found["host"].tolist() == list("ababab")
    assert found["sampled_at"].is_monotonic_increasing
    assert history("volumes", tmp_path, host="b")["host"].tolist() == list("bbb")


def test_columns_are_chosen(tmp_path: Path) -> None:
    put(tmp_path, NOON)
    found = history("volumes", tmp_path, columns=["allocation", "name", "name"])
    assert list(found.columns) == ["host", "sampled_at", "allocation", "name"]
    assert found["allocation"].tolist() == [0, GIB]
    assert list(history("volumes", tmp_path, columns=["sample"]).columns) == ["host", "sampled_at", "sample"]


def test_times_are_given_on_the_clock_that_was_asked_for(tmp_path: Path) -> None:
    put(tmp_path, NOON)
    found = history("volumes", tmp_path, tz="Europe/Berlin")
    assert str(found["sampled_at"].dtype) == "datetime64[ns, Europe/Berlin]"
    assert str(found["modified"].dtype) == "datetime64[ns, Europe/Berlin]"
    assert found["sampled_at"][0].isoformat() == "2024-11-25T13:00:00+01:00"


def test_every_keeps_the_last_of_each_host(tmp_path: Path) -> None:
    for minutes in (0, 20, 59, 60, 125):
        put(tmp_path, NOON + timedelta(minutes=minutes), 1, host="a")
    put(tmp_path, NOON + timedelta(minutes=5), 1, host="b")
    found = history("volumes", tmp_path, every="1h")
    assert found["host"].tolist() == ["b", "a", "a", "a"]
    kept = [pd.Timestamp(NOON + timedelta(minutes=minutes)) for minutes in (5, 59, 60, 125)]
    assert found["sampled_at"].tolist() == kept
    assert len(history("volumes", tmp_path, every=timedelta(days=1))) == 2
    assert len(history("volumes", tmp_path, every=timedelta.max)) == 2


@pytest.mark.parametrize(
    ("times", "every", "kept"),
    [
        # A day of Berlin's begins at 23:00 or 22:00 UTC.
        (["2024-11-25 22:00", "2024-11-25 22:59", "2024-11-25 23:00"], "1d", [1, 2]),
        # The clock shows 02:30 twice on this day, which has 25 hours and is one day.
        (["2026-10-25 00:30", "2026-10-25 01:30", "2026-10-25 02:30"], "1h", [0, 1, 2]),
        (["2026-10-24 22:00", "2026-10-25 22:30", "2026-10-25 23:00"], "1d", [1, 2]),
        (["2026-10-24 22:30", "2026-10-25 00:30", "2026-10-25 04:30"], "6h", [2]),
        # It leaves out an hour on this one.
        (["2026-03-29 00:30", "2026-03-29 01:00", "2026-03-29 01:30"], "1h", [0, 2]),
        (["2026-03-28 23:00", "2026-03-29 21:59", "2026-03-29 22:00"], "1d", [1, 2]),
    ],
)
def test_intervals_are_those_of_the_clock(times: list[str], every: str, kept: list[int]) -> None:
    sampled_at = pd.Series(pd.to_datetime(times, utc=True))
    mask = last_of_each(sampled_at, pd.Series(["h"] * len(times)), parse_duration(every), "Europe/Berlin")
    assert [number for number, keep in enumerate(mask) if keep] == kept


@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.sampled_from("ab")), min_size=1),
    st.integers(1, 10**5),
)
def test_thinning_keeps_one_of_each_interval_and_host(samples: list[tuple[int, str]], seconds: int) -> None:
    at = pd.Series(pd.to_datetime([second for second, _ in samples], unit="s", utc=True))
    mask = last_of_each(at, pd.Series([host for _, host in samples]), timedelta(seconds=seconds))
    last: dict[tuple[int, str], int] = {}
    for second, host in samples:
        key = (second // seconds, host)
        last[key] = max(second, last.get(key, 0))
    kept = [samples[number] for number in mask[mask].index]
    assert sorted(kept) == sorted((second, host) for (_, host), second in last.items())


def test_a_sample_counts_when_its_row_is_there(tmp_path: Path) -> None:
    lost, whole = put(tmp_path, NOON), put(tmp_path, NOON + HOUR)
    next((tmp_path / "samples").rglob(f"{lost}.parquet")).unlink()
    for frame in ("volumes", "pools", "samples"):
        assert set(history(frame, tmp_path)["sample"]) == {whole}


def _break(path: Path, how: str) -> None:
    data = path.read_bytes()
    if how == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "flipped":  # in a page: only its checksum tells
        place = data.index(b"v0") if b"v0" in data else 60
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
    elif how == "lost":
        path.unlink()
        path.symlink_to("nowhere")
    elif how == "stranger":
        path.rename(path.with_name("my own.parquet"))
    elif how == "other columns":
        pd.DataFrame({"x": [1]}).to_parquet(path)
    elif how == "no text":
        pd.DataFrame({"x": [1]}).to_csv(path)


@pytest.mark.parametrize("how", ["cut", "empty", "flipped", "lost", "stranger", "other columns", "no text"])
@pytest.mark.parametrize("frame", ["volumes", "samples"])
def test_a_broken_file_is_named_and_the_rest_can_be_had(tmp_path: Path, how: str, frame: str) -> None:
    broken, whole = put(tmp_path, NOON), put(tmp_path, NOON + HOUR)
    path = next((tmp_path / frame).rglob(f"{broken}.parquet"))
    _break(path, how)
    named = path.with_name("my own.parquet") if how == "stranger" else path
    with pytest.raises(BadHistory) as failure:
        history("volumes", tmp_path)
    assert str(named) in str(failure.value)
    assert "\n" not in str(failure.value)
    found = history("volumes", tmp_path, strict=False)
    assert set(found["sample"]) == {whole}
    assert len(found.attrs["problems"]) == 1
    assert str(named) in found.attrs["problems"][0]
    assert history("volumes", tmp_path, since=NOON + HOUR, strict=False).empty is False


def test_what_readers_leave_out_is_left_out(tmp_path: Path) -> None:
    sample = put(tmp_path, NOON)
    for name in (".hidden", "_SUCCESS"):
        next((tmp_path / "volumes").rglob("*.parquet")).with_name(name).write_bytes(b"x")
    (tmp_path / "volumes/notes.txt").write_text("x")
    (tmp_path / "volumes/day=soon").mkdir()
    assert set(history("volumes", tmp_path)["sample"]) == {sample}


def test_nanoseconds_agree() -> None:
    assert pd.Timestamp(nanoseconds(NOON), tz="UTC") == pd.Timestamp(NOON)
