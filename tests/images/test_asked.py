"""Which sizes are compared, and how much space is kept free for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmnb.errors import BadValue
from kvmnb.images.asked import LARGE_ENOUGH, LARGEST, SMALLEST, always, at_once, need, sizes_asked
from kvmnb.images.candidates import CANDIDATES, RAW

MIB, GIB = 1 << 20, 1 << 30


def test_sizes_are_read_in_units() -> None:
    assert sizes_asked("1G", "32M") == (GIB, 32 * MIB)
    assert sizes_asked(64 * MIB, 64 * MIB) == (64 * MIB, 64 * MIB)
    assert sizes_asked(SMALLEST, SMALLEST) == (SMALLEST, SMALLEST)
    assert sizes_asked(LARGEST, "1M") == (LARGEST, MIB)
    assert sizes_asked(MIB + 512, MIB) == (MIB + 512, MIB)


@pytest.mark.parametrize(
    ("size", "data", "said"),
    [
        (0, "1M", "A size of 0 bytes cannot be compared"),
        (-1, "1M", "-1 is negative"),
        ("1X", "1M", "unknown unit 'X'"),
        (513, "1M", "A size of 513 bytes cannot be compared"),
        (MIB + 513, "1M", "no multiple of 512 bytes"),
        ("16E", "1M", "too large"),
        (2**63, "1M", "too large"),
        ("65T", "1M", "A size of 65 TiB cannot be compared"),
        (True, "1M", "True is not a size"),
        (1.5, "1M", "not a whole number"),
        (None, "1M", "is not a size"),
        ("64M", "65M", "cannot be written to 64 MiB"),
        ("64M", MIB + 4096, "cannot be written to 64 MiB"),
        ("64M", 0, "cannot be written"),
        ("64M", "64K", "cannot be written"),
        ("64M", "-1M", "is negative"),
        ("64M", "lots", "'lots' is not a size"),
    ],
)
def test_a_size_without_sense_is_named(size: int | str, data: int | str, said: str) -> None:
    with pytest.raises(BadValue) as failure:
        sizes_asked(size, data)
    assert said in failure.value.what
    assert failure.value.remedy


@given(st.integers(-1, 2**65) | st.integers(MIB - 512, MIB + 1024), st.integers(-1, 2**40))
def test_what_is_accepted_can_be_made_and_written(size: int, data: int) -> None:
    try:
        total, amount = sizes_asked(size, data)
    except BadValue:
        sectors = 0 <= size <= LARGEST and size % 512 == 0 and size >= SMALLEST
        assert not (sectors and SMALLEST <= data <= size and data % (64 << 10) == 0)
    else:
        assert (total, amount) == (size, data)
        assert SMALLEST <= amount <= total <= LARGEST
        assert total % 512 == amount % (64 << 10) == 0


@given(st.integers(MIB, 64 << 40), st.integers(MIB, GIB))
def test_space_is_asked_for_once_more_than_is_used(size: int, data: int) -> None:
    assert always([RAW], data) > LARGE_ENOUGH
    assert always(CANDIDATES, data) > (len(CANDIDATES) + 3) * data
    assert need([RAW], size, data) == always([RAW], data)  # a sparse disk takes what is written
    assert need(CANDIDATES, size, data) >= at_once(size, data) > size + 2 * data
