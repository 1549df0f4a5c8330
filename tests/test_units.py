"""Sizes: words to bytes and back."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmnb.errors import BadValue, KvmnbError
from kvmnb.units import LARGEST, format_size, parse_size, virsh_size

_SIZES = st.integers(0, LARGEST)
_LETTERS = "KMGTPE"


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (0, 0),
        (512, 512),
        ("0", 0),
        ("512", 512),
        ("512 bytes", 512),
        ("1 byte", 1),
        ("7b", 7),
        ("10K", 10240),
        ("10k", 10240),
        ("10KiB", 10240),
        ("10KB", 10000),
        ("  1.5 GiB ", 3 << 29),
        ("10G", 10 << 30),
        ("10GB", 10**10),
        ("+1T", 1 << 40),
        ("0.5K", 512),
        ("1P", 1 << 50),
        ("7E", 7 << 60),
        (LARGEST, LARGEST),
        (str(LARGEST), LARGEST),
    ],
)
def test_a_size_is_read(text: str | int, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "ten",
        "10X",
        "10 GiBs",
        "1e30",
        "0x10",
        "1_000",
        "1,5G",
        "G",
        "10G 5M",
        "-1",
        -1,
        "-0.5K",
        "1.5",
        "0.3K",
        "1." + "0" * 60 + "1",
        "8E",
        LARGEST + 1,
        "9" * 10_000,
        "\u0661\u0660",
        "10\N{KELVIN SIGN}",
        "1\n0",
        "10G\0",
        "nan",
        "inf",
        True,
        1.5,
        float("nan"),
        None,
        "\ud800",
    ],
)
def test_what_is_no_size_is_told_by_its_value(text: str) -> None:
    with pytest.raises(BadValue) as error:
        parse_size(text)
    assert repr(text) in str(error.value)
    assert error.value.remedy


@pytest.mark.parametrize("size", [10**5000, -(10**5000)], ids=["positive", "negative"])
def test_a_number_too_long_to_be_written_is_refused(size: int) -> None:
    with pytest.raises(BadValue):
        parse_size(size)


@given(st.one_of(st.text(), st.integers(), st.floats(), st.from_regex(r"[+-]?\d*\.?\d* ?[KMGTPE]?i?[Bb]?")))
def test_nothing_else_is_raised(text: str) -> None:
    try:
        size = parse_size(text)
    except KvmnbError:
        return
    assert 0 <= size <= LARGEST


@given(_SIZES)
def test_what_virsh_reads_is_exact(size: int) -> None:
    number, letter = virsh_size(size)[:-1], virsh_size(size)[-1]
    scale = 1 if letter == "B" else 1024 ** (_LETTERS.index(letter) + 1)
    assert int(number) * scale == size


@given(_SIZES)
def test_a_size_in_words_is_near(size: int) -> None:
    words = format_size(size)
    number, unit = words.split()
    scale = 1 if unit.startswith("byte") else 1024 ** (_LETTERS.index(unit[0]) + 1)
    assert abs(Decimal(number) * scale - size) <= Decimal(scale) / 200 + 1
    assert len(number.partition(".")[2]) <= 2


@given(st.integers(0, 1023), st.sampled_from(["", *_LETTERS[:5]]))
def test_a_round_size_comes_back(number: int, letter: str) -> None:
    size = parse_size(f"{number}{letter}")
    assert parse_size(format_size(size)) == size


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (1023, "1023 bytes"),
        (1024, "1 KiB"),
        (196624, "192.02 KiB"),
        (1024**2 - 1, "1 MiB"),
        (10 << 30, "10 GiB"),
        (LARGEST, "8 EiB"),
        (-2048, "-2 KiB"),
    ],
)
def test_a_size_in_words(size: int, words: str) -> None:
    assert format_size(size) == words
