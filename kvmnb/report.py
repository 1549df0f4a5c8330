"""A runbook's record as a page to send: its words, tables and charts, without the code."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path
from typing import Any

from kvmnb.record_files import load, write

#: What a notebook says in its metadata so that `kvmnb run` makes a page of its record.
WANTED = "kvmnb_report"

#: Scripts that nbconvert would have the page ask other machines for: a report needs none of them.
_ELSEWHERE = ("jquery_url", "mathjax_url", "mermaid_js_url", "mermaid_layout_elk_js_url", "require_js_url")


def wants_report(notebook: Any) -> bool:  # noqa: ANN401 - nbformat has no types
    """Tell whether a notebook is one whose record is a report."""
    return bool(notebook.metadata.get(WANTED, False))


#: The tag of a cell that means nothing on a page without code, as Jupyter Book has it too.
_LEFT_OUT = "remove-cell"

#: A link of a notebook's words to another notebook.
_TO_NOTEBOOK = re.compile(r"\[([^\]]+)\]\([^)\s]+\.ipynb\)")


def _put_words_to_picture(output: Any) -> None:  # noqa: ANN401 - nbformat has no types
    """Write a picture as HTML with the words for those who cannot see it, which nbconvert leaves out."""
    about = output.get("metadata", {}).get("image/png", {})
    if about.get("alt") and "image/png" in output.get("data", {}):
        picture, size = "".join(output.data["image/png"].split()), about.get("width")
        wide = f" width='{int(size)}'" if size else ""
        alt = escape(about["alt"], quote=True)
        output.data = {"text/html": f"<img{wide} alt='{alt}' src='data:image/png;base64,{picture}'>"}


def write_report(record: Path) -> Path:
    """Write the page of an executed notebook beside it.

    Parameters
    ----------
    record : pathlib.Path
        The executed notebook.

    Returns
    -------
    pathlib.Path
        The page: one file, with its pictures in it, that asks no other machine for anything.

    Raises
    ------
    kvmnb.errors.BadValue
        The file is no notebook.
    """
    from nbconvert import HTMLExporter  # noqa: PLC0415 - it takes a second to load

    exporter = HTMLExporter(  # type: ignore[no-untyped-call]
        embed_images=True,
        exclude_input=True,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        **dict.fromkeys(_ELSEWHERE, ""),
    )
    notebook = load(record)
    notebook.cells = [cell for cell in notebook.cells if _LEFT_OUT not in cell.metadata.get("tags", ())]
    for cell in notebook.cells:
        if cell.cell_type == "markdown":  # the page goes out alone
            cell.source = _TO_NOTEBOOK.sub(r"\1", cell.source)
        for output in cell.get("outputs", ()):
            _put_words_to_picture(output)
    page, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": record.stem}})
    path = record.with_suffix(".html")
    write(path, page)
    return path
