"""A chart as a value: it shows itself, says itself in words, and looks the same wherever it is drawn."""

from __future__ import annotations

import base64
import io
from collections.abc import Container, Iterator
from contextlib import contextmanager
from functools import lru_cache
from html import escape
from textwrap import wrap
from typing import Any

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path
from PIL import Image
from PIL.PngImagePlugin import PngInfo

#: How wide a chart is, in inches: what a notebook's column holds at `DPI`.
WIDTH = 9.0
DPI = 96

#: Sizes of letters, in points.
TITLE, PLAIN, SMALL = 12.0, 9.0, 8.0

#: The ink of what is said, of what is said softly, and of the lines behind it all.
INK, SOFT, FAINT = "#1a1a1a", "#5c5c5c", "#d9d9d9"
PAPER = "#ffffff"

#: Beside the title and the foot, in inches.
_MARGIN = 0.12
_LINE = 1.45 / 72  # the height of a line of letters, per point

#: How much wider letters may come out where they are fitted to a screen's pixels.
_HINTED = 1.08

#: They come with matplotlib, so a chart looks the same on every machine.
LETTERS = "DejaVu Sans"

_LOOK: dict[str, Any] = {
    "font.family": [LETTERS],
    "font.size": PLAIN,
    "text.color": INK,
    "text.parse_math": False,  # a name may hold dollar signs
    "axes.facecolor": PAPER,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": SOFT,
    "axes.labelsize": SMALL,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.8,
    "xtick.labelsize": SMALL,
    "xtick.color": SOFT,
    "xtick.minor.size": 0,
    "ytick.labelsize": SMALL,
    "ytick.color": SOFT,
    "hatch.linewidth": 0.7,
}


@contextmanager
def look() -> Iterator[None]:
    """Draw in the kit's own manner, whatever the reader has set up for charts of theirs."""
    with style.context(["default", _LOOK]):
        yield


@lru_cache(maxsize=4096)
def width_of(text: str, size: float = PLAIN, weight: str = "normal") -> float:
    """Measure a line of text, in inches."""
    letters = FontProperties(family=LETTERS, size=size, weight=weight)
    return _HINTED * float(text_to_path.get_text_width_height_descent(text, letters, False)[0]) / 72


def lines_of(text: str, widest: float, size: float = PLAIN, weight: str = "normal") -> list[str]:
    """Break text into lines of at most some inches, between words where it can."""
    room = max(1, len(text))
    while True:
        lines = wrap(text, room)
        wide = max((width_of(line, size, weight) for line in lines), default=0.0)
        if wide <= widest or room == 1:
            return lines
        room = max(1, min(room - 1, int(room * widest / wide)))


#: Enough for every grey and colour of a chart, with the edges between them; chosen by how far apart they are,
#: for by how often they are there a few small marks would get the colour of something else.
_COLOURS = 64


class Chart(Figure):
    """A matplotlib figure that shows itself in a notebook, and says in words what it shows.

    It is made without pyplot, so it is shown once and leaves nothing behind, and it brings its own light
    background, so it reads on a dark page as well. In a notebook its words go along with the picture, for
    pages that show no pictures and for readers who cannot see them; printed, it is those words.

    Parameters
    ----------
    title : str
        What stands above.
    alt : str
        What the chart shows, in words.
    height : float
        How high the part between title and foot is, in inches.
    foot : str
        What stands below, in small letters: how to read it, where and when it was measured.
    """

    def __init__(self, title: str, alt: str, height: float, foot: str = "") -> None:
        above = lines_of(title, WIDTH - 2 * _MARGIN, TITLE, "bold")
        below = [line for part in foot.split("\n") for line in lines_of(part, WIDTH - 2 * _MARGIN, SMALL)]
        self._below = len(below) * SMALL * _LINE + _MARGIN
        head = len(above) * TITLE * _LINE + _MARGIN
        super().__init__((WIDTH, head + height + self._below), DPI, facecolor=PAPER)
        self.alt = alt
        tall = self.get_figheight()
        side = _MARGIN / WIDTH
        self.text(side, 1 - _MARGIN / tall, "\n".join(above), size=TITLE, weight="bold", va="top")
        self.text(side, _MARGIN / 2 / tall, "\n".join(below), size=SMALL, color=SOFT, va="bottom")

    def place(self, left: float, bottom: float, width: float, height: float) -> Axes:
        """Give axes at a place counted in inches from the left and from above the foot."""
        wide, tall = WIDTH, self.get_figheight()
        return self.add_axes((left / wide, (self._below + bottom) / tall, width / wide, height / tall))

    def __repr__(self) -> str:
        return self.alt

    __str__ = __repr__

    def _ipython_display_(self) -> None:
        """Show the chart in its own way: that of matplotlib, once it is set up, leaves the words out."""
        from IPython.display import display  # noqa: PLC0415 - whoever asks for this has loaded it

        data, about = self._repr_mimebundle_()
        display(data, metadata=about, raw=True)  # type: ignore[no-untyped-call]

    def _repr_mimebundle_(
        self,
        include: Container[str] | None = None,  # noqa: ARG002 - IPython chooses from what it is given
        exclude: Container[str] | None = None,  # noqa: ARG002
    ) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
        """Give IPython the picture, twice as fine as the page so that it stays sharp, and the words."""
        wide, tall = (round(inches * DPI) for inches in self.get_size_inches())
        picture = base64.b64encode(self._png()).decode()
        about = {"alt": self.alt, "width": wide, "height": tall}
        return {"image/png": picture, "text/plain": self.alt}, {"image/png": about}

    def html(self) -> str:
        """Give the picture as HTML, with its words for readers who cannot see it."""
        data, about = self._repr_mimebundle_()
        how = f"style='width: {about['image/png']['width']}px; max-width: 100%; height: auto'"
        return f"<img alt='{escape(self.alt)}' {how} src='data:image/png;base64,{data['image/png']}'>"

    def _png(self) -> bytes:
        """Draw it, in a palette of its few colours: a third of the size, and notebooks keep every picture."""
        drawn, kept = io.BytesIO(), io.BytesIO()
        with look():  # and none of the reader's settings for saving
            self.savefig(drawn, format="png", dpi=2 * DPI)
        words = PngInfo()
        words.add_itxt("Description", self.alt)
        with Image.open(drawn) as picture:
            few = picture.convert("RGB").quantize(
                _COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
            )
            few.save(kept, format="png", optimize=True, pnginfo=words)
        return kept.getvalue()


def finish(chart: Chart) -> Chart:
    """Lay the chart out while its own manner holds, for matplotlib makes ticks only when it needs them."""
    chart.draw_without_rendering()
    return chart
