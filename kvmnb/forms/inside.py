"""How full the guests' file systems are, as a table that is read when that is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as ipw
import pandas as pd

from kvmnb.cancelling import check_cancelled
from kvmnb.forms import view
from kvmnb.forms.browse import Browser, Done
from kvmnb.forms.running import Running
from kvmnb.host import Host
from kvmnb.schema import DF
from kvmnb.storage.apply import MakeProgress

_COLUMNS = ("guest", "filesystem", "type", "mountpoints", "capacity", "used", "available")

_HINT = (
    "Reads only. Guests that are shut off are read by appliances, which takes some seconds for each guest, "
    "and up to half a minute without KVM; what was read of them is remembered until their disks change."
)


class Inside:
    """How full the file systems of all guests are, or of one.

    Parameters
    ----------
    host : Host
        The host.
    chosen : callable
        Gives the name of the guest that is chosen; None for all.

    Attributes
    ----------
    view : ipywidgets.VBox
        What is shown.
    browser : Browser
        The table; empty until it is asked for.
    one : ipywidgets.Button
        Reads the chosen guest alone.
    """

    def __init__(self, host: Host, chosen: Callable[[], str | None]) -> None:
        self.host = host
        self._chosen = chosen
        self._asked = False
        self._guest: str | None = None
        self.running = Running(self.enable)
        self.one = ipw.Button(description="Read the chosen guest", icon="search", disabled=True)
        self.one.layout.width = "auto"
        self.browser = Browser(
            DF.empty, _COLUMNS, ("guest", "filesystem"), "What is used in the guests", self._run
        )
        self.browser.button.description = "Read all guests"
        self.browser.button.tooltip = "Read how full the file systems of all guests are"
        self.browser.button.layout.width = "auto"
        self.one.on_click(lambda _button: self._read_again(self._chosen()))
        self._asked = True
        hint = ipw.HTML(f"{view.STYLE}<div class='kvmnb-text'>{_HINT}</div>")
        self.view = ipw.VBox([self.browser.view, hint, ipw.HBox([self.one, self.running.view])])
        self.view.add_class("kvmnb-form")

    def _repr_mimebundle_(self, **how: Any) -> Any:  # noqa: ANN401 - as Jupyter's display calls it
        return self.view._repr_mimebundle_(**how)

    def enable(self) -> None:
        """Enable what may be done: called when another guest is chosen, too."""
        self.one.disabled = self.running.busy or self._chosen() is None

    def _read_again(self, guest: str | None) -> None:
        if not self.running.busy:
            self._guest = guest
            self.browser.refresh()

    def _run(self, read: Callable[[], pd.DataFrame], done: Done) -> None:
        if not self._asked:
            done(read())
            return
        guest, self._guest = self._guest, None
        whose = "all guests" if guest is None else f"guest {guest!r}"
        self.running.start(lambda told: self._read(guest, told), done, f"Reading {whose}", "guests")

    def _read(self, guest: str | None, progress: MakeProgress) -> pd.DataFrame:
        def named(words: str) -> Callable[[int, int, str], None]:
            tell = progress(words)

            def told(done: int, total: int, _name: str) -> None:
                check_cancelled()  # what raises here ends the appliances that run
                tell(done, total)

            return told

        return self.host.df(guest, progress=named)
