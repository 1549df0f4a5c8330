"""The options of an image as one text and back, as qemu-img reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmnb.errors import BadValue
from kvmnb.images.options import read_options, write_options

_NAMES = st.text(st.characters(categories=("Ll", "Nd"), include_characters="_.-"), min_size=1)
_VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


@given(st.dictionaries(_NAMES, _VALUES))
def test_what_is_written_is_read_again(options: dict[str, str]) -> None:
    assert read_options(write_options(options)) == options


def test_a_switch_is_on_or_off_and_a_comma_is_doubled() -> None:
    assert write_options({"extended_l2": True, "static": False, "a": 1}) == "extended_l2=on,static=off,a=1"
    assert write_options({"a": "x,y"}) == "a=x,,y"
    assert read_options("a=x,,y,b=1") == {"a": "x,y", "b": "1"}
    assert read_options("") == {}


@pytest.mark.parametrize("text", ["a", "a=1,", "=1", " a=1", "a=1, b=2", ","])
def test_what_is_no_option_is_refused(text: str) -> None:
    with pytest.raises(BadValue, match="NAME=VALUE"):
        read_options(text)


@pytest.mark.parametrize("options", [None, 3, ["a=1"]])
def test_only_text_and_mappings_are_options(options: object) -> None:
    with pytest.raises(BadValue, match="are no options"):
        write_options(options)  # type: ignore[arg-type]
