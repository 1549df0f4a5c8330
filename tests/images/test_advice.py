"""What a comparison tells, from made-up figures by which each saying holds, does not, or is not known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import pytest

from kvmnb.errors import BadValue
from kvmnb.images.advice import advise, check_sayings
from kvmnb.schema import ADVICE, FEATURES, FORMATS, SAYINGS, WORKLOADS

MIB, GIB = 1 << 20, 1 << 30


def _speeds(
    ratio: float, spread: float = 0.0, *, only: tuple[str, ...] = tuple(WORKLOADS)
) -> dict[str, float]:
    ends = {"": 0.0, "_low": -spread, "_high": spread}
    return {f"{workload}{end}": ratio + by for workload in only for end, by in ends.items()}


def _row(candidate: str, **known: object) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(FORMATS.names)
    kind, _, options = candidate.partition(" ")
    preallocated = options in {"metadata", "falloc", "full"}
    row.update(
        host="node1",
        candidate=candidate,
        format=kind,
        options=f"preallocation={options}" if preallocated else "",
        virtual_size=GIB,
        reasons=(),
        status="ok",
    )
    return row | known


def _can(*features: str) -> dict[str, bool]:
    assert set(features) <= set(FEATURES)
    return {feature: feature in features for feature in FEATURES}


def _frame(*rows: Mapping[str, Any]) -> pd.DataFrame:
    return FORMATS.build(rows)


def _saying(words: str, *rows: Mapping[str, Any]) -> tuple[bool | None, str]:
    sayings = check_sayings(_frame(*rows)).set_index("saying")
    holds = sayings["holds"][words]
    return None if pd.isna(holds) else bool(holds), str(sayings["measured"][words])


def _advice(need: str, *rows: Mapping[str, Any]) -> tuple[tuple[str, ...], str]:
    found = advise(_frame(*rows)).set_index("need")
    return found["choose"][need], str(found["because"][need])


_QCOW2 = _row(
    "qcow2",
    created_apparent=196624,
    created_allocated=200704,
    written_allocated=33 * MIB,
    cipher="luks",
    **_can(*FEATURES),
    **_speeds(0.7, 0.05),
)
_RAW = _row(
    "raw",
    created_apparent=GIB,
    created_allocated=4096,
    written_allocated=32 * MIB,
    **_can("base", "grow", "shrink", "discards"),
    **_speeds(1.0),
)


@pytest.mark.parametrize(
    ("words", "rows", "holds", "figures"),
    [
        ("raw takes all its space at once", [_RAW], False, "ls says 1 GiB, du says 4 KiB, of a new one"),
        ("raw takes all its space at once", [_RAW | {"created_allocated": GIB}], True, "du says 1 GiB"),
        ("raw takes all its space at once", [_row("raw")], None, "not measured"),
        ("raw has no snapshots", [_RAW], True, "none could be made"),
        ("raw has no snapshots", [_RAW | {"snapshots": True}], False, "one could be made"),
        ("raw has no snapshots", [_row("raw")], None, "not measured"),
        ("qcow2 grows as it is used", [_QCOW2], True, "196 KiB when new, 33 MiB after the data"),
        ("qcow2 grows as it is used", [_QCOW2 | {"created_allocated": GIB}], False, "1 GiB when new"),
        ("qcow2 grows as it is used", [_QCOW2 | {"written_allocated": 200704}], False, "196 KiB when new"),
        ("qcow2 grows as it is used", [_RAW], None, "not measured"),
        ("qcow2 has snapshots", [_QCOW2], True, "one was made, written over, and brought back"),
        ("qcow2 has snapshots", [_QCOW2 | {"snapshots": False}], False, "none could be made"),
        ("qcow2 has snapshots", [_QCOW2 | {"snapshots": None}], None, "not measured"),
        (
            "qcow is dead",
            [_QCOW2, _row("qcow", **_can("base"))],
            True,
            "qcow2 can all that it can, and snapshots,",
        ),
        (
            "qcow is dead",
            [_QCOW2, _row("qcow", **_can(*FEATURES))],
            False,
            "qcow2 can all that it can, and no more",
        ),
        (
            "qcow is dead",
            [_QCOW2 | {"base": False}, _row("qcow", **_can("base", "grow"))],
            False,
            "it has base, and qcow2 has not",
        ),
        ("qcow is dead", [_QCOW2], None, "not measured"),
        ("qcow2 is slow", [_QCOW2], True, "0.70 to 0.70 times raw"),
        ("qcow2 is slow", [_QCOW2 | _speeds(0.9, only=("random_read",))], False, "0.70 to 0.90 times raw"),
        ("qcow2 is slow", [_QCOW2 | dict.fromkeys(WORKLOADS)], None, "not measured"),
        ("raw is fastest", [_RAW, _QCOW2], True, "nothing was faster in every round"),
        (
            "raw is fastest",
            [_RAW, _QCOW2 | _speeds(1.5, 0.2, only=("random_write",))],
            False,
            "random writes: qcow2 1.50 times as fast",
        ),
        ("raw is fastest", [_RAW, _QCOW2 | _speeds(1.5, 0.45)], True, "nothing was faster in every round"),
        ("raw is fastest", [_RAW, _row("raw full", **_speeds(3.0))], None, "not measured"),
        ("raw is fastest", [_RAW, _row("raw full", **_speeds(3.0)), _QCOW2], True, "nothing was faster"),
        (
            "preallocation makes qcow2 write faster",
            [_QCOW2, _row("qcow2 full", **_speeds(1.4)), _row("qcow2 metadata", **_speeds(0.7))],
            True,
            "qcow2 full 2.00 times, qcow2 metadata 1.00 times",
        ),
        (
            "preallocation makes qcow2 write faster",
            [_QCOW2, _row("qcow2 full", **_speeds(0.7))],
            False,
            "qcow2 full 1.00 times",
        ),
        ("preallocation makes qcow2 write faster", [_QCOW2, _row("qcow2 full")], None, "not measured"),
        ("preallocation makes qcow2 write faster", [_QCOW2], None, "not measured"),
        (
            "deleting files in the guest never makes an image smaller",
            [_RAW, _QCOW2, _row("vdi", discards=False)],
            False,
            "raw and qcow2 gave the space back",
        ),
        (
            "deleting files in the guest never makes an image smaller",
            [_row("vdi", discards=False), _row("vmdk")],
            True,
            "no format gave space back",
        ),
        ("deleting files in the guest never makes an image smaller", [_row("vdi")], None, "not measured"),
    ],
)
def test_a_saying_is_held_against_the_figures(
    words: str, rows: list[dict[str, Any]], holds: bool | None, figures: str
) -> None:
    verdict, measured = _saying(words, *rows)
    assert verdict is holds
    assert figures in measured


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [_row("raw")],
        [_RAW | {"status": "failed", "problem": "no"}, _QCOW2 | {"status": "no space"}],
    ],
)
def test_of_nothing_measured_nothing_is_said(rows: list[dict[str, Any]]) -> None:
    sayings, advice = check_sayings(_frame(*rows)), advise(_frame(*rows))
    assert sayings["holds"].isna().all()
    assert (sayings["measured"] == "not measured").all()
    assert set(advice["choose"]) == {()}
    assert advice["because"].notna().all()


def test_both_frames_are_as_declared_and_say_what_rests_on_times() -> None:
    sayings, advice = check_sayings(_frame(_RAW, _QCOW2)), advise(_frame(_RAW, _QCOW2))
    assert sayings.dtypes.to_dict() == SAYINGS.empty().dtypes.to_dict()
    assert advice.dtypes.to_dict() == ADVICE.empty().dtypes.to_dict()
    assert sayings["saying"][sayings["timed"]].tolist() == [
        "raw is fastest",
        "qcow2 is slow",
        "preallocation makes qcow2 write faster",
    ]
    assert advice["need"][advice["timed"]].tolist() == [
        "reading fast counts most",
        "writing fast counts most",
    ]


def test_a_comparison_of_raw_alone() -> None:
    holds = check_sayings(_frame(_RAW)).set_index("saying")["holds"].dropna().to_dict()
    assert holds == {
        "raw takes all its space at once": False,
        "raw has no snapshots": True,
        "deleting files in the guest never makes an image smaller": False,
    }
    chosen = {
        need: choose
        for need, choose in advise(_frame(_RAW))[["need", "choose"]].itertuples(index=False)
        if choose
    }
    assert chosen == {
        "space on the host is short": ("raw",),
        "nothing else decides": ("raw",),
        "reading fast counts most": ("raw",),
        "writing fast counts most": ("raw",),
    }


@pytest.mark.parametrize(
    ("need", "rows", "chosen", "because"),
    [
        (
            "you want snapshots inside the image",
            [_RAW, _QCOW2],
            ("qcow2",),
            "1 of those measured could make them",
        ),
        ("you want snapshots inside the image", [_RAW], (), "none could"),
        (
            "you want snapshots inside the image",
            [_QCOW2, _row("qcow2 full", **_can("snapshots")), _QCOW2 | {"candidate": "qcow2 extended_l2"}],
            ("qcow2", "qcow2 extended_l2"),  # a tie of those that can most else
            "3 of those",
        ),
        (
            "many guests are to share one base",
            [_QCOW2, _row("vmdk", **_can("overlays"))],
            ("qcow2",),
            "1 of those",
        ),
        (
            "space on the host is short",
            [_RAW, _QCOW2],
            ("raw", "qcow2"),
            "at most 33 MiB",
        ),  # told apart by tables only
        (
            "space on the host is short",
            [
                _RAW,
                _QCOW2 | {"written_allocated": 40 * MIB},
                _row("vdi", written_allocated=MIB, discards=False),
            ],
            ("raw",),
            "at most 32 MiB",
        ),
        ("space on the host is short", [_row("vdi", discards=False)], (), "nothing gave space back"),
        (
            "the space must be there, whatever others take",
            [_RAW, _row("raw full", created_allocated=GIB, written_allocated=GIB)],
            ("raw full",),
            "1 of those measured took all of it",
        ),
        (
            "the space must be there, whatever others take",  # of a tiny disk the tables alone are as large
            [_row("vhdx", virtual_size=MIB, created_allocated=MIB + 9, written_allocated=2 * MIB)],
            (),
            "none could",
        ),
        (
            "it is to be sent or kept",
            [_QCOW2, _QCOW2 | {"candidate": "qcow2 compressed", "written_allocated": 17 * MIB}],
            ("qcow2 compressed",),
            "17 MiB with the data in it",
        ),
        ("it is to be sent or kept", [_RAW], (), "none"),
        ("its content must be encrypted", [_QCOW2, _row("qcow", cipher="aes")], ("qcow2",), "1 of those"),
        ("its content must be encrypted", [_row("qcow", cipher="aes")], (), "none could"),
        (
            "another hypervisor must read it",
            [_RAW, _row("vdi"), _row("vmdk")],
            ("vdi", "vmdk"),
            "vdi for VirtualBox, vmdk for VMware",
        ),
        ("another hypervisor must read it", [_RAW], (), "none was measured"),
        ("nothing else decides", [_RAW, _QCOW2], ("qcow2",), "named for 5 of the 7 needs above"),
        ("nothing else decides", [_row("vdi"), _row("vmdk")], ("vdi", "vmdk"), "named for 1 of the 7"),
        (
            "reading fast counts most",
            [_RAW, _QCOW2],
            ("raw",),
            "raw: 1.00 times raw on average (1.00 to 1.00 times)",
        ),
        (
            "reading fast counts most",
            [_RAW, _QCOW2 | _speeds(0.95, 0.1), _row("vdi", **_speeds(0.9, 0.05))],
            ("raw", "qcow2"),
            "the others cannot be told from it",
        ),
        ("reading fast counts most", [_row("raw")], (), "not measured"),
        (
            "writing fast counts most",  # the mean of ratios is the geometric one: 4, 0.25 and 1 are 1
            [
                _RAW,
                _row(
                    "x",
                    **(
                        _speeds(1) | _speeds(4, only=("random_write",)) | _speeds(0.25, only=("first_write",))
                    ),
                ),
            ],
            ("raw", "x"),
            "1.00 times raw on average",
        ),
        (
            "writing fast counts most",
            [_RAW, _row("x", **_speeds(2, only=("random_write",)))],
            ("raw",),
            "raw: 1.00",
        ),
    ],
)
def test_advice_names_those_that_serve_best(
    need: str, rows: list[dict[str, Any]], chosen: tuple[str, ...], because: str
) -> None:
    choose, said = _advice(need, *rows)
    assert choose == chosen
    assert because in said


def test_a_candidate_that_was_not_measured_is_never_named() -> None:
    rows = [_RAW, _QCOW2 | {"status": "no space", "problem": "full"}]
    assert not any("qcow2" in choose for choose in advise(_frame(*rows))["choose"])
    assert check_sayings(_frame(*rows)).set_index("saying")["holds"].isna()["qcow2 has snapshots"]


@pytest.mark.parametrize("judge", [advise, check_sayings])
def test_another_frame_is_refused(judge: Any) -> None:  # noqa: ANN401 - either of the two
    with pytest.raises(BadValue, match="no comparison of formats: it has no column 'base'"):
        judge(pd.DataFrame({"candidate": ["raw"]}))
