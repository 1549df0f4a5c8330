"""Runbooks are run with nobody clicking; whatever happens to them, the record tells it."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

import nbformat
import pytest

from kvmnb import runbook
from kvmnb.errors import BadValue, RunbookFailed
from kvmnb.record import cell_number, heading_above
from kvmnb.record_files import RecordFailed
from tests.daemon import Daemon
from tests.notebooks import ECHO, read, texts, write


def test_success_is_stamped(tmp_path: Path) -> None:
    source = write(tmp_path / "a {b} c.ipynb", "# Say it", ECHO)
    before = source.read_bytes()
    told: list[str] = []
    done = runbook.run(str(source), {"count": "5"}, record=tmp_path / "out.ipynb", tell=told.append)
    assert (done.outcome, done.path) == ("succeeded", tmp_path / "out.ipynb")
    notebook = read(done.path)
    said = notebook.metadata.kvmnb
    assert said == done.metadata()
    assert (said.runbook, said.outcome, said.parameters) == ("a {b} c", "succeeded", {"count": 5})
    assert said.started <= said.ended
    assert said.started.endswith("+00:00")
    assert "| outcome | succeeded |" in notebook.cells[0].source
    assert texts(notebook) == ["['vmdisk', 5, 0.5, False, 10240]\n"]
    assert told == [str(done.path), "[1/3]", "[2/3]", "[3/3] Say it"]
    assert source.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a {b} c.ipynb", "out.ipynb"]


def test_failing_cell_keeps_the_record(tmp_path: Path) -> None:
    broken = "import kvmnb\nraise kvmnb.KvmnbError('no | <b>pool</b>', 'make one')"
    source = write(tmp_path / "bad.ipynb", ECHO, "# Break\n\n```\n# a comment\n```", broken, "print('never')")
    with pytest.raises(RunbookFailed) as caught:
        runbook.run(str(source), record=tmp_path / "out.ipynb")
    assert 'cell [3], under "Break": KvmnbError: no | <b>pool</b>. Make one. ' in str(caught.value)
    assert str(tmp_path / "out.ipynb") in str(caught.value)
    notebook = read(tmp_path / "out.ipynb")
    said = notebook.metadata.kvmnb
    assert said.outcome == "failed"
    assert said.failed_cell == {"number": 3, "heading": "Break"}
    assert said.error == "KvmnbError: no | <b>pool</b>. Make one."
    row = next(line for line in notebook.cells[0].source.splitlines() if line.startswith("| error"))
    assert "<" not in row
    assert row.count("|") == 3
    assert [c.execution_count for c in notebook.cells if c.cell_type == "code"] == [1, 2, 3, None]
    assert notebook.cells[4].outputs[0].output_type == "error"
    assert not any("papermill-error-cell-tag" in c.metadata.get("tags", []) for c in notebook.cells)


def test_dying_kernel_keeps_the_record(tmp_path: Path) -> None:
    source = write(tmp_path / "dies.ipynb", ECHO, "# Die", "import os; os._exit(3)")
    with pytest.raises(RunbookFailed, match=r'cell \[3\], under "Die": Kernel died\.'):
        runbook.run(str(source), record=tmp_path / "out.ipynb")
    notebook = read(tmp_path / "out.ipynb")
    assert notebook.metadata.kvmnb.outcome == "failed"
    assert texts(notebook) == ["['vmdisk', 3, 0.5, False, 10240]\n"]


def test_a_kernel_that_does_not_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write(tmp_path / "a.ipynb", ECHO)
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    with pytest.raises(
        RunbookFailed, match=r"Kernel died before .*last words: .*No module named 'encodings'"
    ):
        runbook.run(str(source), record=tmp_path / "out.ipynb")
    said = read(tmp_path / "out.ipynb").metadata.kvmnb
    assert (said.outcome, said.failed_cell) == ("failed", None)
    assert not (tmp_path / ".out.part.ipynb").exists()


@pytest.mark.parametrize(
    ("last", "tags"),
    [("1 / 0", ["raises-exception"]), ("raise SystemExit", []), ("import sys; sys.exit(0)", [])],
)
def test_what_a_runbook_means_to_raise_is_no_failure(tmp_path: Path, last: str, tags: list[str]) -> None:
    source = write(tmp_path / "meant.ipynb", last, tags=tags)
    assert runbook.run(str(source), record=tmp_path / "out.ipynb").outcome == "succeeded"
    assert read(tmp_path / "out.ipynb").metadata.kvmnb.failed_cell is None


def test_exit_with_a_code_is_a_failure(tmp_path: Path) -> None:
    source = write(tmp_path / "exits.ipynb", "import sys; sys.exit(4)")
    with pytest.raises(RunbookFailed, match="SystemExit: 4"):
        runbook.run(str(source), record=tmp_path / "out.ipynb")


def test_long_output_goes_to_a_log(tmp_path: Path) -> None:
    (tmp_path / "out.log").write_text("mine")
    source = write(tmp_path / "a.ipynb", "for i in range(500): print('line', i, '\\x1b[31m', flush=True)")
    done = runbook.run(str(source), record=tmp_path / "out.ipynb")
    assert done.log == tmp_path / "out-2.log"
    lines = done.log.read_text().splitlines()
    assert lines[:2] == ["===== cell [2], stdout =====", r"line 0 \x1b[31m"]
    assert sum(line.startswith("line ") for line in lines) == 500
    notebook = read(done.path)
    kept = texts(notebook)[0].splitlines()
    assert len(kept) == 101
    assert kept[50] == "… 400 lines are left out here; all 500 are in out-2.log …"
    assert kept[-1].startswith("line 499")
    assert notebook.metadata.kvmnb.log == "out-2.log"
    assert (tmp_path / "out.log").read_text() == "mine"


def test_two_hundred_lines_stay(tmp_path: Path) -> None:
    source = write(tmp_path / "a.ipynb", "for i in range(200): print(i)")
    done = runbook.run(str(source), record=tmp_path / "out.ipynb")
    assert done.log is None
    assert len(texts(read(done.path))[0].splitlines()) == 200


def test_records_have_a_place_and_are_never_overwritten(tmp_path: Path) -> None:
    source = write(tmp_path / "a.ipynb", ECHO)
    first, second = runbook.run(str(source)), runbook.run(str(source))
    assert first.path != second.path
    assert first.path.parent == Path(os.environ["XDG_STATE_HOME"]) / "kvmnb" / "records"
    assert first.path.name.startswith(f"a-{first.started:%Y%m%dT%H%M%SZ}")
    assert first.path.stat().st_mode & 0o777 == 0o600
    assert first.path.parent.stat().st_mode & 0o777 == 0o700
    kept = first.path.read_bytes()
    with pytest.raises(BadValue, match="is there already"):
        runbook.run(str(source), record=first.path)
    assert first.path.read_bytes() == kept
    with pytest.raises(BadValue, match=r"ends in \.ipynb"):
        runbook.run(str(source), record=tmp_path / "out.txt")
    with pytest.raises(RecordFailed, match="cannot be written: File exists"):
        runbook.run(str(source), record=source / "out.ipynb")


def test_the_kernel_is_this_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = tmp_path / "jupyter/kernels/python3"
    foreign.mkdir(parents=True)
    (foreign / "kernel.json").write_text(json.dumps({"argv": ["/bin/false"], "display_name": "x"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    source = write(tmp_path / "a.ipynb", "import os, sys; print(sys.executable, os.getcwd())")
    done = runbook.run(str(source), record=tmp_path / "out.ipynb")
    assert texts(read(done.path)) == [f"{sys.executable} {tmp_path}\n"]


@pytest.mark.parametrize("deep", ["", "d" * 90])
def test_the_kernel_takes_no_ports(deep: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / deep).mkdir(exist_ok=True)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / deep))
    asks = "import ipykernel, os; said = ipykernel.get_connection_info(unpack=True)"
    finds = "folder = os.path.dirname(said['ip']); mode = oct(os.stat(folder).st_mode)[-3:]"
    source = write(tmp_path / "a.ipynb", f"{asks}\n{finds}\nprint(said['transport'], mode)\nprint(folder)")
    done = runbook.run(str(source), record=tmp_path / "out.ipynb")
    said, folder = texts(read(done.path))[0].splitlines()
    assert said == "ipc 700"
    assert not Path(folder).exists()


def test_the_runbook_gets_the_uri(tmp_path: Path, daemon: Daemon) -> None:
    source = write(tmp_path / "a.ipynb", "import kvmnb; print(kvmnb.connect().uri)")
    done = runbook.run(str(source), record=tmp_path / "out.ipynb", uri=daemon.uri)
    assert texts(read(done.path)) == [f"{daemon.uri}\n"]
    assert read(done.path).metadata.kvmnb.uri == daemon.uri


def test_a_uri_is_no_template(tmp_path: Path) -> None:
    source = write(tmp_path / "a.ipynb", "import os; print(os.environ['LIBVIRT_DEFAULT_URI'])")
    done = runbook.run(str(source), record=tmp_path / "out.ipynb", uri="test:///a$HOME$$b")
    assert texts(read(done.path)) == ["test:///a$HOME$$b\n"]


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"nbformat": 4}', "\udcff"])
def test_a_file_that_is_no_notebook(content: str, tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    path.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(BadValue, match="cannot be read as a notebook"):
        runbook.run(str(path), record=tmp_path / "out.ipynb")


def test_headings_and_numbers() -> None:
    new = nbformat.v4
    cells = [
        new.new_markdown_cell("# One #\n~~~\n## no\n~~~"),  # type: ignore[no-untyped-call]
        new.new_code_cell("1"),  # type: ignore[no-untyped-call]
        new.new_code_cell(" "),  # type: ignore[no-untyped-call]
        new.new_markdown_cell("text"),  # type: ignore[no-untyped-call]
        new.new_code_cell("2"),  # type: ignore[no-untyped-call]
    ]
    assert heading_above(cells, 4) == "One"
    assert heading_above(cells, 0) == ""
    assert cell_number(cells, 4) == 2
