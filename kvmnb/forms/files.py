"""Looking into a guest: its folders as a table, the last lines of a file, and its logs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets as ipw
import pandas as pd

from kvmnb.errors import KvmnbError
from kvmnb.forms import view
from kvmnb.forms.browse import Browser, Done
from kvmnb.forms.looking import Where, lines_html, mounted_at, read_folder, read_text
from kvmnb.forms.running import Running
from kvmnb.forms.widgets import wide
from kvmnb.guests.logs import tail_logs
from kvmnb.host import Host
from kvmnb.notebook.tables import printable
from kvmnb.schema import LS

#: What is listed of an entry.
COLUMNS = ("name", "type", "size", "mode", "modified", "target")

_HINT = (
    "Reads only, whether the guest runs or not. What is not mounted is read by an appliance, which takes "
    "some seconds for each folder, and up to half a minute without KVM; once the guest is mounted, its "
    "folders open at once. Choose an entry to open it, to see its last lines, or to copy it out."
)


class Files:
    """The files of a guest as a table to walk through.

    Parameters
    ----------
    host : Host
        The host.

    Attributes
    ----------
    view : ipywidgets.VBox
        What is shown.
    where : Where
        The folder that is listed.
    """

    def __init__(self, host: Host) -> None:
        self.host = host
        self.where = self._wanted = Where()
        self._callbacks: list[Callable[[], None]] = []
        self.running = Running(self._enable)
        self.guest = ipw.Dropdown(description="guest", options=[("–", "")], value="", **wide())  # noqa: RUF001
        self.device = ipw.Text(description="device", placeholder="as the guest itself mounts it", **wide())
        self.path = ipw.Text(description="folder", value="/", continuous_update=False, **wide())
        self.list = ipw.Button(description="List", icon="list", button_style="primary")
        self.open = ipw.Button(description="Open folder", icon="folder-open", disabled=True)
        self.up = ipw.Button(description="Up", icon="level-up", disabled=True)
        self.tail = ipw.Button(description="Last lines", icon="file-text", disabled=True)
        self.logs = ipw.Button(description="Logs", icon="stethoscope")
        self.place, self.text = ipw.HTML(), ipw.HTML()
        self.browser = Browser(self._read, COLUMNS, ("name", "type"), "Files of a guest", self._run)
        self._build()
        self.offer()

    def _build(self) -> None:
        head = ipw.HTML(f"{view.STYLE}<h3>Look into a guest</h3><div class='kvmnb-text'>{_HINT}</div>")
        walking = ipw.HBox([self.list, self.open, self.up, self.tail, self.logs])
        walking.layout.flex_flow = "row wrap"
        asked = [self.guest, self.device, self.path]
        rest = [walking, self.running.view, self.place, self.browser.view, self.text]
        self.view = ipw.VBox([head, *asked, *rest])
        self.view.add_class("kvmnb-form")
        self.guest.observe(lambda _change: self.begin(), "value")
        self.device.observe(lambda _change: self.begin(), "value")
        self.path.observe(lambda change: self.go(self._typed(change["new"])), "value")
        self.list.on_click(lambda _button: self.go(self._typed(self.path.value)))
        self.open.on_click(lambda _button: self.go(self.where.child(self.chosen["name"])))
        self.up.on_click(lambda _button: self.go(self.where.parent()))
        self.tail.on_click(lambda _button: self._show_lines())
        self.logs.on_click(lambda _button: self._show_logs())
        self.browser.on_select(lambda _row: self._enable())
        self._enable()

    def _repr_mimebundle_(self, **how: Any) -> Any:  # noqa: ANN401 - as Jupyter's display calls it
        return self.view._repr_mimebundle_(**how)

    @property
    def chosen(self) -> Mapping[str, str]:
        """The chosen entry's name, exactly, and its type; empty where none is chosen."""
        return self.browser.selected or {}

    def on_change(self, callback: Callable[[], None]) -> None:
        """Have a callable called whenever another guest, folder or entry is chosen."""
        self._callbacks.append(callback)

    def offer(self) -> None:
        """Offer the guests that there are; the chosen one stays, also where it has gone."""
        try:
            names = sorted(guest.name for guest in self.host.inventory().guests())
        except KvmnbError as error:
            self.text.value = view.problems([str(error)])
            return
        if self.guest.value and self.guest.value not in names:
            names.append(self.guest.value)
        self.guest.options = [("–", ""), *((printable(name), name) for name in names)]  # noqa: RUF001

    def go(self, where: Where) -> None:
        """List a folder; where that fails, the table says so and stays where it was."""
        if self.running.busy or not where.guest:
            return
        self._wanted = where
        self.text.value = ""
        self.browser.refresh()

    def _typed(self, text: str) -> Where:
        # What cannot be typed, such as a name with a newline, is not what stands in the field either.
        same = text == printable(self.where.path)
        return Where(self.guest.value, self.device.value.strip(), self.where.path if same else text or "/")

    def begin(self) -> None:
        """Begin anew with what is chosen: nothing of another guest is shown under the name of this one."""
        self.running.stop()
        self.where = self._wanted = Where(self.guest.value, self.device.value.strip())
        self.browser.show(LS.empty())
        self.text.value = ""
        self._show_place()
        self._enable()
        if self.where.guest and mounted_at(self.where) is not None:
            self.go(self.where)

    def _read(self) -> pd.DataFrame:
        return read_folder(self.host, self._wanted)

    def _run(self, read: Callable[[], pd.DataFrame], done: Done) -> None:
        """Read in a thread, as the table wants it."""
        wanted = self._wanted

        def end(frame: pd.DataFrame | KvmnbError) -> None:
            if self._wanted != wanted:  # another guest was chosen meanwhile
                done(LS.empty())
                return
            if not isinstance(frame, KvmnbError):
                self.where = wanted
            else:
                self._wanted = self.where
            done(frame)
            self._show_place()

        if not wanted.guest:
            done(LS.empty())
            return
        self.running.start(lambda _told: read(), end, f"Reading {wanted.path!r} of guest {wanted.guest!r}")

    def _show_lines(self) -> None:
        where = self.where.child(self.chosen["name"])
        self._show_text(lambda: read_text(self.host, where), f"Reading {where.path!r}")

    def _show_logs(self) -> None:
        where = self._typed("/")
        if where.guest:
            read = lambda: tail_logs(self.host, where.guest, device=where.device or None)  # noqa: E731
            self._show_text(read, f"Reading the logs of guest {where.guest!r}")

    def _show_text(self, read: Callable[[], pd.DataFrame], words: str) -> None:
        asked = self.guest.value, self.device.value

        def end(frame: pd.DataFrame | KvmnbError) -> None:
            if (self.guest.value, self.device.value) != asked:
                return  # never the lines of one guest under the name of another
            told = view.problems([str(frame)]) if isinstance(frame, KvmnbError) else lines_html(frame)
            self.text.value = told

        self.running.start(lambda _told: read(), end, words)

    def _show_place(self) -> None:
        self.path.unobserve_all("value")
        self.path.value = printable(self.where.path)
        self.path.observe(lambda change: self.go(self._typed(change["new"])), "value")
        words = "Choose a guest"
        if self.where.guest:
            how = "mounted" if mounted_at(self.where) else "not mounted"
            listed = "" if self.browser.frame.attrs.get("read_at") else "; List reads it"
            words = f"{self.where.path} of guest {self.where.guest!r}, {how}{listed}"
        self.place.value = (
            f"<div class='kvmnb-text' role='status'><b>{view.words(printable(words))}</b></div>"
        )

    def _enable(self) -> None:
        busy = self.running.busy
        kind = self.chosen.get("type", "")
        self.list.disabled = self.logs.disabled = busy or not self.guest.value
        self.open.disabled = busy or kind not in {"folder", "link"}
        self.tail.disabled = busy or kind not in {"file", "link"}
        self.up.disabled = busy or self.where.path == "/"
        for callback in list(self._callbacks):
            callback()
