"""The page of a runbook's record: its words and outputs, no code, and nothing asked of another machine."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest

from kvmnb.errors import BadValue
from kvmnb.report import wants_report, write_report

_PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def _record(folder: Path) -> Path:
    outputs = [
        {
            "output_type": "display_data",
            "data": {"image/png": _PICTURE, "text/plain": "a chart"},
            "metadata": {"image/png": {"alt": "Pool vmdisk is half full"}},
        },
        {"output_type": "stream", "name": "stdout", "text": "42 GiB <b>free</b>\n"},
    ]
    made = [nbformat.from_dict(output) for output in outputs]  # type: ignore[no-untyped-call]
    cell = nbformat.v4.new_code_cell("secret_call()", outputs=made, execution_count=1)  # type: ignore[no-untyped-call]
    words = nbformat.v4.new_markdown_cell(
        "# What is used\n\nMuch: see [the other one](other.ipynb) and [why](mailto:ops@example.org)."
    )  # type: ignore[no-untyped-call]
    how = nbformat.v4.new_markdown_cell("Change them here.", metadata={"tags": ["remove-cell"]})  # type: ignore[no-untyped-call]
    notebook = nbformat.v4.new_notebook(cells=[how, words, cell])  # type: ignore[no-untyped-call]
    path = folder / "record.ipynb"
    nbformat.write(notebook, path)  # type: ignore[no-untyped-call]
    return path


def test_a_page_has_all_but_the_code(tmp_path: Path) -> None:
    path = write_report(_record(tmp_path))
    assert path == tmp_path / "record.html"
    page = path.read_text()
    assert "What is used" in page
    assert f"data:image/png;base64,{_PICTURE}" in page
    assert "Pool vmdisk is half full" in page
    assert "42 GiB &lt;b&gt;free&lt;/b&gt;" in page
    assert "secret_call" not in page
    assert "Change them here" not in page


def test_a_page_has_no_links_to_notebooks_that_do_not_go_with_it(tmp_path: Path) -> None:
    page = write_report(_record(tmp_path)).read_text()
    assert "see the other one and" in page
    assert ".ipynb" not in page
    assert 'href="mailto:ops@example.org"' in page


def test_a_page_asks_no_other_machine(tmp_path: Path) -> None:
    page = write_report(_record(tmp_path)).read_text()
    asked = re.findall(r"""(?:src|href|from|import\()\s*=?\s*["']((?:https?:)?//[^"']+)""", page)
    assert asked == []


def test_only_a_notebook_that_says_so_has_one(tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook()  # type: ignore[no-untyped-call]
    assert not wants_report(notebook)
    notebook.metadata["kvmnb_report"] = True
    assert wants_report(notebook)
    (tmp_path / "none.ipynb").write_text("{}")
    with pytest.raises(BadValue, match="cannot be read as a notebook"):
        write_report(tmp_path / "none.ipynb")
