"""A form: what a person fills in, what it would do, and what it did."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from threading import RLock
from typing import Any

import ipywidgets as ipw
import pandas as pd

from kvmnb.errors import ActionFailed, KvmnbError
from kvmnb.forms import view
from kvmnb.forms.choices import ASKED_FOR, NAMED, choices, hint
from kvmnb.forms.draft import Draft, check_draft
from kvmnb.forms.fields import Entered
from kvmnb.forms.goals import Goal, UndoGoal
from kvmnb.forms.job import Job
from kvmnb.forms.keys import guard_keys
from kvmnb.forms.widgets import FieldWidget, wide
from kvmnb.host import Host
from kvmnb.notebook.tables import show
from kvmnb.storage.streams import Progress

#: What a look at the host brings: the draft, per field what there is to choose from, and a hint.
_Seen = tuple[Draft, dict[str, tuple[str, ...]], dict[str, str], dict[str, str]]


class Form:
    """A form for a goal on a host; shows itself in a notebook.

    While a person types, the host is looked at in a thread, and what would be done is shown. Nothing is done
    before Apply is clicked, and that is checked anew.

    Parameters
    ----------
    goal : Goal
        What it is for.
    host : Host
        Where.
    after : callable, optional
        Called with the frame after something was done, such as to read tables anew.

    Attributes
    ----------
    view : ipywidgets.VBox
        What is shown.
    draft : Draft
        What came of what stands in it.
    report : pandas.DataFrame or None
        The verified frame of what was done last.
    undo_form : Form or None
        The form that undoes it, once that was asked for.
    """

    def __init__(self, goal: Goal, host: Host, after: Callable[[pd.DataFrame], None] | None = None) -> None:
        self.goal = goal
        self.host = host
        self.draft = Draft()
        self.report: pd.DataFrame | None = None
        self.undo_form: Form | None = None
        self._after = after
        self._lock = RLock()
        self._looking: Job[_Seen] | None = None
        self._stale = False
        self._fresh = False
        self._job: Job[pd.DataFrame] | None = None
        self.fields = {field.name: FieldWidget(field, self._changed) for field in goal.fields}
        self._build()
        self.look()

    def _build(self) -> None:
        self.plan = ipw.HTML()
        self.word = ipw.Text(**wide())
        self.word.layout.display = "none"
        self.apply = ipw.Button(description="Apply", button_style="primary", icon="check", disabled=True)
        self.again = ipw.Button(
            description="Look again", icon="refresh", tooltip="Read the host anew, and check what stands here"
        )
        self.cancel = ipw.Button(description="Cancel", icon="stop")
        self.undo = ipw.Button(description="Undo …", icon="undo")
        self.bar = ipw.FloatProgress(min=0, max=1, layout=ipw.Layout(width="240px"))
        self.progress = ipw.HTML()
        self.running = ipw.HBox([self.bar, self.progress, self.cancel])
        self.result = ipw.HTML()
        self.code = ipw.HTML()
        self.undoing = ipw.VBox([])
        for hidden in (self.running, self.undo):
            hidden.layout.display = "none"
        head = ipw.HTML(f"{view.STYLE}<h3>{escape(self.goal.title)}</h3>")
        buttons = ipw.HBox([self.apply, self.again, self.undo])
        fields = [each.view for each in self.fields.values()]
        below = [self.plan, self.word, buttons, self.running, self.result, self.code, self.undoing]
        self.view = ipw.VBox([head, *fields, *below])
        self.view.add_class("kvmnb-form")
        guard_keys(self.view)
        self.word.observe(lambda _change: self._changed(), "value")
        self.apply.on_click(lambda _button: self.run())
        self.again.on_click(lambda _button: self.look())
        self.cancel.on_click(lambda _button: self._stop())
        self.undo.on_click(lambda _button: self._offer_undo())

    def _repr_mimebundle_(self, **how: Any) -> Any:  # noqa: ANN401 - as Jupyter's display calls it
        return self.view._repr_mimebundle_(**how)

    def fill(self, **values: object) -> None:
        """Enter values, such as those of a selected row; fields that the form does not have are left out."""
        for name, value in values.items():
            if name in self.fields:
                self.fields[name].put(self.fields[name].field.entry(value))
        self.look()

    @property
    def entered(self) -> dict[str, Entered]:
        """What stands in each field."""
        return {name: widget.entered for name, widget in self.fields.items()}

    def _changed(self) -> None:
        self.look()

    def look(self) -> None:
        """Look at the host anew, and show what would be done."""
        with self._lock:
            self.apply.disabled = True  # what is shown is not what stands there any more
            if self._looking is not None:
                self._stale = True  # one look at a time; the next begins when this one ends
                return
            self._stale = False
            entered, word = self.entered, self.word.value
            untouched = {name for name, widget in self.fields.items() if not widget.touched}
            self._looking = Job(lambda _progress: self._read(entered, untouched, word), self._looked)
        self._looking.start()

    def _read(self, entered: dict[str, Entered], untouched: set[str], word: str) -> _Seen:
        try:
            proposed = self.goal.suggest(self.host, entered)
            proposed = {name: value for name, value in proposed.items() if name in untouched}
            seen = self.host.inventory()
            entered = {**entered, **proposed}
            offers = {field.name: choices(field, entered, seen) for field in self.goal.fields}
            hints = {field.name: hint(field, entered, seen) for field in self.goal.fields}
            return check_draft(self.goal, self.host, entered, word), offers, hints, proposed
        except KvmnbError as error:
            return Draft(elsewhere=(str(error),)), {}, {}, {}

    def _looked(self, job: Job[_Seen]) -> None:
        if job.outcome == "running":
            return
        with self._lock:
            self._looking = None
            if job.error is not None:
                self.draft = Draft(elsewhere=(f"{type(job.error).__name__}: {job.error}",))
            elif job.result is not None:
                self.draft, offers, hints, proposed = job.result
                for name, value in proposed.items():
                    if not self.fields[name].touched:
                        self.fields[name].put(value, touch=False)
                for name, widget in self.fields.items():
                    if name in offers:
                        widget.offer(offers[name])
                        if self._fresh and widget.field.role in NAMED and widget.entered not in offers[name]:
                            widget.put("", touch=False)  # it was just removed here
                            self._stale = True
                self._fresh = False
                for name, widget in self.fields.items():
                    widget.tell(self.draft.beside.get(name, ()), hints.get(name, ""))
            self._show()
            again = self._stale
        if again:
            self.look()

    def _show(self) -> None:
        """Show the draft, and enable what may be done."""
        busy = self._job is not None
        relevant = self.goal.relevant(self.entered)
        for name, widget in self.fields.items():
            # A word of confirmation is asked for once there is something to confirm.
            asked = widget.field.role not in ASKED_FOR or widget.entered or name in self.draft.beside
            widget.view.layout.display = "" if name in relevant and asked else "none"
            widget.disable(disabled=busy)
        self.plan.value = view.plan(self.draft)
        self.code.value = view.code(self.draft.code)
        self.word.layout.display = "" if self.draft.word else "none"
        self.word.description = f"type {self.draft.word!r}" if self.draft.word else ""
        self.apply.disabled = busy or self._stale or not self.draft.ready

    def run(self) -> None:
        """Do it: what Apply does, as it was shown, and checked once more first.

        A second click while it runs does nothing, nor does one before the last change has been looked at.
        """
        with self._lock:
            if self._job is not None or self._looking is not None or not self.draft.ready:
                return
            entered, word = self.entered, self.word.value
            self._job = Job(lambda progress: self._do(entered, word, progress), self._draw, self.goal.unit)
            self.result.value = ""
            self.undoing.children = ()
            self.undo_form = None
            self.undo.layout.display = "none"
            self._show()
        self._job.start()

    def _do(
        self, entered: dict[str, Entered], word: str, progress: Callable[[str], Progress]
    ) -> pd.DataFrame:
        draft = check_draft(self.goal, self.host, entered, word)
        if not draft.ready:
            why = [*(text for texts in draft.beside.values() for text in texts), *draft.elsewhere]
            raise KvmnbError(
                " ".join(why).rstrip(".") or "It is so already, or a name is missing",
                "see the form, which shows what is there now",
            )
        return self.goal.run(self.host, draft.values, progress)

    def _stop(self) -> None:
        if self._job is not None:
            self._job.cancel()
            self.cancel.disabled = True
            self._draw_progress(self._job)

    def _draw(self, job: Job[pd.DataFrame]) -> None:
        with self._lock:
            if job.outcome == "running":
                self._draw_progress(job)
                return
            self._job = None
            self.draft = Draft()  # of what was there before: a click that comes late is not to do it again
            self.running.layout.display = "none"
            self.cancel.disabled = False
            self.report = job.result if job.outcome == "done" else _report(job.error)
            self.result.value = _told(job)
            undoable = job.outcome == "done" and bool(job.result is not None and job.result.attrs.get("undo"))
            self.undo.layout.display = "" if undoable else "none"
            self._fresh = job.outcome == "done"
            self.word.value = ""
            for widget in self.fields.values():
                widget.disable(disabled=False)
                if widget.field.role in ASKED_FOR:
                    widget.put("", touch=False)
        try:
            if self._after is not None and self.report is not None:
                self._after(self.report)
        finally:
            self.look()

    def _draw_progress(self, job: Job[pd.DataFrame]) -> None:
        state = job.state
        self.running.layout.display = ""
        self.bar.value = state.fraction or 0
        stopping = (
            "Stopping; what libvirt cannot break off comes to its end first. " if job.cancelling else ""
        )
        self.progress.value = (
            f"<span class='kvmnb-text' role='status'>{stopping}{escape(state.text())}</span>"
        )

    def _offer_undo(self) -> None:
        if self.report is not None and self.report.attrs.get("undo"):
            self.undo.layout.display = "none"
            self.undo_form = Form(UndoGoal(self.report), self.host, self._undone)
            self.undoing.children = (self.undo_form.view,)

    def _undone(self, report: pd.DataFrame) -> None:
        try:
            if self._after is not None:
                self._after(report)
        finally:
            self.look()


def _report(error: BaseException | None) -> pd.DataFrame | None:
    return error.report if isinstance(error, ActionFailed) else None


def _told(job: Job[pd.DataFrame]) -> str:
    """Say how it ended, with the verified frame."""
    heads = {"done": "✓ Done.", "cancelled": "■ Cancelled.", "failed": "✗ Failed."}
    head = heads[job.outcome]
    said = "" if job.error is None else f" {view.words(str(job.error))}"
    frame = job.result if job.error is None else _report(job.error)
    table = "" if frame is None else show(frame)._repr_html_()
    kind = "status" if job.outcome == "done" else "alert"
    return f"<div class='kvmnb-text' role='{kind}'><b>{head}</b>{said}</div>{table}"
