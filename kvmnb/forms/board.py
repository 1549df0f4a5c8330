"""A table to choose from, a picture beside it, and the forms of what can be done with the chosen row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as ipw
import pandas as pd

from kvmnb.errors import KvmnbError
from kvmnb.forms import view
from kvmnb.forms.browse import Browser
from kvmnb.forms.fields import Entered
from kvmnb.forms.form import Form
from kvmnb.forms.goals import Goal
from kvmnb.forms.job import Job
from kvmnb.forms.keys import guard_keys
from kvmnb.host import Host
from kvmnb.storage.roles import Role


def read_in_job(read: Callable[[], pd.DataFrame], done: Callable[[pd.DataFrame | KvmnbError], None]) -> None:
    """Read a frame in a thread, for a `Browser`: many volumes take a while."""

    def work(_progress: object) -> pd.DataFrame | KvmnbError:
        try:
            return read()
        except KvmnbError as error:
            return error

    def draw(job: Job[pd.DataFrame | KvmnbError]) -> None:
        if job.error is not None:
            raise job.error
        if job.result is not None:
            done(job.result)

    Job(work, draw).start()


class Board:
    """Tables of a host with the forms that belong to them; shows itself in a notebook.

    Parameters
    ----------
    host : Host
        The host.
    browser : Browser
        The table. A row that is chosen fills the form.
    tasks : mapping of str to callable
        Makes, by a short name, the goal of each form; a host for reading gets none.
    row : mapping of Role to str
        Which column of the row a field of a role is filled from.
    beside : sequence of ipywidgets.Widget
        What stands beside the table, such as a picture.
    below : sequence of ipywidgets.Widget
        What stands below it, before the forms.
    after : callable, optional
        Called after something was done, besides reading the table anew.

    Attributes
    ----------
    view : ipywidgets.VBox
        What is shown.
    form : Form or None
        The form that is open.
    """

    def __init__(
        self,
        host: Host,
        browser: Browser,
        tasks: Mapping[str, Callable[[], Goal]],
        *,
        row: Mapping[Role, str],
        beside: Sequence[ipw.Widget] = (),
        below: Sequence[ipw.Widget] = (),
        after: Callable[[], None] | None = None,
    ) -> None:
        self.host = host
        self.browser = browser
        self.form: Form | None = None
        self._tasks = tasks
        self._row = row
        self._after = after
        self._forms: dict[str, Form] = {}
        self._place = ipw.VBox([])
        self.choose = ipw.ToggleButtons(
            options=list(tasks),
            index=None,
            tooltips=[make().title for make in tasks.values()],
            style={"button_width": "auto"},
        )
        self.choose.observe(lambda change: self.open(change["new"]), "value")
        table = ipw.VBox([browser.view], layout=ipw.Layout(flex="3 1 560px", min_width="0"))
        top = ipw.HBox([table, *beside], layout=ipw.Layout(flex_flow="row wrap"))
        forms = [ipw.HTML(self._heading()), *([] if host.readonly else [self.choose, self._place])]
        self.view = ipw.VBox([top, *below, *forms])
        self.view.add_class("kvmnb-board")
        guard_keys(self.view)
        browser.on_select(lambda _row: self._fill())

    def _heading(self) -> str:
        text = (
            "Open the host with <code>kvmnb.connect(readonly=False)</code> to change anything."
            if self.host.readonly
            else "What to do with the chosen row, or with another:"
        )
        return f"{view.STYLE}<div class='kvmnb-form-heading'>{text}</div>"

    def _repr_mimebundle_(self, **how: Any) -> Any:  # noqa: ANN401 - as Jupyter's display calls it
        return self.view._repr_mimebundle_(**how)

    def open(self, task: str | None) -> None:
        """Open the form of a task, filled from the chosen row."""
        if task is None:
            return
        if task not in self._forms:
            self._forms[task] = Form(self._tasks[task](), self.host, self._done)
        self.form = self._forms[task]
        self._place.children = (self.form.view,)
        self._fill()

    def _fill(self) -> None:
        if self.form is None:
            return
        row = self.browser.selected or {}
        entered: dict[str, Entered] = {}
        for field in self.form.goal.fields:
            column = self._row.get(field.role)
            # An optional field, such as what a volume is to lie on, is not what the row was chosen for.
            if column in row and field.required:
                entered[field.name] = row[column]
        self.form.fill(**entered)

    def _done(self, _report: pd.DataFrame) -> None:
        self.browser.refresh()
        if self._after is not None:
            self._after()
