"""What is said of a candidate that failed names no path of the comparison's own."""

from __future__ import annotations

import errno
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmnb.errors import BadValue, ProgramFailed
from kvmnb.images.candidates import RAW
from kvmnb.images.found import Found, plain_words, row_of
from kvmnb.schema import FORMATS

_OWN = "/proc/4711/fd/9/part3/image"
_SAID = "qemu-img failed with exit status 1 and said: "


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (f"{_SAID}qemu-img: {_OWN}: Invalid parameter 'x'", "Invalid parameter 'x'"),
        (f"{_SAID}qemu-img: Could not open '{_OWN}': No space left", "No space left"),
        (f"{_SAID}qemu-img: {_OWN}", "qemu-img: part3/image".removeprefix("qemu-img: ")),
        (f"{_SAID}nothing", f"{_SAID}nothing"),
        (
            f"The image {_OWN!r} is open in another program",
            "The image 'part3/image' is open in another program",
        ),
        ("qemu-img did not end within 30 seconds", "qemu-img did not end within 30 seconds"),
    ],
)
def test_only_the_words_that_say_why_are_left(said: str, words: str) -> None:
    assert plain_words(said) == words


@given(st.lists(st.text("ab :/'\n") | st.just(_OWN) | st.just(" and said: ")).map("".join))
def test_no_path_and_no_empty_reason_is_left(said: str) -> None:
    words = plain_words(said)
    assert "/proc/" not in words
    if said and _OWN not in said and " and said: " not in said:
        assert words == said


def test_a_full_disk_has_a_word_of_its_own() -> None:
    for error in (
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        BadValue("qemu-io could not do it: write failed: No space left on device", "x"),
    ):
        found = Found()
        found.fail("failed", error)
        assert (found.status, "No space left on device" in str(found.problem)) == ("no space", True)
    found.fail("cannot be created", ProgramFailed(f"{_SAID}qemu-img: {_OWN}: no", "x"))
    assert (found.status, found.problem) == ("cannot be created", "no")


def test_what_was_not_measured_is_unknown() -> None:
    row = FORMATS.build([row_of(RAW, Found(status="failed", problem="why"), "none")]).iloc[0]
    told = {name for name in FORMATS.names if name != "reasons" and row.notna()[name]}
    assert told == {"host", "candidate", "format", "options", "status", "problem"}
