"""Small notebooks for tests: written, and read again once they have run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat

PARAMETERS = 'pool = "vmdisk"  # name\ncount = 3\nshare = 0.5\nforce = False\nsize = 10 * 1024'
ECHO = "print([pool, count, share, force, size])"


def write(path: Path, *cells: str, tags: Sequence[str] = (), make_folder: bool = False) -> Path:
    """Write a notebook: what begins with # is Markdown; the last cell gets the tags."""
    if make_folder:
        path.parent.mkdir(parents=True)
    notebook = nbformat.v4.new_notebook()  # type: ignore[no-untyped-call]
    for source in (PARAMETERS, *cells):
        make = nbformat.v4.new_markdown_cell if source.startswith("#") else nbformat.v4.new_code_cell
        notebook.cells.append(make(source))  # type: ignore[no-untyped-call]
    notebook.cells[0].metadata["tags"] = ["parameters"]
    if tags:
        notebook.cells[-1].metadata["tags"] = list(tags)
    nbformat.write(notebook, path)  # type: ignore[no-untyped-call]
    return path


def read(path: Path) -> Any:  # noqa: ANN401 - nbformat has no types
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    nbformat.validate(notebook)
    return notebook


def texts(notebook: Any) -> list[str]:  # noqa: ANN401
    return [o.text for c in notebook.cells for o in c.get("outputs", []) if o.output_type == "stream"]
