"""What is looked for on a chart that was drawn: lines, texts, how far colours are apart in grey."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from matplotlib.text import Text

from kvmnb.notebook.charts import Chart
from tests.notebook.comparison import GIB, KIB, MIB

COW = (
    ("create the base and write into it", "bb..bbbb........", 650 * KIB, None),
    ("create an overlay", "bb..bbbb........", 650 * KIB, 196 * KIB),
    ("write 4 KiB through the overlay", "bo..bbbb.....oo.", 650 * KIB, 452 * KIB),
)
GROWN: dict[str, list[int | None]] = {
    "raw": [4096, 64 * MIB, 128 * MIB],
    "qcow2": [200704, 64 * MIB + 200704, 128 * MIB + 200704],
    "qed": [266240, 64 * MIB, None],
    "vpc": [None, None, None],
    "raw full": [GIB, GIB, GIB],
}


def written_on(chart: Chart) -> list[Text]:
    chart.draw_without_rendering()  # at the page's own size, whatever it was saved at before
    texts = [text for text in chart.findobj(Text) if isinstance(text, Text)]
    return [text for text in texts if text.get_text() and text.get_visible()]


def texts_on(chart: Chart) -> list[str]:
    return [text.get_text() for text in written_on(chart)]


def line_on(axes: Axes, called: str) -> Line2D:
    [found] = [line for line in axes.lines if line.get_label() == called]
    return found


def xs(line: Line2D) -> list[float]:
    return [float(x) for x in np.asarray(line.get_xdata())]


def ys(line: Line2D) -> list[float]:
    return [float(y) for y in np.asarray(line.get_ydata())]


def names_on(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.get_yticklabels()]


def hanging_over(chart: Chart) -> list[str]:
    """Give the texts that do not fit on the page."""
    page = chart.bbox.padded(1)
    boxes = {text: Text.get_window_extent(text) for text in written_on(chart)}
    return [t.get_text() for t, box in boxes.items() if not all(page.contains(*c) for c in box.corners())]


def luminance(colour: Any) -> float:  # noqa: ANN401 - whatever matplotlib takes
    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return float(np.dot(parts, (0.2126, 0.7152, 0.0722)))


def contrast(one: Any, other: Any) -> float:  # noqa: ANN401
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)
