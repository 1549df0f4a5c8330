"""The view of what is inside guests: mount, look around, copy out, unmount, and clear what crashes left."""

from __future__ import annotations

from typing import Any

import ipywidgets as ipw
import pandas as pd

from kvmnb.forms import view
from kvmnb.forms.browse import Browser
from kvmnb.forms.calls import Arguments
from kvmnb.forms.files import Files
from kvmnb.forms.form import Form
from kvmnb.forms.job import Job
from kvmnb.forms.mounting import copy_out_goal, left_over, mount_goal, release_left, unmount_goal
from kvmnb.guests.mounts import mounts as read_mounts
from kvmnb.host import Host

_COLUMNS = ("guest", "device", "path", "readonly", "since", "status", "reason")


def mounts(host: Host) -> MountsView:
    """Look into guests: walk through their folders, mount them, copy out of them, and unmount them.

    Looking and copying out need neither a mount nor FUSE.

    Parameters
    ----------
    host : Host
        One whose images are on this machine; to mount for writing, one opened with ``readonly=False``.

    Returns
    -------
    MountsView
        Shows itself in a notebook.
    """
    return MountsView(host)


class MountsView:
    """What is inside guests, and what of it is mounted; made by `mounts`.

    Parameters
    ----------
    host : Host
        The host.

    Attributes
    ----------
    view : ipywidgets.VBox
        What is shown.
    files : Files
        The folders of a guest.
    mount, copy_out, unmount : Form
        The forms.
    browser : Browser
        The table of mounts.
    """

    def __init__(self, host: Host) -> None:
        self.host = host
        self._job: Job[pd.DataFrame] | None = None
        self._asked: tuple[str, str] | None = None
        self.clear = ipw.Button(description="Clear what crashes left", icon="eraser")
        self.browser = Browser(self._read, _COLUMNS, ("path",), "Mounts")
        self.files = Files(host)
        self.copy_out = Form(copy_out_goal(self._chosen_file), host)
        self.mount = Form(mount_goal(), host, self._done)
        self.unmount = Form(unmount_goal(self._chosen_mount), host, self._done)
        self.clear.layout.width = "auto"
        self.cleared = ipw.HTML()
        hint = ipw.HTML("<div class='kvmnb-text'>Choose a mount to unmount it.</div>")
        table = ipw.VBox([self.browser.view, hint, ipw.HBox([self.clear, self.cleared])])
        table.add_class("kvmnb-form")
        forms = [self.copy_out.view, self.mount.view, table, self.unmount.view]
        self.view = ipw.VBox([self.files.view, *forms])
        self.view.add_class("kvmnb-view")
        self.files.on_change(self._follow)
        self.browser.on_select(lambda _row: self._follow_mount())
        self.clear.on_click(lambda _button: self.clear_left())
        _offer(self.copy_out, shown=False)
        _offer(self.unmount, shown=False)

    def _repr_mimebundle_(self, **how: Any) -> Any:  # noqa: ANN401 - as Jupyter's display calls it
        return self.view._repr_mimebundle_(**how)

    def _chosen_file(self) -> Arguments | None:
        where, name = self.files.where, self.files.chosen.get("name")
        if not where.guest or name is None:
            return None
        return {**where.arguments(), "paths": where.child(name).path}

    def _chosen_mount(self) -> str:
        return (self.browser.selected or {}).get("path", "")

    def _follow(self) -> None:
        """Have the forms be about what is chosen in the table of files."""
        where = self.files.where
        if where.guest and (where.guest, where.device) != self._asked:
            self._asked = where.guest, where.device
            self.mount.fill(guest=where.guest, device=where.device)
        _offer(self.copy_out, shown=bool(self.files.chosen))
        self.copy_out.look()

    def _follow_mount(self) -> None:
        # After unmounting, the form stays to say how it ended.
        if self._chosen_mount():
            _offer(self.unmount, shown=True)
        self.unmount.look()

    def _done(self, _report: pd.DataFrame) -> None:
        self.browser.refresh()
        self.files.begin()
        self.mount.look()

    def _read(self) -> pd.DataFrame:
        frame = read_mounts()
        self.clear.disabled = self._job is not None or not left_over(frame)
        return frame

    def clear_left(self) -> None:
        """Unmount what processes that have ended left mounted: what the button does."""
        if self._job is None:
            self._job = Job(lambda _progress: release_left(), self._draw)
            self.clear.disabled = True
            self._job.start()

    def _draw(self, job: Job[pd.DataFrame]) -> None:
        if job.outcome == "running":
            self.cleared.value = f"<span class='kvmnb-text' role='status'>{job.state.text()}</span>"
            return
        self._job = None
        told = "<div class='kvmnb-text' role='status'>✓ Done.</div>"
        self.cleared.value = told if job.error is None else view.problems([str(job.error)])
        self.browser.refresh()


def _offer(form: Form, *, shown: bool) -> None:
    form.view.layout.display = "" if shown else "none"
