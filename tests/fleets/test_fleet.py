"""A fleet reads all hosts at once; one that is dead, slow or wrong costs its own rows only."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import kvmnb
from kvmnb.cancelling import cancellable
from kvmnb.errors import BadValue, Cancelled, KvmnbError, NotFound
from kvmnb.fleets import asking
from kvmnb.fleets.asking import Question
from kvmnb.fleets.threads import DaemonThreads
from tests.fleets.hosts import Hanging, at

#: Long enough that a test which waited for it would fail by its own timeout.
_NEVER = 3600.0


def _told(frame: pd.DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    return list(frame[list(columns)].itertuples(index=False, name=None))


def test_hosts_that_do_not_answer_cost_their_own_rows_only(
    one: str, two: str, hanging: Hanging, tmp_path: Path
) -> None:
    uris = {"slow": hanging.uri, "one": one, "dead": at(tmp_path / "none"), "two": two}
    with kvmnb.fleet(uris, timeout=1) as fleet:
        pools = fleet.pools()
        again = fleet.volumes()
    assert _told(pools, "host", "name", "status") == [
        ("slow", pd.NA, "timed out"),
        ("one", "vmdisk", "ok"),
        ("dead", pd.NA, "unreachable"),
        ("two", "spare", "ok"),
        ("two", "vmdisk", "ok"),
    ]
    assert pools.drop(columns=["host", "status", "problem"]).iloc[[0, 2]].isna().to_numpy().all()
    assert pools["problem"][0] == f"{hanging.uri} did not let anyone connect within 1 s"
    assert pools["problem"][2].startswith(f"Could not connect to {uris['dead']}: ")
    # Nothing more is asked of the one that owes an answer, and its row says so.
    assert _told(again, "host", "status") == [("slow", "timed out"), ("dead", "unreachable")]
    assert f"{hanging.uri} still owes the answer to what it was asked 1 s ago" in again["problem"][0]
    assert [thread.name for thread in threading.enumerate()].count("kvmnb slow") == 1


def test_a_host_that_owes_an_answer_is_asked_again_once_it_has_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Hanging(tmp_path) as host:
        fleet = kvmnb.fleet({"a": host.uri}, timeout=0.1)
        assert "did not let anyone connect" in fleet.pools()["problem"][0]
        assert "still owes" in fleet.pools()["problem"][0]
        monkeypatch.setattr(asking, "LET_ALONE", 0.0)  # or after a good while, for it may hang for ever
        assert "did not let anyone connect" in fleet.pools()["problem"][0]
        monkeypatch.undo()
        assert "still owes" in fleet.pools()["problem"][0]
        left = [thread for thread in threading.enumerate() if thread.name == "kvmnb a"]
        assert len(left) == 2
    for thread in left:
        thread.join(60)
    assert list(fleet.pools()["status"]) == ["unreachable"]


@pytest.mark.parametrize(
    "method", ["pools", "volumes", "guests", "disks", "filesystems", "df", "usage", "orphans", "overcommit"]
)
def test_a_fleet_has_what_each_host_has(method: str, one: str, two: str) -> None:
    whole = getattr(kvmnb.fleet([one, two]), method)()
    assert whole.dtypes.equals(kvmnb.schema.FRAMES[method].empty().dtypes)
    for uri in (one, two):
        with kvmnb.connect(uri) as host:
            alone = getattr(host, method)()
        part = whole[whole["host"] == uri].reset_index(drop=True)
        pd.testing.assert_frame_equal(_timeless(part), _timeless(alone))
        assert whole.attrs["hosts"][uri]["status"] == "ok"
    assert whole.attrs["host"] == "2 hosts"
    assert whole.attrs["read_at"] == min(about["read_at"] for about in whole.attrs["hosts"].values())


def _timeless(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.drop(columns=["host", *({"read_at"} & set(frame.columns))])


def test_a_fleet_reads_all_that_a_host_reads() -> None:
    def frames(kind: type) -> set[str]:
        every = {name: getattr(kind, name) for name in vars(kind) if not name.startswith("_")}
        return {
            name
            for name, read in every.items()
            if getattr(read, "__annotations__", {}).get("return") == "pd.DataFrame"
        }

    # What changes a host is no matter of a fleet, and the audit log is that of the user.
    assert frames(kvmnb.Fleet) == frames(kvmnb.Host) - {"apply", "audit"}
    for name in frames(kvmnb.Fleet):
        doc = getattr(kvmnb.Fleet, name).__doc__
        assert "one for each host that could not be read" in " ".join(doc.split())


def test_what_some_hosts_have_is_read_and_what_none_has_is_said(one: str, two: str) -> None:
    fleet = kvmnb.fleet({"one": one, "two": two})
    volumes = fleet.volumes("spare")
    assert _told(volumes, "host", "status") == [("one", "not found")]
    assert "There is no pool 'spare' on" in volumes["problem"][0]
    assert _told(fleet.df("vm1"), "host", "guest", "status") == [
        ("one", "vm1", "no disk"),
        ("two", pd.NA, "not found"),
    ]
    for pool in ("nope", ""):
        with pytest.raises(
            NotFound, match=f"There is no pool '{pool}' on any host of the fleet. See what .*pools"
        ):
            fleet.volumes(pool)
    with pytest.raises(
        NotFound, match=r"There is no guest 'nope' on any host of the fleet. See what .*guests"
    ):
        fleet.df("nope")


def test_where_one_cannot_be_reached_nobody_knows_that_none_has_it(one: str, tmp_path: Path) -> None:
    told = kvmnb.fleet({"one": one, "dead": at(tmp_path / "none")}).volumes("nope")
    assert _told(told, "host", "status") == [("one", "not found"), ("dead", "unreachable")]


def test_a_host_that_cannot_be_opened_is_not_asked_further(tmp_path: Path, one: str) -> None:
    (tmp_path / "broken.xml").write_text("<node><pool>")
    told = kvmnb.fleet({"one": one, "broken": f"test://{tmp_path}/broken.xml"}).pools()
    assert _told(told, "host", "status") == [("one", "ok"), ("broken", "unreachable")]


def test_progress_is_told_by_the_thread_that_asks(one: str, hanging: Hanging) -> None:
    said: list[tuple[int, int, str]] = []
    words: list[str] = []

    def make(what: str) -> Callable[[int, int, str], None]:
        words.append(what)
        me = threading.current_thread()

        def tell(done: int, total: int, name: str) -> None:
            assert threading.current_thread() is me
            said.append((done, total, name))
            if (done, name) == (1, "slow"):
                hanging.end()

        return tell

    kvmnb.fleet({"one": one, "slow": hanging.uri}, timeout=_NEVER).pools(progress=make)
    assert words == ["Asking hosts"]
    assert said[0][:2] == (0, 2)
    assert (1, 2, "slow") in said
    assert said[-1] == (2, 2, "")


def test_a_bar_names_who_is_waited_for(one: str, capsys: pytest.CaptureFixture[str]) -> None:
    kvmnb.fleet({"o\x1b[2Jne": one}).pools(progress=kvmnb.host_bar)
    shown = capsys.readouterr().err
    assert "Asking hosts" in shown
    assert "1/1" in shown
    assert "\x1b[2J" not in shown


def test_a_forms_cancel_ends_the_waiting(hanging: Hanging) -> None:
    asked = threading.Event()
    fleet = kvmnb.fleet({"a": hanging.uri}, timeout=_NEVER)

    def tell(_done: int, _total: int, _name: str) -> None:
        asked.set()

    with cancellable(asked), pytest.raises(Cancelled):
        fleet.pools(progress=lambda _words: tell)


class _Failing(Executor):
    """Fails as a worker does that ended, for some hosts."""

    def __init__(self, *labels: str) -> None:
        self._labels = labels

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ANN401
        future: Future[Any] = Future()
        question: Question = args[0]
        if question.label not in self._labels:
            future.set_result(fn(*args, **kwargs))
        elif question.label == "cancelled":
            future.cancel()
        else:
            future.set_exception(EOFError("the worker ended"))
        return future


def test_a_worker_that_ends_costs_the_rows_of_its_host(one: str) -> None:
    uris = {"cancelled": "test:///a", "one": one, "lost": "test:///b"}
    told = kvmnb.fleet(uris, executor=_Failing("cancelled", "lost")).pools()
    assert _told(told, "host", "status") == [("cancelled", "not asked"), ("one", "ok"), ("lost", "not asked")]
    assert told["problem"][2] == "whoever was to ask it failed: EOFError: the worker ended"
    with pytest.raises(
        KvmnbError, match=r"No host could be asked: .*EOFError: the worker ended. See that"
    ) as caught:
        kvmnb.fleet({"lost": one}, executor=_Failing("lost")).pools()
    assert isinstance(caught.value.__cause__, EOFError)


def test_an_executor_that_was_shut_down_is_no_fault_of_the_hosts(one: str) -> None:
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(
        KvmnbError, match=r"The executor takes no work: .* shutdown. Give the fleet a new one"
    ):
        kvmnb.fleet([one], executor=executor).pools()


def test_what_an_executor_drops_at_its_end_is_not_waited_for(one: str, hanging: Hanging) -> None:
    executor = ThreadPoolExecutor(1)

    def tell(_done: int, _total: int, _name: str) -> None:
        executor.shutdown(wait=False, cancel_futures=True)
        hanging.end()

    uris = {"slow": hanging.uri, "one": one}
    told = kvmnb.fleet(uris, executor=executor, timeout=_NEVER).pools(progress=lambda _words: tell)
    assert _told(told, "host", "status") == [("slow", "unreachable"), ("one", "not asked")]


def test_threads_hand_over_whatever_is_raised() -> None:
    def leave() -> None:
        raise SystemExit(7)

    with DaemonThreads(1) as threads:
        assert threads.submit(max, 1, 2).result(60) == 2
        assert threads.submit(max, [], default=3).result(60) == 3
        assert isinstance(threads.submit(leave).exception(60), SystemExit)


def test_threads_are_only_so_many_at_once() -> None:
    threads, entered, leave = DaemonThreads(2), threading.Semaphore(0), threading.Event()

    def work() -> None:
        entered.release()
        assert leave.wait(60)

    futures = [threads.submit(work) for _ in range(3)]
    assert entered.acquire(timeout=60)
    assert entered.acquire(timeout=60)
    assert not entered.acquire(timeout=0.05)
    [waiting] = [future for future in futures if not future.running()]
    assert waiting.cancel()
    leave.set()
    for future in futures:
        if future is not waiting:
            future.result(60)
    assert not entered.acquire(timeout=0.05)


@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan"), "30", None, True])
@pytest.mark.parametrize("name", ["timeout", "inside_timeout"])
def test_a_wrong_timeout_is_refused(name: str, value: Any) -> None:  # noqa: ANN401 - anything may be given
    with pytest.raises(BadValue, match=f"{name} cannot be .*. Give seconds as a number above 0"):
        kvmnb.fleet(["test:///default"], **{name: value})


@pytest.mark.parametrize("executor", [4, "threads", Executor])
def test_what_is_no_executor_is_refused(executor: Any) -> None:  # noqa: ANN401 - anything may be given
    with pytest.raises(
        BadValue, match=r"is no executor. Give one such as .*get_executor\(\) of a Dask client"
    ):
        kvmnb.fleet(["test:///default"], executor=executor)


def test_a_fleet_says_what_it_is() -> None:
    assert repr(kvmnb.fleet({"a": "test:///a"})) == "Fleet of 1 host, for reading only: a"
    many = kvmnb.fleet({name: f"test:///{name}" for name in "abcde"})
    assert repr(many) == "Fleet of 5 hosts, for reading only: a, b, c and 2 more"
    assert len(many) == 5
    assert many.hosts["c"] == "test:///c"


def test_a_table_of_many_hosts_names_them(one: str, two: str) -> None:
    shown = kvmnb.show(kvmnb.fleet({"one": one, "two": two}).pools())
    assert list(shown.texts["host"]) == ["one", "two", "two"]
    assert "host" not in kvmnb.show(kvmnb.fleet({"one": one}).pools()).texts
