"""A table to browse: search, sort, choose a row by mouse or keyboard; it says when its figures were read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import ipywidgets as ipw
import pandas as pd
from itables import JavascriptFunction
from itables.widget import ITable

from kvmnb.errors import KvmnbError
from kvmnb.forms.rows import Rows, find, key_of, rows
from kvmnb.notebook.tables import printable

#: Gets what was read, or why it could not be.
Done = Callable[[pd.DataFrame | KvmnbError], None]
#: Runs the reading, then calls what is done with its outcome, on the thread that may change widgets.
Run = Callable[[Callable[[], pd.DataFrame], Done], None]

#: How many rows are drawn at once; the browser has all of them, and finds and sorts among all.
_PAGE = 15

_STYLE = """<style>
.kvmnb-browser { min-width: 0; }
.kvmnb-browser .kvmnb-read, .kvmnb-browser h3 { color: var(--jp-content-font-color1, #212121); margin: 0; }
.kvmnb-browser .kvmnb-old { color: var(--jp-error-color1, #b00020); font-weight: 600; }
.kvmnb-browser div.dt-container { background: transparent; color: var(--jp-content-font-color1, #212121); }
.kvmnb-browser table.dataTable { font-size: var(--jp-ui-font-size1, 13px); }
.kvmnb-browser .itables_anywidget { background: transparent; }
.kvmnb-browser table.dataTable td { white-space: normal; overflow-wrap: anywhere; max-width: 26em; }
.kvmnb-browser table.dataTable td.kvmnb-key { min-width: 11em; }
.kvmnb-browser table.dataTable td.kvmnb-text { min-width: 7em; }
.kvmnb-browser table.dataTable td.kvmnb-whole { white-space: nowrap; }
.kvmnb-browser table.dataTable > tbody > tr.selected > * { box-shadow: none;
  background: var(--jp-brand-color1, #1976d2); color: var(--jp-ui-inverse-font-color1, #fff); }
.kvmnb-browser table.dataTable .select-checkbox { min-width: 1.6em; width: 1.6em; cursor: pointer; }
.kvmnb-browser div.dt-container .dt-paging .dt-paging-button.disabled {
  color: var(--jp-content-font-color2, #555) !important; }
.kvmnb-browser div.dt-container .dt-paging .dt-paging-button.current { font-weight: 600;
  background: var(--jp-layout-color2, #eee); color: var(--jp-content-font-color1, #212121) !important; }
.kvmnb-browser .kvmnb-bar { letter-spacing: 0; font-family: var(--jp-code-font-family, monospace); }
.kvmnb-browser tr:focus-visible, .kvmnb-browser [role=button]:focus-visible {
  outline: 2px solid var(--jp-brand-color1, #1976d2); outline-offset: -2px; }
</style>"""

# What can have the focus keeps its keys, which JupyterLab would take for its cells: the arrows, even "d d".
# And rows say to a screen reader which one is chosen, which the widget shows to eyes alone.
_DRAWN = JavascriptFunction("""function () {
  const api = this.api(), table = api.table().node(), box = api.table().container();
  table.setAttribute("role", "grid");
  table.setAttribute("aria-label", LABEL);
  const mark = () => {
    for (const part of box.querySelectorAll("tbody tr, [tabindex], button, input, select")) {
      part.setAttribute("data-lm-suppress-shortcuts", "true");
    }
    for (const row of api.rows({page: "current"}).nodes().toArray()) {
      row.setAttribute("aria-selected", row.classList.contains("selected"));
    }
  };
  const when = ["draw", "select", "deselect"].map((event) => event + ".kvmnb").join(" ");
  api.off(when).on(when, mark);
  mark();
}""")

# What was searched, sorted and leafed to stays when the rows are read anew: kept with the table itself, not
# in the browser's store, where it would also hide rows of other tables. Not which row is chosen: that is said
# anew with the rows, and the widget breaks where it is chosen while the table is still being made.
_KEEP = JavascriptFunction(
    "function (settings, {select, ...state}) { settings.nTable.kvmnbState = JSON.stringify(state); }"
)
_RECALL = JavascriptFunction(
    "function (settings) { return JSON.parse(settings.nTable.kvmnbState || 'null'); }"
)


def _inline(read: Callable[[], pd.DataFrame], done: Done) -> None:
    outcome: pd.DataFrame | KvmnbError
    try:
        outcome = read()
    except KvmnbError as error:
        outcome = error
    done(outcome)


class Browser:
    """A table of one of the kit's frames; shows itself in a notebook.

    Parameters
    ----------
    read : callable
        Gives the frame, such as `Host.pools`; called at first and by the button Refresh.
    columns : sequence of str
        Which columns, in this order.
    key : sequence of str
        The columns that a row is known by.
    label : str
        What the table is of, such as ``Storage pools``.
    run : callable, optional
        Gets ``read`` and what to call with the frame or the error; reads at once without it.

    Attributes
    ----------
    view : ipywidgets.VBox
        What is shown.
    frame : pandas.DataFrame
        What was read last.
    """

    def __init__(
        self,
        read: Callable[[], pd.DataFrame],
        columns: Sequence[str],
        key: Sequence[str],
        label: str,
        run: Run = _inline,
    ) -> None:
        self._read, self._run = read, run
        self._columns, self._key = tuple(columns), tuple(key)
        self._label = label
        self._reading = False
        self._callbacks: list[Callable[[dict[str, str] | None], None]] = []
        self._shown: list[Callable[[], None]] = []
        self._told: dict[str, str] | None = None
        self.frame = pd.DataFrame({name: [] for name in dict.fromkeys([*columns, *key])})
        self.said = ipw.HTML()
        self.button = ipw.Button(description="Refresh", tooltip=f"Read anew: {label}")
        self.button.on_click(lambda _button: self.refresh())
        made = rows(self.frame, self._columns)
        self.table = ITable(made.cells, **self._options(made))
        self.table.observe(lambda _change: self._tell(), "selected_rows")
        heading = ipw.HTML(f"{_STYLE}<h3>{escape(printable(label))}</h3>")
        above = ipw.HBox([self.button, self.said], layout=ipw.Layout(align_items="center"))
        self.view = ipw.VBox([heading, above, self.table])
        self.view.add_class("kvmnb-browser")
        self.refresh()

    def _repr_mimebundle_(self, **how: Any) -> Any:  # noqa: ANN401 - as Jupyter's display calls it
        return self.view._repr_mimebundle_(**how)

    @property
    def selected(self) -> dict[str, str] | None:
        """The key columns of the chosen row, exactly as in the frame; None where no row is chosen."""
        chosen = self.table.selected_rows
        # A click on a table that has just been replaced may count rows that are gone.
        known = bool(chosen) and chosen[0] < len(self.frame)
        return key_of(self.frame, chosen[0], self._key) if known else None

    def on_select(self, callback: Callable[[dict[str, str] | None], None]) -> None:
        """Have a callable called with `selected` whenever another row, or none, is chosen."""
        self._callbacks.append(callback)

    def on_show(self, callback: Callable[[], None]) -> None:
        """Have a callable called whenever a new ``frame`` is shown, to draw what stands beside it."""
        self._shown.append(callback)

    def refresh(self) -> None:
        """Read anew; where that fails, the figures stay, and are said to be old."""
        if self._reading:
            return
        self._reading = True
        self.button.disabled = True
        self.said.value = "<div class='kvmnb-read' role='status'>Reading …</div>"
        try:
            self._run(self._read, self._done)
        except BaseException:
            self._reading = self.button.disabled = False
            raise

    def _done(self, outcome: pd.DataFrame | KvmnbError) -> None:
        self._reading = self.button.disabled = False
        if isinstance(outcome, KvmnbError):
            self._say(outcome)
        else:
            self.show(outcome)

    def show(self, frame: pd.DataFrame) -> None:
        """Show a frame that was read already; the row that is chosen stays so where it is still there."""
        made = rows(frame, self._columns)
        before = self.selected
        at = find(frame, before) if before else None
        with self.table.hold_sync():  # the rows, and which of them is chosen, in one message
            self.frame = frame
            self.table.update(made.cells, selected_rows=[] if at is None else [at], **self._options(made))
        self._tell()
        self._say(None)
        for callback in list(self._shown):
            callback()

    def _tell(self) -> None:
        now = self.selected
        if now != self._told:
            self._told = now
            for callback in list(self._callbacks):
                callback(now)

    def _say(self, error: KvmnbError | None) -> None:
        read_at = self.frame.attrs.get("read_at")
        at = f"read at {pd.Timestamp(read_at):%Y-%m-%d %H:%M:%S} UTC" if read_at else ""
        if error is None:
            said = f"<div class='kvmnb-read' role='status'>{escape(at[:1].upper() + at[1:])}</div>"
        else:
            old = f"The figures below are old: {at}." if at else "Nothing was read yet."
            why = escape(printable(str(error)))
            said = f"<span class='kvmnb-old'>✗ {why}</span> {escape(old)}"
            said = f"<div class='kvmnb-read' role='alert'>{said}</div>"
        self.said.value = said

    def _options(self, made: Rows) -> dict[str, Any]:
        """Give all that the widget is told; what it is not told anew it forgets."""
        drawn = _DRAWN.replace("LABEL", _quoted(printable(self._label)))
        return {
            "allow_html": True,  # every cell was escaped when its row was written
            "autoWidth": False,
            "classes": "display compact",
            "columnDefs": made.definitions(self._key),
            "drawCallback": JavascriptFunction(drawn),
            "language": {
                "search": escape(f"Search {printable(self._label)}:"),
                "emptyTable": "There are none.",
                "zeroRecords": "None of them matches.",
                "lengthMenu": "_MENU_ rows",
            },
            # Not the widget's own, which it leaves out where all rows fit on a page.
            "layout": {
                "topStart": "search",
                "topEnd": "pageLength",
                "bottomStart": "info",
                "bottomEnd": "paging",
            },
            "lengthMenu": [_PAGE, 50, 200],
            "maxBytes": 0,
            "maxColumns": 0,
            "pageLength": _PAGE,
            "select": {"style": "single", "keys": True, "info": False},
            "showIndex": False,
            "stateLoadCallback": _RECALL,
            "stateSave": True,
            "stateSaveCallback": _KEEP,
            "style": "width:100%",
            "text_in_header_can_be_selected": False,
            "warn_on_undocumented_option": False,  # DataTables has more of them than itables lists
        }


def _quoted(text: str) -> str:
    return '"' + "".join(f"\\u{ord(c):04x}" if ord(c) < 0x10000 else c for c in text) + '"'
