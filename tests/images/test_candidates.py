"""Which candidates are meant by what somebody wrote."""

from __future__ import annotations

from contextlib import suppress
from string import printable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmnb.errors import BadValue
from kvmnb.images.candidates import CANDIDATES, RAW, Candidate, choose

KNOWN = tuple({candidate.format for candidate in CANDIDATES} | {"dmg", "nbd"})

_words = st.text(printable, max_size=20) | st.sampled_from([candidate.name for candidate in CANDIDATES])
_pairs = st.lists(
    st.tuples(st.sampled_from(["cluster_size", "a", "b.c"]), st.text("az019=", min_size=1)), min_size=1
)


def test_nothing_said_means_all_and_raw_comes_first() -> None:
    assert choose(None, KNOWN) == CANDIDATES
    assert CANDIDATES[0] == RAW
    names = [candidate.name for candidate in CANDIDATES]
    assert len(set(names)) == len(names)


@given(st.lists(st.sampled_from(CANDIDATES), min_size=1))
def test_the_order_is_kept_each_once_and_raw_first(meant: list[Candidate]) -> None:
    chosen = choose([candidate.name for candidate in meant], KNOWN)
    assert chosen[0] == RAW
    assert list(chosen[1:]) == [one for one in dict.fromkeys(meant) if one != RAW]
    assert choose(meant, KNOWN) == chosen


@given(st.sampled_from(["qcow2", "vmdk"]), _pairs)
def test_options_are_taken_as_they_are_written(format: str, pairs: list[tuple[str, str]]) -> None:
    written = ",".join(f"{key}={value}" for key, value in pairs)
    [raw, candidate] = choose(f"{format}:{written}", KNOWN)
    assert (raw, candidate.format, candidate.options) == (RAW, format, tuple(pairs))
    assert candidate.written == written


@given(st.lists(_words, max_size=4))
def test_any_words_are_candidates_or_one_clear_error(words: list[str]) -> None:
    with suppress(BadValue):
        chosen = choose(words, KNOWN)
        assert chosen[0] == RAW
        assert all(candidate.format in KNOWN for candidate in chosen)
        assert len(set(chosen)) == len(chosen) <= len(words) + 1


@pytest.mark.parametrize(
    ("formats", "said"),
    [
        ([], "No format was given"),
        (["qcow3"], "This qemu-img knows no format 'qcow3'"),
        (["raw;qcow2"], "knows no format 'raw;qcow2'"),
        (["raw", ""], "A format is a name, not ''"),
        ([3], "A format is a name, not 3"),
        (["qcow2 fast"], "There is no candidate 'qcow2 fast'"),
        (["qcow2:cluster_size"], "are not KEY=VALUE"),
        (["qcow2:=1"], "are not KEY=VALUE"),
        (["qcow2:cluster_size="], "are not KEY=VALUE"),
        (["qcow2:data_file=/etc/passwd"], "The option 'data_file' of"),
        ([Candidate("mine", "qcow2", (("backing_file", "/etc/passwd"),))], "The option 'backing_file' of"),
        ([Candidate("mine", "qcow2", (("x=1,data_file", "/etc/passwd"),))], "The option 'x=1,data_file' of"),
    ],
)
def test_what_cannot_be_meant_is_named(formats: list[str], said: str) -> None:
    with pytest.raises(BadValue) as failure:
        choose(formats, KNOWN)
    assert said in failure.value.what


def test_those_that_take_their_space_at_once_are_known() -> None:
    whole = {candidate.name for candidate in CANDIDATES if candidate.whole}
    assert whole == {"raw falloc", "raw full", "qcow2 falloc", "qcow2 full"}
    assert choose("vdi:static=on", KNOWN)[1].whole
    assert choose("vmdk:subformat=monolithicFlat", KNOWN)[1].whole


def test_preallocation_does_not_matter_to_encryption() -> None:
    kinds = {candidate.name: candidate.kind for candidate in CANDIDATES}
    assert kinds["qcow2 full"] == kinds["qcow2"] == kinds["qcow2 compressed"]
    assert kinds["qcow2 extended_l2"] != kinds["qcow2"]
