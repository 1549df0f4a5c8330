"""Work in a thread: drawn by the loop that began it, stopped when asked for, never drawn twice at its end."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

from kvmnb.cancelling import check_cancelled
from kvmnb.errors import ActionFailed, BadValue, Cancelled
from kvmnb.forms import job as jobs
from kvmnb.forms.job import Job, State
from kvmnb.schema import APPLIED
from kvmnb.storage.streams import Progress

MakeProgress = Callable[[str], Progress]


class Drawn:
    """What a job had drawn: per glance its outcome and the thread."""

    def __init__(self) -> None:
        self.glances: list[tuple[str, int]] = []
        self.texts: list[str] = []
        self.ended = threading.Event()

    def __call__(self, job: Job[int]) -> None:
        self.glances.append((job.outcome, threading.get_ident()))
        self.texts.append(job.state.text())
        if job.outcome != "running":
            self.ended.set()

    @property
    def ends(self) -> list[tuple[str, int]]:
        """The glances at its end."""
        return [one for one in self.glances if one[0] != "running"]


async def _until(event: threading.Event) -> None:
    for _ in range(100):
        if event.is_set():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not end")


def _obedient(_progress: MakeProgress) -> int:
    while True:
        check_cancelled()
        time.sleep(0.01)


def test_without_a_loop_it_is_done_when_start_returns() -> None:
    drawn, where = Drawn(), []

    def work(_progress: MakeProgress) -> int:
        where.append(threading.get_ident())
        return 7

    job = Job(work, drawn)
    job.start()
    assert (job.result, job.outcome) == (7, "done")
    assert drawn.glances == [("done", threading.get_ident())]
    assert where != [threading.get_ident()]


def test_the_loop_draws_while_the_thread_works() -> None:
    drawn = Drawn()

    def work(progress: MakeProgress) -> int:
        tell = progress("Copy it")
        for done in range(6):
            tell(done << 20, 5 << 20)
            time.sleep(0.06)
        return 1

    async def main() -> None:
        job = Job(work, drawn)
        job.start()
        assert job.outcome == "running"
        await _until(drawn.ended)
        assert job.state.words == "Copy it"
        assert job.state.fraction == 1

    asyncio.run(main())
    assert len(drawn.glances) >= 3
    assert {thread for _outcome, thread in drawn.glances} == {threading.get_ident()}
    assert len(drawn.ends) == 1
    assert any("MiB/s" in text and "left" in text for text in drawn.texts)


def test_asked_to_stop_it_stops() -> None:
    drawn = Drawn()

    async def main() -> None:
        job = Job(_obedient, drawn)
        job.start()
        await asyncio.sleep(0.15)
        job.cancel()
        assert job.cancelling
        await _until(drawn.ended)
        assert (job.outcome, job.result) == ("cancelled", None)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (BadValue("Wrong", "mend it"), "failed"),
        (ZeroDivisionError("a fault of the kit's own"), "failed"),
        (SystemExit(1), "failed"),
        (Cancelled("It was cancelled", "ask again"), "cancelled"),
    ],
)
def test_no_end_of_it_is_lost(fault: BaseException, outcome: str) -> None:
    drawn = Drawn()

    def work(_progress: MakeProgress) -> int:
        raise fault

    job = Job(work, drawn)
    job.start()
    assert (job.outcome, job.error) == (outcome, fault)
    assert len(drawn.ends) == 1


def test_a_plan_that_was_stopped_half_way_counts_as_cancelled() -> None:
    def work(_progress: MakeProgress) -> int:
        raise ActionFailed("Step 1 failed", "see", APPLIED.build([])) from Cancelled("It was", "ask")

    job = Job(work, Drawn())
    job.start()
    assert job.outcome == "cancelled"


@pytest.mark.parametrize("gone", [True, False])
def test_a_loop_that_is_busy_or_gone_leaves_nothing_undrawn(
    gone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "_ABANDONED", 0.1)
    drawn = Drawn()
    go = threading.Event()

    def work(_progress: MakeProgress) -> int:
        go.wait(5)
        return 1

    async def main() -> None:
        Job(work, drawn).start()
        await asyncio.sleep(0.05)
        go.set()
        if not gone:
            time.sleep(0.6)  # as a cell that takes long does
            assert drawn.ended.is_set(), "the end was not drawn while the loop was busy"
            await asyncio.sleep(0.3)

    asyncio.run(main())
    assert drawn.ended.wait(5)
    assert len(drawn.ends) == 1
    assert drawn.ends[0][1] != threading.get_ident()


def test_two_at_once_keep_apart() -> None:
    one, two = Drawn(), Drawn()

    def work(_progress: MakeProgress) -> int:
        time.sleep(0.4)
        return 1

    async def main() -> None:
        kept, stopped = Job(work, one), Job(_obedient, two)
        kept.start()
        stopped.start()
        await asyncio.sleep(0.1)
        stopped.cancel()
        await _until(two.ended)
        assert kept.outcome == "running"
        await _until(one.ended)
        assert (kept.outcome, stopped.outcome) == ("done", "cancelled")

    asyncio.run(main())


def test_the_end_of_the_process_stops_what_runs() -> None:
    program = """
import asyncio, time
from kvmnb.cancelling import check_cancelled
from kvmnb.forms.job import Job
def work(progress):
    try:
        while True:
            check_cancelled()
            time.sleep(0.01)
    finally:
        print("put right", flush=True)
async def main():
    Job(work, lambda job: None).start()
    await asyncio.sleep(0.2)
asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "put right\n"
    assert done.stderr == ""


def test_progress_is_said_in_words() -> None:
    began = time.monotonic() - 10
    assert State(began=began).text() == "10 s so far"
    assert State("", 10 << 20, 100 << 20, began=began).text() == "10 MiB of 100 MiB, 1 MiB/s, 1:30 left"
    assert State("", 0, 100, began=began).text() == "0 bytes of 100 bytes"
    assert State("", 2, 5, "guests", began=began - 60).text() == "2 of 5 guests, 1:10 so far"
    assert State("", 5, 3).fraction == 1
    assert State("", 5, 0).fraction is None
