"""The row that says how far a piece of work is, with the button that stops it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as ipw
import pandas as pd

from kvmnb.errors import KvmnbError
from kvmnb.forms import view
from kvmnb.forms.job import Job
from kvmnb.storage.apply import MakeProgress

#: Gets what the work gave, or why it gave nothing.
End = Callable[[pd.DataFrame | KvmnbError], None]


class Running:
    """One piece of reading at a time: in a thread, told of while it runs, and stopped by a button.

    Parameters
    ----------
    enable : callable
        Called when work begins and when it has ended, to enable what may be done meanwhile.

    Attributes
    ----------
    view : ipywidgets.HBox
        What is shown while something runs.
    """

    def __init__(self, enable: Callable[[], None]) -> None:
        self._enable = enable
        self._job: Job[pd.DataFrame] | None = None
        self.bar = ipw.FloatProgress(min=0, max=1, layout=ipw.Layout(width="160px", display="none"))
        self.said = ipw.HTML()
        self.cancel = ipw.Button(description="Cancel", icon="stop")
        self.cancel.on_click(lambda _button: self.stop())
        self.view = ipw.HBox([self.bar, self.said, self.cancel], layout=ipw.Layout(display="none"))

    @property
    def busy(self) -> bool:
        """Whether something runs."""
        return self._job is not None

    def start(
        self, work: Callable[[MakeProgress], pd.DataFrame], end: End, words: str, unit: str = "B"
    ) -> None:
        """Begin, unless something runs already.

        Parameters
        ----------
        work : callable
            As `Job` takes it.
        end : callable
            Called with the outcome, on the loop that may change widgets.
        words : str
            What is being done.
        unit : str
            What its progress counts.
        """
        if self._job is not None:
            return

        def draw(job: Job[pd.DataFrame]) -> None:
            if job.outcome == "running":
                self._draw(job, words)
                return
            self._job = None
            self.view.layout.display = "none"
            self.cancel.disabled = False
            end(_outcome(job))
            self._enable()

        self._job = Job(work, draw, unit)
        self.view.layout.display = ""
        self._enable()
        self._job.start()

    def stop(self) -> None:
        """Ask what runs to stop."""
        if self._job is not None:
            self._job.cancel()
            self.cancel.disabled = True

    def _draw(self, job: Job[Any], words: str) -> None:
        fraction = job.state.fraction
        self.bar.layout.display = "none" if fraction is None else ""
        self.bar.value = fraction or 0
        said = "Stopping" if job.cancelling else words
        told = f"{view.words(said)}: {view.words(job.state.text())}"
        self.said.value = f"<span class='kvmnb-text' role='status'>{told}</span>"


def _outcome(job: Job[pd.DataFrame]) -> pd.DataFrame | KvmnbError:
    if job.error is None and job.result is not None:
        return job.result
    if isinstance(job.error, KvmnbError):
        return job.error
    return KvmnbError(f"{type(job.error).__name__}: {job.error}", "report it, with what you did")
