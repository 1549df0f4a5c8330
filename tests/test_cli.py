"""The command: what it prints can be read by people, spreadsheets and programs, whatever names it meets."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.sax.saxutils import escape

import libvirt
import pandas as pd
import pytest

from kvmnb import __version__, connect, schema
from kvmnb.cli import main
from tests.daemon import Daemon
from tests.notebooks import write
from tests.plugin import RunningPool

KVMNB = [sys.executable, "-m", "kvmnb"]
NAMES = ["=cmd|x", "two\nlines", "<b>x<&]]>", "@x", "\t=x", "+1", "-rf", "é\u202e", 'a,"b"', "plain"]


def volume(daemon: Daemon, pool: str, name: str) -> None:
    connection = libvirt.open(daemon.uri)
    try:
        xml = f"<volume><name>{escape(name)}</name><capacity>1048576</capacity></volume>"
        connection.storagePoolLookupByName(pool).createXML(xml)
    finally:
        connection.close()


@pytest.fixture
def hostile(clean_daemon: Daemon, pool: RunningPool) -> Daemon:
    """Give a daemon whose pool holds volumes with names that do harm where they are not escaped."""
    for name in NAMES:
        volume(clean_daemon, pool.name, name)
    return clean_daemon


def output(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(list(words)) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert not [c for c in printed.out if c != "\n" and not c.isprintable()]
    return printed.out


def test_json_is_exact(hostile: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    rows = json.loads(output(capsys, "volumes", "vmdisk", "--format", "json", "--connect", hostile.uri))
    assert sorted(row["name"] for row in rows) == sorted(NAMES)
    assert list(rows[0]) == list(schema.VOLUMES.names)
    row = next(row for row in rows if row["name"] == "plain")
    assert (row["capacity"], row["chain"], row["backing_path"]) == (1048576, [], None)
    assert row["chain_known"] is True
    assert pd.Timestamp(row["modified"]).tzinfo is not None


def test_csv_guards_formulas_and_keeps_a_row_on_a_line(
    hostile: Daemon, capsys: pytest.CaptureFixture[str]
) -> None:
    out = output(capsys, "volumes", "--format", "csv", "--connect", hostile.uri)
    assert len(out.splitlines()) == len(NAMES) + 1
    rows = list(csv.DictReader(io.StringIO(out)))
    guarded = {
        "'=cmd|x",
        r"two\nlines",
        "<b>x<&]]>",
        "'@x",
        r"'\t=x",
        "'+1",
        "'-rf",
        r"é\u202e",
        'a,"b"',
        "plain",
    }
    assert {row["name"] for row in rows} == guarded
    assert {row["capacity"] for row in rows} == {"1048576"}
    assert {row["chain"] for row in rows} == {"[]"}
    assert {row["problem"] for row in rows} == {""}


def test_table_is_for_people(hostile: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    brief = output(capsys, "volumes", "--connect", hostile.uri)
    assert r"two\nlines" in brief
    assert "1 MiB" in brief
    assert len(brief.splitlines()) == len(NAMES) + 1
    every = output(capsys, "volumes", "--all", "--connect", hostile.uri)
    assert "accessed" in every.splitlines()[0]
    assert "accessed" not in brief.splitlines()[0]


_FRAMES = ["pools", "volumes", "guests", "disks", "usage", "orphans", "overcommit"]


@pytest.mark.parametrize("command", _FRAMES)
@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_every_frame_in_every_form(
    command: str, form: str, clean_daemon: Daemon, pool: RunningPool, capsys: pytest.CaptureFixture[str]
) -> None:
    out = output(capsys, command, "--format", form, "--connect", clean_daemon.uri)
    if form == "csv":
        assert out.splitlines()[0] == ",".join(connect_frame(clean_daemon, command).columns)
    if form == "json":
        assert len(json.loads(out)) == len(connect_frame(clean_daemon, command))
    if command == "pools":
        assert pool.name in out


def connect_frame(daemon: Daemon, name: str) -> pd.DataFrame:
    with connect(daemon.uri) as host:
        frame: pd.DataFrame = getattr(host, name)()
        return frame


def test_several_hosts_are_read_at_once(clean_daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    both = ["--connect", clean_daemon.uri, "--connect", "test:///default"]
    rows = json.loads(output(capsys, "pools", "--format", "json", *both))
    assert [(row["host"], row["name"]) for row in rows] == [("test:///default", "default-pool")]
    assert output(capsys, "pools", *both).startswith("name ")  # of all rows the host is the same
    # One that cannot be read has a row, and the others have theirs; the exit code tells.
    assert main(["guests", "--format", "csv", *both, "--connect", "qemu+unix:///system?socket=/none"]) == 1
    told = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["host"], row["name"], row["status"]) for row in told] == [
        ("test:///default", "test", "ok"),
        ("qemu+unix:///system?socket=/none", "", "unreachable"),
    ]
    assert main(["guests", *both, *both]) == 1
    assert "is there twice. Leave one of them out" in capsys.readouterr().err


def test_audit_needs_no_daemon(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(output(capsys, "audit", "--format", "json")) == []
    log = tmp_path / "log"
    log.write_text(json.dumps({"time": 0, "event": "done", "what": "\x1b[2J"}) + "\n")
    assert r"\x1b[2J" in output(capsys, "audit", "--log", str(log))
    [row] = json.loads(output(capsys, "audit", "--log", str(log), "--format", "json"))
    assert row["time"] == "1970-01-01T00:00:00+00:00"


def test_errors_are_one_line(clean_daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["volumes", "no\x1b[31m\npool", "--connect", clean_daemon.uri]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert re.fullmatch(
        r"kvmnb: There is no pool 'no\\+x1b\[31m\\+npool' on .*\. Choose one of: .*\.\n", printed.err
    )
    assert main(["pools", "--connect", "qemu:///nowhere"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["nope"],
        ["pools", "--format", "xml"],
        ["run", "x", "-p", "novalue"],
        ["run", "x", "-p", "=x"],
        ["run"],
    ]
    + [["lab", "--port", port] for port in ("0", "65536", "x", "-1")],
)
def test_wrong_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    assert "usage: kvmnb" in capsys.readouterr().err


def test_doctor_says_it_with_signs_and_words(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    main(["doctor", "--connect", daemon.uri])
    assert re.search(r"^✓ ok +libvirt daemon +.* answers", capsys.readouterr().out, re.MULTILINE)
    assert main(["doctor", "--connect", "qemu:///nowhere"]) == 1
    assert re.search(r"^✗ failed +libvirt daemon .*\n +→ ", capsys.readouterr().out, re.MULTILINE)


def test_run_says_the_record_first(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    source, record = write(tmp_path / "a.ipynb", "# Go", "print(count)"), tmp_path / "out.ipynb"
    assert main(["run", str(source), "-p", "count=1=2", "--record", str(record)]) == 1
    assert "'count' cannot be '1=2'" in capfd.readouterr().err
    assert main(["run", str(source), "-p", "pool=1=2", "--record", str(record)]) == 0
    printed = capfd.readouterr()
    assert printed.out == f"{record}\n"
    assert printed.err == "[1/3]\n[2/3]\n[3/3] Go\n"
    assert json.loads(record.read_text())["metadata"]["kvmnb"]["parameters"] == {"pool": "1=2"}
    assert main(["run", str(source), "--record", str(record)]) == 1
    assert "is there already" in capfd.readouterr().err


def test_failing_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    source = write(tmp_path / "a.ipynb", "# Break", "raise ValueError('a\\x1b[31m\\nb')")
    assert main(["run", str(source), "--record", str(tmp_path / "out.ipynb")]) == 1
    last = capfd.readouterr().err.splitlines()[-1]
    assert last.startswith(
        r"""kvmnb: The runbook 'a' failed at cell [2], under "Break": ValueError: a\x1b[31m b. Put right"""
    )


def test_nobody_reads(daemon: Daemon) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    words = ["pools", "--format", "json", "--connect", daemon.uri]
    done = subprocess.run([*KVMNB, *words], stdout=writer, stderr=subprocess.PIPE, check=False, timeout=60)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_terminal_without_the_signs(daemon: Daemon) -> None:
    words = [*KVMNB, "doctor", "--connect", daemon.uri]
    env = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert r"\u2713 ok" in done.stdout
    assert done.stderr == ""


def test_help_is_light() -> None:
    heavy = {"libvirt", "pandas", "numpy", "papermill", "jupyter_client", "jupyterlab", "nbformat"}
    script = f"""
import sys
import kvmnb.cli
kept = set(sys.modules)
try:
    kvmnb.cli.main(sys.argv[1:])
except SystemExit as end:
    assert end.code == 0
# What the package's own __init__ brings is not the command's doing.
print(sorted((set(sys.modules) - kept) & {heavy!r}), "argparse" in sys.modules)
"""
    for words in (["--help"], ["run", "--help"], ["--version"]):
        done = subprocess.run(
            [sys.executable, "-c", script, *words], capture_output=True, text=True, check=True
        )
        assert done.stdout.splitlines()[-1] == "[] True"


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"kvmnb {__version__}\n"
