"""A chart shows itself in a real kernel, once, with its words, however matplotlib is set up there."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from nbclient import NotebookClient

from tests import notebooks

pytestmark = pytest.mark.runbook

_MAKE = """
from kvmnb import chart_growth
from kvmnb.schema import GROWTH
sizes = enumerate([4096, 70000, 140000])
rows = [dict(host="h", candidate="<b>raw", step=n, written=n * 65536, apparent=a, allocated=a, status="ok", problem=None) for n, a in sizes]
chart = chart_growth(GROWTH.build(rows))
"""  # noqa: E501 - a cell


@pytest.mark.parametrize(
    "setup",
    [
        "",
        "%matplotlib inline\n%config InlineBackend.figure_format = 'svg'",
        "from matplotlib import pyplot\npyplot.style.use('dark_background')",
    ],
    ids=["untouched", "inline", "pyplot"],
)
def test_a_chart_shows_itself_once_with_its_words(tmp_path: Path, setup: str) -> None:
    path = notebooks.write(tmp_path / "n.ipynb", f"{setup}\n{_MAKE}", "chart", "display(chart)", "chart;")
    notebook = notebooks.read(path)
    NotebookClient(notebook, timeout=60).execute()
    *_, made, last, shown, quiet = notebook.cells
    assert made.outputs == quiet.outputs == []
    for cell in (last, shown):
        [output] = cell.outputs
        assert base64.b64decode(output.data["image/png"]).startswith(b"\x89PNG")
        words = output.data["text/plain"]
        assert "At the first step it is 4 KiB (<b>raw)" in words
        assert output.metadata["image/png"]["alt"] == words
        assert output.metadata["image/png"]["width"] == 864
        assert set(output.data) == {"image/png", "text/plain"}
