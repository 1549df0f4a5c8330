"""A run that is interrupted, killed or no longer watched leaves a record that says so."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.notebooks import ECHO, read, texts, write


@pytest.fixture(autouse=True)
def heeded() -> Iterator[None]:
    """Let runs heed signals that the tests' own shell has ignored, as it does for a job in the background."""
    ignored = [n for n in (signal.SIGINT, signal.SIGHUP) if signal.getsignal(n) is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, lambda _number, _frame: None)  # a program that is started gets the default
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


def start(source: Path, flag: Path, **options: Any) -> subprocess.Popen[str]:  # noqa: ANN401
    """Run a notebook by the command; give it once its cell has made the flag."""
    command = [
        sys.executable,
        "-m",
        "kvmnb",
        "run",
        str(source),
        "--record",
        str(source.with_name("out.ipynb")),
    ]
    process = subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
    deadline = time.monotonic() + 60
    while not flag.exists():
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    return process


def waits(flag: Path, before: str = "", seconds: int = 100) -> str:
    # The signal comes as soon as the flag is there: what tidies up must be in force by then.
    made = f"    pathlib.Path({str(flag)!r}).write_text(str(os.getpid()))"
    # Python does not see a signal that comes just before it begins to sleep until it has slept.
    waiting = f"    for _ in range({seconds * 10}):\n        time.sleep(0.1)\nfinally:\n    print('tidied')"
    return "\n".join(["import os, pathlib, signal, time", before, "try:", made, waiting])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_cell_can_clean_up(number: signal.Signals, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    process = start(write(tmp_path / "a.ipynb", "# Wait", waits(flag), "print('never')"), flag)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert out == f"{tmp_path / 'out.ipynb'}\n"
    assert 'was interrupted at cell [2], under "Wait": KeyboardInterrupt' in err
    assert "Traceback" not in err
    notebook = read(tmp_path / "out.ipynb")
    assert notebook.metadata.kvmnb.outcome == "interrupted"
    assert notebook.metadata.kvmnb.failed_cell == {"number": 2, "heading": "Wait"}
    assert texts(notebook) == ["tidied\n"]


def test_a_second_interrupt_ends_a_kernel_that_does_not_heed(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    stubborn = waits(flag, "signal.signal(signal.SIGINT, signal.SIG_IGN)")
    process = start(write(tmp_path / "a.ipynb", ECHO, stubborn), flag)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    notebook = read(tmp_path / "out.ipynb")
    assert notebook.metadata.kvmnb.outcome == "interrupted"
    assert len(texts(notebook)) == 1
    with pytest.raises(ProcessLookupError):
        os.kill(int(flag.read_text()), 0)


def test_a_run_that_is_killed_leaves_what_it_had(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    source = write(tmp_path / "a.ipynb", ECHO, waits(flag))
    # What is killed does not remove its temporary files.
    process = start(source, flag, env={**os.environ, "TMPDIR": str(tmp_path)})
    process.kill()
    process.communicate(timeout=30)
    assert read(tmp_path / "out.ipynb").metadata.kvmnb.outcome == "running"
    assert texts(read(tmp_path / ".out.part.ipynb")) == ["['vmdisk', 3, 0.5, False, 10240]\n"]


def test_nobody_reading_does_not_end_the_run(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    process = start(write(tmp_path / "a.ipynb", waits(flag, seconds=1), ECHO, ECHO), flag)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    process.stderr.close()
    assert process.wait(timeout=30) == 0
    assert read(tmp_path / "out.ipynb").metadata.kvmnb.outcome == "succeeded"
