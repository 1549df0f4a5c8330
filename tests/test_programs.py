"""Programs are started with a list of arguments, kept within limits, and never left running."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from kvmnb import programs
from kvmnb.cancelling import cancellable
from kvmnb.errors import ProgramFailed

MIB = 1024**2


def alive(pid: int) -> bool:
    """Whether a process runs; one that is dead and only waits to be collected does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def wait_for(path: Path) -> str:
    """Give the text of a file as soon as it has any."""
    deadline = time.monotonic() + 10
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < deadline, f"{path} was never written"
        time.sleep(0.01)
    return path.read_text()


def wait_until_dead(pid: int) -> None:
    deadline = time.monotonic() + 5
    while alive(pid):
        assert time.monotonic() < deadline, f"process {pid} still runs"
        time.sleep(0.01)


def test_gives_what_the_program_wrote() -> None:
    done = programs.run(["sh", "-c", "echo out; echo err >&2"], timeout=10)
    assert done == programs.Completed(("sh", "-c", "echo out; echo err >&2"), 0, "out\n", "err\n")


@pytest.mark.parametrize("hostile", ["$(touch x)", "a; b", "`b`", "*", "-n x", "", "two\nlines", "é"])
def test_arguments_arrive_as_they_are(hostile: str) -> None:
    assert programs.run(["printf", "%s", hostile], timeout=10).stdout == hostile


def test_bytes_that_are_not_text_survive() -> None:
    done = programs.run(["printf", r"\377/img"], timeout=10)
    assert os.fsencode(done.stdout) == b"\xff/img"
    assert programs.run(["printf", "%s", done.stdout], timeout=10).stdout == done.stdout


def test_complaints_can_always_be_printed() -> None:
    with pytest.raises(ProgramFailed, match=r"exit status 3 and said: bad \\xff name\.") as failed:
        programs.run(["sh", "-c", r"printf 'bad \377 name' >&2; exit 3"], timeout=10)
    assert str(failed.value).encode()


def test_stdin_is_given_and_otherwise_empty() -> None:
    assert programs.run(["cat"], timeout=10, stdin="quit\n").stdout == "quit\n"
    assert programs.run(["cat"], timeout=10).stdout == ""


def test_the_language_is_c(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert programs.run(["sh", "-c", "echo $LC_ALL"], timeout=10).stdout == "C\n"


def test_a_missing_program_says_how_to_get_it() -> None:
    with pytest.raises(ProgramFailed, match=r"no-such-program is not installed\. Install .*binder/up"):
        programs.run(["no-such-program"], timeout=10)


def test_a_program_of_the_working_directory_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "evil").write_text("#!/bin/sh\n")
    (tmp_path / "evil").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", os.pathsep)
    assert programs.find("evil") is None


def test_a_file_that_is_no_program(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_bytes(b"\x7fnot a program")
    text.chmod(0o755)
    with pytest.raises(ProgramFailed, match="could not be started: Exec format error"):
        programs.run([str(text)], timeout=10)


def test_a_failure_tells_the_last_lines_only() -> None:
    with pytest.raises(ProgramFailed, match=r"exit status 7 and said: 5 / 6 / 7 / 8 / 9\.") as failed:
        programs.run(["sh", "-c", "seq 1 9 >&2; exit 7"], timeout=10)
    assert failed.value.remedy


def test_without_check_a_failure_is_an_answer() -> None:
    assert programs.run(["sh", "-c", "exit 7"], timeout=10, check=False).returncode == 7


def test_a_killed_program_says_so() -> None:
    with pytest.raises(ProgramFailed, match="killed by signal 9 and said: nothing"):
        programs.run(["sh", "-c", "kill -9 $$"], timeout=10)


def test_a_timeout_kills_grandchildren_too(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"sleep 60 & echo $! >>{pids}; (sleep 61 & echo $! >>{pids}; wait) & wait"
    began = time.monotonic()
    with pytest.raises(ProgramFailed, match=r"sh did not end within 0\.5 seconds and was stopped"):
        programs.run(["sh", "-c", script], timeout=0.5)
    assert time.monotonic() - began < 5
    started = [int(line) for line in pids.read_text().split()]
    assert len(started) == 2
    for pid in started:
        wait_until_dead(pid)


def test_a_child_that_outlives_its_parent_is_killed_at_the_timeout(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    with pytest.raises(ProgramFailed, match="did not end"):
        programs.run(["sh", "-c", f"sleep 60 & echo $! >{pid}"], timeout=0.5)
    wait_until_dead(int(pid.read_text()))


def test_an_interrupt_stops_the_program(tmp_path: Path) -> None:
    pid = tmp_path / "pid"

    def interrupt() -> None:
        wait_for(pid)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        programs.run(["sh", "-c", f"echo $$ >{pid}; sleep 60"], timeout=30)
    thread.join()
    wait_until_dead(int(pid.read_text()))


def test_runs_in_a_thread(tmp_path: Path) -> None:
    outputs: list[str] = []
    threads = [
        threading.Thread(target=lambda: outputs.append(programs.run(["echo", "x"], timeout=10).stdout))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outputs == ["x\n"] * 8


def test_memory_is_limited() -> None:
    limit = programs.run(["sh", "-c", "ulimit -v"], timeout=10, memory=256 * MIB).stdout
    assert int(limit) * 1024 == 256 * MIB
    greedy = ["dd", "if=/dev/zero", "of=/dev/null", "bs=512M", "count=1"]
    assert programs.run(greedy, timeout=10).returncode == 0
    with pytest.raises(ProgramFailed, match="memory exhausted"):
        programs.run(greedy, timeout=10, memory=256 * MIB)


def test_processor_time_is_limited() -> None:
    with pytest.raises(ProgramFailed, match="killed by signal"):
        programs.run(["sh", "-c", "while :; do :; done"], timeout=30, cpu_seconds=1)


def test_what_a_program_writes_is_heard_while_it_writes() -> None:
    heard: list[tuple[float, str]] = []
    script = "echo one; sleep 0.5; echo two; echo three >&2"
    start = time.monotonic()
    done = programs.follow(
        ["sh", "-c", script], lambda piece: heard.append((time.monotonic() - start, piece)), timeout=10
    )
    assert [piece for _when, piece in heard] == ["one\n", "two\n"]
    assert heard[1][0] - heard[0][0] > 0.3
    assert (done.stdout, done.stderr) == ("one\ntwo\n", "three\n")


def test_following_ends_with_the_limit_or_the_listener_and_leaves_nothing_running(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"echo $$ >> {pids}; echo said; sleep 60"
    with pytest.raises(ProgramFailed, match="did not end within"):
        programs.follow(["sh", "-c", script], lambda _piece: None, timeout=0.3)

    def refuse(_piece: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        programs.follow(["sh", "-c", script], refuse, timeout=10)
    for pid in pids.read_text().split():
        assert not (Path("/proc") / pid).exists()


def test_following_a_program_that_fails_repeats_what_it_said() -> None:
    with pytest.raises(ProgramFailed, match="exit status 3 and said: no"):
        programs.follow(["sh", "-c", "echo no >&2; exit 3"], lambda _piece: None, timeout=10)


def test_what_may_be_cancelled_reads_all_of_its_input() -> None:
    text = "x" * (1 << 20)
    with cancellable(threading.Event()):
        done = programs.run(["sh", "-c", "sleep 0.4; cat"], timeout=20, stdin=text)
    assert done.stdout == text
