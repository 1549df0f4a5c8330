"""Again and again, on time, until a signal."""

from __future__ import annotations

import os
import signal
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmnb.samples.looping import next_beat, repeat


@given(st.integers(-1000, 1000), st.integers(1, 1000), st.integers(0, 10**6))
def test_the_schedule_does_not_drift_and_leaves_out_what_was_missed(
    started: int, every: int, later: int
) -> None:
    beat = next_beat(started, every, started + later)
    assert (beat - started) % every == 0
    assert started + later < beat <= started + later + every


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_what_is_done_come_to_its_end(number: signal.Signals) -> None:
    done: list[str] = []

    def act() -> None:
        done.append("begun")
        if len(done) == 3:
            os.kill(os.getpid(), number)
        done.append("ended")

    before = signal.getsignal(number)
    repeat(act, timedelta(milliseconds=1))
    assert done == ["begun", "ended"] * (len(done) // 2)
    assert len(done) == 4
    assert signal.getsignal(number) is before


def test_a_second_one_does_not() -> None:
    def act() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        pytest.fail("it went on")

    with pytest.raises(KeyboardInterrupt):
        repeat(act, timedelta(hours=1))


def test_no_interval_is_too_long_to_wait_for() -> None:
    done: list[str] = []

    def act() -> None:
        done.append("done")
        os.kill(os.getpid(), signal.SIGTERM)

    repeat(act, timedelta.max)
    assert done == ["done"]
