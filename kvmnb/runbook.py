"""Run a runbook with nobody clicking, and keep the executed notebook as the record."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import IO, Any

import papermill
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import DeadKernelError

from kvmnb import __version__
from kvmnb.errors import RunbookFailed
from kvmnb.kernels import own_kernel, private_folder
from kvmnb.parameters import fit
from kvmnb.places import find
from kvmnb.record import Outcome, Record, cell_number, heading_above, shorten, stamp, where
from kvmnb.record_files import load, log_path, now, reserve, save, write
from kvmnb.report import wants_report, write_report
from kvmnb.storage.audit import user_name

#: Marks the cells by which papermill points at an error; the stamp says the same in the kit's words.
_PAPERMILL_TAG = "papermill-error-cell-tag"
#: How many of a dead kernel's last lines an error repeats.
_LAST_LINES = 5
#: Seconds for the outputs of a cell that has ended to arrive, which much output on a busy machine takes.
_OUTPUT_PATIENCE = 60


class RunbookInterrupted(RunbookFailed):
    """A runbook was stopped before its end; the record keeps the notebook as far as it came."""


class _Stopped(Exception):
    """No further cell is to be run."""


def run(
    name: str,
    parameters: Mapping[str, object] | None = None,
    *,
    record: Path | None = None,
    uri: str | None = None,
    tell: Callable[[str], None] | None = None,
) -> Record:
    """Run a runbook to its end, in a kernel of this very Python environment.

    Where the notebook's metadata says ``kvmnb_report``, its record is written as a page, too.

    Parameters
    ----------
    name : str
        As for `kvmnb.places.find`: a name, or the path of a notebook.
    parameters : mapping, optional
        Values for the runbook's parameters. A text is read as the kind of value that the runbook has there:
        where that is a text it stays one, else ``"true"`` becomes True and ``"3"`` becomes 3.
    record : pathlib.Path, optional
        Where to keep the executed notebook: a file that is not there yet, or a folder. The user's folder
        ``~/.local/state/kvmnb/records`` without it.
    uri : str, optional
        The libvirt URI for the runbook, which finds it in ``LIBVIRT_DEFAULT_URI``.
    tell : callable, optional
        Gets lines for a person: first the record's path alone, then one line per cell.

    Returns
    -------
    Record
        Where the record lies and what it says.

    Raises
    ------
    NotFound
        There is no such runbook.
    BadValue
        It has no such parameter, or the value is of another kind; nothing was run.
    RecordFailed
        The record cannot be written.
    RunbookFailed
        A cell raised; the message names it and the record.
    RunbookInterrupted
        It was stopped, as by Ctrl-C; the cell that ran was interrupted and could clean up.
    """
    source = find(name)
    values = fit(source, parameters or {})
    task = _Run(source, _begin(source, values, record, uri), tell or (lambda _line: None))
    with task.interruptible():
        try:
            task.execute()
        finally:
            done = task.finish()
    if done.outcome == "succeeded":
        if wants_report(task.notebook):
            task.tell(f"The report is {write_report(done.path)}")
        return done
    interrupted = done.outcome == "interrupted"
    what = f"The runbook {done.runbook!r} {'was interrupted' if interrupted else 'failed'}"
    what += f" at {where(done.failed_cell)}" if done.failed_cell else ""
    what += f": {done.error.rstrip('.')}" if done.error else ""
    remedy = f"put right what it names and run it again; its record is {done.path}"
    raise (RunbookInterrupted if interrupted else RunbookFailed)(what, remedy)


def _begin(source: Path, values: dict[str, object], wanted: Path | None, uri: str | None) -> Record:
    """Take a name for the record and write there that the runbook runs."""
    started = now()
    begun = Record(
        path=reserve(wanted, source.stem, started),
        runbook=source.stem,
        started=started,
        host=socket.gethostname(),
        user=user_name(),
        uri=uri or os.environ.get("LIBVIRT_DEFAULT_URI"),
        parameters=values,
        version=__version__,
    )
    notebook = load(source)
    stamp(notebook, begun)
    save(notebook, begun.path)
    return begun


@dataclass
class _Run:
    """One run: what papermill does, what it tells meanwhile, and what comes between."""

    source: Path
    begun: Record
    tell: Callable[[str], None]
    notebook: Any = None
    #: The code cell that has begun and not ended well.
    at: int | None = None
    error: str | None = None
    completed: bool = False
    interrupts: int = 0
    finishing: bool = False
    kernels: list[AsyncKernelManager] = field(default_factory=list)

    @property
    def part(self) -> Path:
        """Where papermill saves after each cell: what is left of a run that is killed."""
        return self.begun.path.with_name(f".{self.begun.path.stem}.part.ipynb")

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let Ctrl-C, a closed terminal and a request to end interrupt the cell that runs."""
        if threading.current_thread() is not threading.main_thread():
            yield  # only the main thread may say what a signal does
            return
        before = {
            number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        }
        for number, handler in before.items():
            # nohup has a signal ignored, and means it.
            if handler is not signal.SIG_IGN:
                signal.signal(number, self._interrupt)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        if self.finishing:
            return
        self.interrupts += 1
        if self.interrupts == 2:
            # The cell did not heed the first one: its kernel is ended.
            raise KeyboardInterrupt
        for kernel in self.kernels:
            group = getattr(kernel.provisioner, "pgid", None)
            if group:
                with suppress(ProcessLookupError):
                    os.killpg(group, signal.SIGINT)

    def _opens(self, notebook: Any) -> None:  # noqa: ANN401 - nbformat has no types
        self.notebook = notebook

    def _starts(self, cell: Any, cell_index: int) -> None:  # noqa: ANN401, ARG002 - as nbclient calls it
        if self.interrupts:
            raise _Stopped

    def _executes(self, cell: Any, cell_index: int) -> None:  # noqa: ANN401, ARG002 - as nbclient calls it
        self.at = cell_index
        cells = self.notebook.cells
        number, of = cell_number(cells, cell_index), cell_number(cells, len(cells) - 1)
        self.tell(f"[{number}/{of}] {heading_above(cells, cell_index)}".rstrip())

    def _executed(self, cell: Any, cell_index: int, execute_reply: Any) -> None:  # noqa: ANN401, ARG002
        content = execute_reply["content"]
        if content["status"] == "ok" or "raises-exception" in cell.metadata.get("tags", []):
            self.at = None
        elif content.get("ename") == "SystemExit" and content.get("evalue") in {"", "0", "None"}:
            self.at = None  # the runbook has ended itself, content
        else:
            self.error = _one_line(f"{content.get('ename')}: {content.get('evalue')}")

    def execute(self) -> None:
        """Run the cells; how it went is then known to this object."""
        self.tell(str(self.begun.path))
        with tempfile.TemporaryFile() as said, private_folder() as folder:
            try:
                self._execute(said, folder)
                self.completed = True
            except papermill.PapermillExecutionError:
                # Raised for an error that the cell's tag allows as well: `at` says whether it was one.
                self.completed = True
            except (_Stopped, KeyboardInterrupt):
                pass  # `interrupts` says so
            except (DeadKernelError, RuntimeError, OSError) as error:
                # jupyter_client raises RuntimeError for a kernel that dies, or hangs, while it starts.
                self.error = f"{_one_line(str(error)).rstrip('.')}{_last_words(said)}"

    def _execute(self, said: IO[bytes], folder: Path) -> None:
        papermill.execute_notebook(
            _braced(self.source),
            _braced(self.part),
            parameters=dict(self.begun.parameters),
            kernel_name="python3",
            language="python",
            progress_bar=False,
            kernel_manager_class=own_kernel(self.begun.uri, folder, said, self.kernels.append),
            resources={"metadata": {"path": str(self.source.parent)}},
            coalesce_streams=True,
            iopub_timeout=_OUTPUT_PATIENCE,
            on_notebook_start=self._opens,
            on_cell_start=self._starts,
            on_cell_execute=self._executes,
            on_cell_executed=self._executed,
        )

    def finish(self) -> Record:
        """Stamp the notebook, as far as it came, and put it in the record's place."""
        self.finishing = True
        notebook = self.notebook or load(self.source)
        cells = [c for c in notebook.cells if _PAPERMILL_TAG not in c.metadata.get("tags", [])]
        notebook.cells = cells
        log = log_path(self.begun.path)
        full = shorten(notebook, log.name)
        done = replace(self.begun, ended=now(), outcome=self._outcome(), log=log if full else None)
        if done.outcome != "succeeded":
            error = self.error or ("it ended unexpectedly" if done.outcome == "failed" else None)
            done = replace(done, error=error)
            if self.at is not None:
                failed = {"number": cell_number(cells, self.at), "heading": heading_above(cells, self.at)}
                done = replace(done, failed_cell=failed)
        stamp(notebook, done)
        notebook.metadata.setdefault("papermill", {})["output_path"] = str(done.path)
        if full:
            write(log, full)
        save(notebook, done.path)
        self.part.unlink(missing_ok=True)
        return done

    def _outcome(self) -> Outcome:
        if self.completed and self.at is None:
            return "succeeded"
        return "interrupted" if self.interrupts else "failed"


def _braced(path: Path) -> str:
    """Write a path for papermill, which fills in what stands between braces."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _last_words(said: IO[bytes]) -> str:
    """Give the end of what a kernel itself wrote, which may tell why it died."""
    said.seek(0)
    lines = said.read().decode(errors="backslashreplace").split("\n")
    last = [_one_line(line) for line in lines if line.strip()][-_LAST_LINES:]
    return f" (the kernel's last words: {' / '.join(last)})" if last else ""


def _one_line(text: str) -> str:
    return " ".join(text.split())
