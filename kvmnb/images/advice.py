"""What a comparison tells: which of the sayings hold, and which format to choose when. Pure.

Everything is worked out from the frame that `kvmnb.compare_formats` gives, and names the figures it rests on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from kvmnb.errors import BadValue
from kvmnb.schema import ADVICE, FEATURES, FORMATS, SAYINGS, WORKLOADS, returns
from kvmnb.units import format_size

if TYPE_CHECKING:
    import pandas as pd

#: An image that takes less than this part of its disk grows as it is used.
_LITTLE = 0.1

#: Sizes that differ by less than this part, or by less than a few tables, are taken as the same.
_SAME, _TABLES = 0.02, 1 << 20

#: Times are told apart from here on.
_FASTER = 1.1

#: A format that other hypervisors have as their own, by name.
_OTHERS = {
    "vdi": "VirtualBox",
    "vmdk": "VMware",
    "vhdx": "Hyper-V",
    "vpc": "Virtual PC",
    "parallels": "Parallels",
}

_Row = dict[Any, Any]


class _Measured:
    """The candidates of a comparison that were measured, by name, with None for what is not known."""

    def __init__(self, comparison: pd.DataFrame) -> None:
        missing = set(FORMATS.names) - set(comparison.columns)
        if missing:
            raise BadValue(
                f"This frame is no comparison of formats: it has no column {min(missing)!r}",
                "give what kvmnb.compare_formats returned",
            )
        known = comparison.astype(object).where(comparison.notna(), None)
        rows = known[comparison["status"] == "ok"].to_dict("records")
        self.rows: dict[str, _Row] = {str(row["candidate"]): dict(row) for row in rows}

    def __getitem__(self, name: str) -> _Row:
        """Give a candidate; one that was not measured has nothing known."""
        return self.rows.get(name) or dict.fromkeys(FORMATS.names)

    def names(self, fits: Callable[[_Row], bool | None]) -> list[str]:
        """Give the candidates that fit, in their order."""
        return [name for name, row in self.rows.items() if fits(row)]


def _can(row: _Row) -> set[str]:
    return {feature for feature in FEATURES if row[feature]}


def _listed(names: list[str]) -> str:
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else "".join(names)


def _words(workload: str) -> str:
    return {"first_write": "writes to new places", "sequential_read": "reads in order"}.get(
        workload, f"{workload.partition('_')[0]} {workload.partition('_')[2]}s"
    )


@returns(SAYINGS)
def check_sayings(comparison: pd.DataFrame) -> pd.DataFrame:
    """Hold what is said of disk formats against what was measured here.

    Parameters
    ----------
    comparison : pandas.DataFrame
        What `kvmnb.compare_formats` returned.

    Raises
    ------
    kvmnb.errors.BadValue
        It is another frame.
    """
    measured = _Measured(comparison)
    rows = [
        ("raw takes all its space at once", *_all_at_once(measured["raw"]), False),
        ("raw has no snapshots", *_no_snapshots(measured["raw"]), False),
        ("qcow2 grows as it is used", *_grows(measured["qcow2"]), False),
        ("qcow2 has snapshots", *_snapshots(measured["qcow2"]), False),
        ("deleting files in the guest never makes an image smaller", *_never_smaller(measured), False),
        ("qcow is dead", *_dead(measured["qcow"], measured["qcow2"]), False),
        ("raw is fastest", *_fastest(measured), True),
        ("qcow2 is slow", *_slow(measured["qcow2"]), True),
        ("preallocation makes qcow2 write faster", *_preallocated(measured), True),
    ]
    return SAYINGS.build(
        {"saying": saying, "holds": holds, "measured": figures, "timed": timed}
        for saying, holds, figures, timed in rows
    )


_Verdict = tuple[bool | None, str]
_UNKNOWN: _Verdict = (None, "not measured")


def _all_at_once(raw: _Row) -> _Verdict:
    if raw["created_allocated"] is None:
        return _UNKNOWN
    looks, takes = format_size(raw["created_apparent"]), format_size(raw["created_allocated"])
    holds = raw["created_allocated"] >= raw["virtual_size"] * (1 - _LITTLE)
    return holds, f"ls says {looks}, du says {takes}, of a new one"


def _no_snapshots(raw: _Row) -> _Verdict:
    if raw["snapshots"] is None:
        return _UNKNOWN
    return not raw["snapshots"], "one could be made" if raw["snapshots"] else "none could be made"


def _snapshots(qcow2: _Row) -> _Verdict:
    if qcow2["snapshots"] is None:
        return _UNKNOWN
    done = "one was made, written over, and brought back" if qcow2["snapshots"] else "none could be made"
    return qcow2["snapshots"], done


def _grows(qcow2: _Row) -> _Verdict:
    if qcow2["written_allocated"] is None:
        return _UNKNOWN
    new, then = qcow2["created_allocated"], qcow2["written_allocated"]
    holds = new < qcow2["virtual_size"] * _LITTLE and new < then
    return holds, f"{format_size(new)} when new, {format_size(then)} after the data was written"


def _never_smaller(measured: _Measured) -> _Verdict:
    known = measured.names(lambda row: row["discards"] is not None)
    smaller = measured.names(lambda row: row["discards"])
    if not known:
        return _UNKNOWN
    if not smaller:
        return True, "no format gave space back"
    return False, f"{_listed(smaller)} gave the space back once it was discarded (fstrim)"


def _dead(qcow: _Row, qcow2: _Row) -> _Verdict:
    if qcow["snapshots"] is None or qcow2["snapshots"] is None:
        return _UNKNOWN
    more, less = _can(qcow2) - _can(qcow), _can(qcow) - _can(qcow2)
    if less:
        return False, f"it has {_listed(sorted(less))}, and qcow2 has not"
    order = [feature for feature in FEATURES if feature in more]
    besides = f"{_listed(order)} besides" if order else "no more"
    return bool(more), f"qcow2 can all that it can, and {besides}"


def _fastest(measured: _Measured) -> _Verdict:
    others = [
        (row[workload], row[f"{workload}_low"], name, workload)
        for name, row in measured.rows.items()
        for workload in WORKLOADS
        # That space is taken beforehand makes raw no other format.
        if row["format"] != "raw" and row[workload] is not None
    ]
    if not others:
        return _UNKNOWN
    # Every round of it was faster, so that it is more than chance.
    faster = [(ratio, name, workload) for ratio, low, name, workload in others if low > _FASTER]
    if not faster:
        return True, "nothing was faster in every round"
    ratio, name, workload = max(faster)
    return False, f"{_words(workload)}: {name} {ratio:.2f} times as fast"


def _slow(qcow2: _Row) -> _Verdict:
    ratios = [qcow2[workload] for workload in WORKLOADS if qcow2[workload] is not None]
    if not ratios:
        return _UNKNOWN
    return max(ratios) < 0.8, f"{min(ratios):.2f} to {max(ratios):.2f} times raw, by what it does"


def _preallocated(measured: _Measured) -> _Verdict:
    plain = measured["qcow2"]["first_write"]
    names = measured.names(lambda row: row["format"] == "qcow2" and "preallocation" in (row["options"] or ""))
    times = {name: measured[name]["first_write"] for name in names}
    times = {name: ratio / plain for name, ratio in times.items() if plain and ratio is not None}
    if not times:
        return _UNKNOWN
    said = ", ".join(f"{name} {ratio:.2f} times" for name, ratio in times.items())
    return max(times.values()) > _FASTER, f"writes to new places, against plain qcow2: {said}"


@returns(ADVICE)
def advise(comparison: pd.DataFrame) -> pd.DataFrame:
    """Say which format to choose when, by what was measured here.

    Parameters
    ----------
    comparison : pandas.DataFrame
        What `kvmnb.compare_formats` returned.

    Raises
    ------
    kvmnb.errors.BadValue
        It is another frame.
    """
    measured = _Measured(comparison)
    exact = [(*one, False) for one in _by_what_it_can(measured)]
    needs = [*exact, *_usually(exact), *((*one, True) for one in _by_speed(measured))]
    return ADVICE.build(
        {"need": need, "choose": tuple(choose), "because": because, "timed": timed}
        for need, choose, because, timed in needs
    )


_Advice = tuple[str, list[str], str]


def _ablest(measured: _Measured, names: list[str]) -> list[str]:
    """Of some candidates those that can most else; a compressed one is for keeping, not for use."""
    usable = [name for name in names if not name.endswith("compressed")] or names
    most = max((len(_can(measured[name])) for name in usable), default=0)
    return [name for name in usable if len(_can(measured[name])) == most]


def _smallest(measured: _Measured, names: list[str], size: str) -> list[str]:
    known = {name: measured[name][size] for name in names if measured[name][size] is not None}
    least = min(known.values(), default=0)
    return [name for name, taken in known.items() if taken <= least * (1 + _SAME) + _TABLES]


def _by_what_it_can(measured: _Measured) -> Iterator[_Advice]:
    able = measured.names(lambda row: row["snapshots"])
    yield "you want snapshots inside the image", _ablest(measured, able), _only(able, "could make them")
    able = measured.names(lambda row: row["overlays"] and row["base"])
    yield (
        "many guests are to share one base",
        _ablest(measured, able),
        _only(able, "can lie on a base; these can most else"),
    )
    able = measured.names(lambda row: row["discards"] and not row["candidate"].endswith("compressed"))
    small = _smallest(measured, able, "written_allocated")
    taken = max((measured[name]["written_allocated"] for name in small), default=0)
    because = f"at most {format_size(taken)} with the data in it, and it gets smaller when the guest discards"
    yield "space on the host is short", small, because if small else "nothing gave space back"
    able = measured.names(_reserved)
    yield "the space must be there, whatever others take", able, _only(able, "took all of it when created")
    able = measured.names(lambda row: row["compression"])
    small = _smallest(measured, able, "written_allocated")
    taken = min((measured[name]["written_allocated"] for name in small), default=0)
    yield "it is to be sent or kept", small, f"{format_size(taken)} with the data in it" if small else "none"
    able = measured.names(lambda row: row["cipher"] == "luks")
    yield "its content must be encrypted", _ablest(measured, able), _only(able, "took LUKS")
    able = measured.names(lambda row: row["format"] in _OTHERS)
    theirs = ", ".join(f"{name} for {_OTHERS[measured[name]['format']]}" for name in able)
    yield "another hypervisor must read it", able, theirs or "none was measured"


def _only(able: list[str], what: str) -> str:
    return f"{len(able)} of those measured {what}" if able else "none could"


def _reserved(row: _Row) -> bool:
    if row["created_allocated"] is None or row["created_allocated"] < row["virtual_size"]:
        return False
    # The tables of a tiny image alone may be as large, so it must not have grown either.
    return bool((row["written_allocated"] or 0) <= row["created_allocated"] * (1 + _SAME))


def _usually(exact: list[tuple[str, list[str], str, bool]]) -> Iterator[tuple[str, list[str], str, bool]]:
    """Name the candidates that serve most of the needs."""
    served: dict[str, int] = {}
    for _, names, _, _ in exact:
        for name in names:
            served[name] = served.get(name, 0) + 1
    most = max(served.values(), default=0)
    best = [name for name, count in served.items() if count == most]
    yield "nothing else decides", best, f"named for {most} of the {len(exact)} needs above", False


def _by_speed(measured: _Measured) -> Iterator[_Advice]:
    for need, workloads in (
        ("reading fast counts most", ("sequential_read", "random_read")),
        ("writing fast counts most", ("sequential_write", "random_write", "first_write")),
    ):
        means = {
            name: tuple(_mean([row[f"{w}{end}"] for w in workloads]) for end in ("", "_low", "_high"))
            for name, row in measured.rows.items()
            if all(row[workload] is not None for workload in workloads)
        }
        if not means:
            yield need, [], "not measured"
            continue
        best = max(means, key=lambda name: means[name][0])
        # Those whose spread reaches into that of the best cannot be told from it.
        same = [name for name, (_, _, high) in means.items() if high >= means[best][1]]
        same.sort(key=lambda name: -means[name][0])
        mean, low, high = means[best]
        alike = "; the others cannot be told from it" if len(same) > 1 else ""
        yield need, same, f"{best}: {mean:.2f} times raw on average ({low:.2f} to {high:.2f} times){alike}"


def _mean(ratios: list[float]) -> float:
    """Give the geometric mean, which is the one for ratios."""
    return math.exp(sum(math.log(max(ratio, 1e-9)) for ratio in ratios) / len(ratios))
