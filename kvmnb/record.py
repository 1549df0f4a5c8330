"""The record of a runbook's run: the executed notebook, stamped with when, where, how, and how it ended."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import nbformat

from kvmnb.notebook.tables import printable

Outcome = Literal["running", "succeeded", "failed", "interrupted"]

#: A cell's stream of more lines than this is shortened to its first and last `_KEPT` lines.
_LONG = 200
_KEPT = 50
_STAMP_TAG = "kvmnb-record"
_HEADING = re.compile(r" {0,3}#{1,6}\s+(.*?)[\s#]*$")


@dataclass(frozen=True)
class Record:
    """What is known of one run of a runbook.

    Parameters
    ----------
    path : pathlib.Path
        The executed notebook.
    runbook : str
        Name of the runbook.
    started, ended : datetime.datetime or None
        In UTC; `ended` is None while it runs.
    host, user : str
        The machine that it ran on, and the user who ran it.
    uri : str or None
        The libvirt URI that it was given; None for libvirt's own default.
    parameters : mapping
        The parameters that were set; the others had the runbook's own values.
    version : str
        The version of the kit.
    outcome : {"running", "succeeded", "failed", "interrupted"}
        How it ended. A record that says "running" when nothing runs is of a run that was killed.
    failed_cell : dict or None
        ``number`` of the cell that failed, as Jupyter shows it, and ``heading``, the nearest above it.
    error : str or None
        What the cell raised, in one line.
    log : pathlib.Path or None
        The file with the outputs that were too long for the notebook.
    """

    path: Path
    runbook: str
    started: datetime
    host: str
    user: str
    uri: str | None
    parameters: Mapping[str, object]
    version: str
    ended: datetime | None = None
    outcome: Outcome = "running"
    failed_cell: dict[str, Any] | None = None
    error: str | None = None
    log: Path | None = None

    def metadata(self) -> dict[str, Any]:
        """Give what the notebook's metadata says under ``kvmnb``, for programs."""
        return {
            "runbook": self.runbook,
            "started": _iso(self.started),
            "ended": _iso(self.ended),
            "host": self.host,
            "user": self.user,
            "uri": self.uri,
            "parameters": dict(self.parameters),
            "outcome": self.outcome,
            "failed_cell": self.failed_cell,
            "error": self.error,
            "log": self.log.name if self.log else None,
            "version": self.version,
        }

    def markdown(self) -> str:
        """Give the cell that tells a reader the same."""
        told = {
            "outcome": self.outcome,
            "failed at": where(self.failed_cell) if self.failed_cell else None,
            "error": self.error,
            "started": _iso(self.started),
            "ended": _iso(self.ended),
            "host": self.host,
            "user": self.user,
            "libvirt URI": self.uri or "libvirt's own default",
            "parameters set": "; ".join(f"{k} = {v!r}" for k, v in self.parameters.items()) or "none",
            "full outputs": self.log.name if self.log else None,
            "kvmnb": self.version,
        }
        rows = [f"| {name} | {_literal(value)} |" for name, value in told.items() if value is not None]
        return "\n".join([f"**Record of {_literal(self.runbook)}**", "", "| | |", "|---|---|", *rows])


def where(cell: Mapping[str, Any]) -> str:
    """Name a failed cell in words."""
    under = f', under "{cell["heading"]}"' if cell["heading"] else ""
    return f"cell [{cell['number']}]{under}"


def _iso(time: datetime | None) -> str | None:
    return time.isoformat(timespec="seconds") if time else None


def _literal(text: str) -> str:
    """Write a text so that Markdown takes none of it for markup, links, HTML or a cell's end."""
    return "".join(c if c.isalnum() or c in " .,-" else f"&#{ord(c)};" for c in printable(text))


def heading_above(cells: list[Any], index: int) -> str:
    """Give the nearest heading above a cell; empty where there is none."""
    for cell in reversed(cells[:index]):
        if cell.cell_type != "markdown" or _STAMP_TAG in cell.metadata.get("tags", []):
            continue
        # Lines between fences are code: a # there begins a comment.
        outside = re.sub(r"(?ms)^\s*(```|~~~).*?^\s*\1", "", cell.source).splitlines()
        found = [match[1] for line in outside if (match := _HEADING.match(line))]
        if found:
            return str(found[-1])
    return ""


def cell_number(cells: list[Any], index: int) -> int:
    """Give the number that Jupyter shows beside a code cell in a kernel that has run all above it."""
    return sum(c.cell_type == "code" and bool(c.source.strip()) for c in cells[: index + 1])


def stamp(notebook: Any, record: Record) -> None:  # noqa: ANN401 - nbformat has no types
    """Write the record into the notebook: its metadata and a cell at the top, replacing an older one."""
    notebook.metadata["kvmnb"] = record.metadata()
    notebook.cells = [c for c in notebook.cells if _STAMP_TAG not in c.metadata.get("tags", [])]
    source = record.markdown()
    cell = nbformat.v4.new_markdown_cell(source, metadata={"tags": [_STAMP_TAG]})  # type: ignore[no-untyped-call]
    notebook.cells.insert(0, cell)


def shorten(notebook: Any, log: str) -> str:  # noqa: ANN401 - nbformat has no types
    """Shorten very long streams in place.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        The executed notebook.
    log : str
        Name of the file that will hold the full text, for the notice in the cell.

    Returns
    -------
    str
        The full text of all that was shortened; empty where nothing was.
    """
    full = []
    for index, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            lines = output.text.splitlines(keepends=True) if output.output_type == "stream" else []
            if len(lines) <= _LONG:
                continue
            left_out = len(lines) - 2 * _KEPT
            notice = f"… {left_out} lines are left out here; all {len(lines)} are in {log} …\n"
            output.text = "".join([*lines[:_KEPT], notice, *lines[-_KEPT:]])
            title = f"===== cell [{cell_number(notebook.cells, index)}], {output.name} ====="
            full += [title, *(_log_line(line) for line in lines), ""]
    return "\n".join(full)


def _log_line(line: str) -> str:
    """Escape control characters in one line, so that no log plays tricks on a terminal; tabs stay."""
    return "\t".join(map(printable, line.rstrip("\r\n").split("\t")))
