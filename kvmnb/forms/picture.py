"""A chart as a widget, which is drawn anew when there are new figures."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

import ipywidgets as ipw

from kvmnb.errors import KvmnbError
from kvmnb.notebook.charts import Chart
from kvmnb.notebook.tables import printable


class Picture:
    """A chart beside a table; shows itself in a notebook.

    Parameters
    ----------
    draw : callable
        Gives the chart, from figures that were read already.

    Attributes
    ----------
    view : ipywidgets.HTML
        What is shown: the picture with its words, or why there is none.
    """

    def __init__(self, draw: Callable[[], Chart]) -> None:
        self._draw = draw
        self.view = ipw.HTML(layout=ipw.Layout(min_width="0"))
        self.refresh()

    def _repr_mimebundle_(self, **how: Any) -> Any:  # noqa: ANN401 - as Jupyter's display calls it
        return self.view._repr_mimebundle_(**how)

    def refresh(self) -> None:
        """Draw it anew."""
        try:
            self.view.value = self._draw().html()
        except KvmnbError as error:
            self.view.value = f"<div class='kvmnb-text'>No picture: {escape(printable(str(error)))}</div>"
