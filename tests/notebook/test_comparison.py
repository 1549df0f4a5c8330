"""The comparison as tables: every candidate, every figure in words, and below why some are missing."""

from __future__ import annotations

import pandas as pd
import pytest

from kvmnb.errors import BadValue
from kvmnb.notebook.comparison import about_comparison, show_features, show_sizes, show_speed
from kvmnb.notebook.tables import UNKNOWN
from kvmnb.schema import FEATURES, FORMATS, WORKLOADS
from tests.notebook import comparison as made
from tests.notebook.comparison import GIB, KIB, MIB, SIZES

_ABOUT = {"filesystem": "ext4", "qemu": "7.2.22", "host": "node1", "where": "/data/vm"}


@pytest.fixture
def compared() -> pd.DataFrame:
    rows = [
        made.candidate(
            "raw", GIB, 4 * KIB, **made.speeds(0), written_allocated=32 * MIB, create_seconds=0.0051
        ),
        made.candidate("qcow2", 196624, 200704, **made.speeds(2), snapshots=True, cipher="luks"),
        made.candidate("luks", virtual_size=None, status="cannot be created", problem="no key", cache=None),
    ]
    frame = FORMATS.build(
        rows, **_ABOUT, size=GIB, data=32 * MIB, rounds=3, read_at="2026-11-25T03:00:00+00:00"
    )
    frame.loc[1, "shrink"] = False
    return frame


def test_it_says_where_and_with_what(compared: pd.DataFrame) -> None:
    assert about_comparison(compared) == (
        "Disks of 1 GiB with 32 MiB of data, in /data/vm (ext4) on node1, with qemu-img 7.2.22; "
        "throughput with cache=none in 3 rounds."
    )
    compared.attrs["where"] = "/data/\x1b[31m\nvm"
    assert r" in /data/\x1b[31m\nvm (ext4) " in about_comparison(compared)
    compared["cache"] = pd.array([None] * 3, dtype="string")
    assert "cache=unknown in 3 rounds" in about_comparison(compared)


def test_sizes_are_in_words(compared: pd.DataFrame) -> None:
    table = show_sizes(compared)
    texts = table.texts.set_index("format")
    assert texts.index.tolist() == ["raw", "qcow2", "luks"]
    assert list(texts.loc["raw"])[:3] == ["1 GiB", "4 KiB", "32 MiB"]
    assert texts.loc["raw"]["create"] == "5.1 ms"
    assert list(texts.loc["qcow2"])[:3] == ["192.02 KiB", "196 KiB", UNKNOWN]
    assert set(texts.loc["luks"]) == {UNKNOWN}
    assert set(texts.columns) <= table.right
    assert "format" not in table.right
    assert table.note == "luks: cannot be created (no key)"
    assert "luks: cannot be created (no key)" in repr(table)


def test_features_are_yes_no_or_unknown(compared: pd.DataFrame) -> None:
    table = show_features(compared)
    texts = table.texts.set_index("format")
    assert texts.columns.tolist() == [*FEATURES, "cipher"]
    told = list(texts.loc["qcow2"][["snapshots", "shrink", "grow", "cipher"]])
    assert told == ["yes", "no", UNKNOWN, "luks"]
    assert table.note == "luks: cannot be created (no key)"


def test_throughput_has_its_spread(compared: pd.DataFrame) -> None:
    table = show_speed(compared)
    texts = table.texts.set_index("format")
    assert texts.columns.tolist() == [workload.replace("_", " ") for workload in WORKLOADS]
    assert set(texts.loc["raw"]) == {"1"}
    assert set(texts.loc["qcow2"]) == {"0.90 (0.88 to 0.92)"}
    assert set(texts.loc["luks"]) == {UNKNOWN}
    assert table.note == "luks: cannot be created (no key)"


@pytest.mark.parametrize("shown", [show_sizes, show_features, show_speed])
def test_every_candidate_is_a_line_and_nothing_is_html(shown: object) -> None:
    hostile = "<b>qcow2&x=1"
    frame = made.formats(
        made.candidate("raw", GIB, 0), made.candidate(hostile, GIB, 0, status="<i>", problem="&")
    )
    table = shown(frame)  # type: ignore[operator]
    assert table.texts["format"].tolist() == ["raw", hostile]
    html = table._repr_html_()
    assert "<b>" not in html
    assert "<i>" not in html
    assert "&lt;b&gt;qcow2&amp;x=1" in html
    whole = shown(made.formats())  # type: ignore[operator]
    assert whole.texts["format"].tolist() == list(SIZES)
    assert whole.note == "vpc: failed (no room)"


@pytest.mark.parametrize("shown", [show_sizes, show_features, show_speed])
def test_a_name_cannot_break_a_line(shown: object) -> None:
    hostile = made.candidate("qcow2 x=\x1b[2J\n", GIB, 0, status="failed", problem="two\nlines")
    table = shown(made.formats(hostile))  # type: ignore[operator]
    lines = repr(table).splitlines()
    assert len(lines) == 3
    assert lines[1].startswith(r"qcow2 x=\x1b[2J\n")
    assert lines[2] == r"qcow2 x=\x1b[2J\n: failed (two\nlines)"


@pytest.mark.parametrize("shown", [about_comparison, show_sizes, show_features, show_speed])
def test_another_frame_is_refused(shown: object) -> None:
    with pytest.raises(BadValue, match="no comparison of formats"):
        shown(pd.DataFrame({"candidate": ["raw"]}))  # type: ignore[operator]
