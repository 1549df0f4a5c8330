"""What could be given back is within the bounds whichever blocks are taken, and whichever are free."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from kvmnb.images.headers import Qcow2
from kvmnb.usage.inside import Inside
from kvmnb.usage.reclaim import reclaimable

_BLOCK = 1 << 20
_BLOCKS = 40


@st.composite
def disks(draw: st.DrawFn) -> tuple[set[int], set[int], set[int]]:
    """Give the blocks that an image takes, those that are free, and those of which it is not known."""
    blocks = st.integers(0, _BLOCKS - 1)
    taken, free, hidden = (draw(st.sets(blocks)) for _ in range(3))
    return taken, free, hidden - free


@settings(max_examples=150, deadline=None)
@given(disks(), st.integers(0, 64))
def test_the_bounds_hold_whatever_the_blocks_are(
    disk: tuple[set[int], set[int], set[int]], more: int
) -> None:
    taken, free, hidden = disk
    for really in (free, free | hidden):
        inside = Inside((), None, None, len(free) * _BLOCK, (len(free) + len(hidden)) * _BLOCK, "encrypted")
        given_back = len(taken & really) * _BLOCK
        size = _BLOCKS * _BLOCK
        header = Qcow2(size, 1 << 16, 0, False)
        tables = (
            more << 14
        )  # less than what a header, tables and references of so small an image take at most
        for kind, head, takes in (("raw", None, 0), ("qcow2", header, tables), ("vmdk", None, tables)):
            told = reclaimable(size, len(taken) * _BLOCK + takes, kind, head, inside)
            assert told.least is not None
            assert told.most is not None
            assert told.least <= given_back <= told.most
            assert told.estimate is None


@settings(max_examples=100, deadline=None)
@given(disks())
def test_the_estimate_is_within_the_bounds(disk: tuple[set[int], set[int], set[int]]) -> None:
    taken, free, hidden = disk
    used = (_BLOCKS - len(free | hidden)) * _BLOCK
    inside = Inside((), used, len(free) * _BLOCK, len(free) * _BLOCK, len(free) * _BLOCK)
    told = reclaimable(_BLOCKS * _BLOCK, len(taken) * _BLOCK, "raw", None, inside)
    assert told.estimate is not None
    assert (told.least or 0) <= told.estimate <= (told.most or 0)
    if not hidden and len(taken) == _BLOCKS:  # all is taken, so what is free is known exactly
        assert told.least == told.estimate == told.most == len(free) * _BLOCK


def _told(header: Qcow2 | None, allocation: int | None = 10 * _BLOCK) -> tuple[int | None, ...]:
    inside = Inside((), 2 * _BLOCK, 8 * _BLOCK, 8 * _BLOCK, 8 * _BLOCK)
    told = reclaimable(10 * _BLOCK, allocation, "qcow2", header, inside)
    return told.estimate, told.least, told.most


def test_what_an_image_takes_for_tables_is_not_taken_for_the_guests() -> None:
    inside = Inside((), 0, 4 * _BLOCK, 4 * _BLOCK, 4 * _BLOCK)
    header = Qcow2(10 * _BLOCK, 1 << 16, 0, external=False)
    # The six blocks that are not free, and half a block of tables: there is nothing to give back.
    assert reclaimable(10 * _BLOCK, 6 * _BLOCK + _BLOCK // 2, "qcow2", header, inside).least == 0


def test_what_snapshots_hold_is_not_certain_to_come_back() -> None:
    plain = _told(Qcow2(10 * _BLOCK, 1 << 16, 0, external=False))
    assert plain[1] is not None
    assert plain[1] > 6 * _BLOCK
    assert _told(Qcow2(10 * _BLOCK, 1 << 16, 1, external=False))[1] == 0


def test_what_is_not_known_stays_unknown() -> None:
    assert _told(None, None) == (None, None, None)
    assert _told(Qcow2(10 * _BLOCK, 1 << 16, 0, external=True)) == (None, None, None)
