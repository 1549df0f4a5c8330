"""The form of the comparison of disk formats: what is compared, how far it is, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from shutil import disk_usage
from typing import Any, cast

import ipywidgets as ipw
import pandas as pd

from kvmnb.errors import BadValue
from kvmnb.forms import view
from kvmnb.forms.calls import stands_in_the_way
from kvmnb.forms.fields import Entered, Field, fields_of, title_of
from kvmnb.forms.form import Form
from kvmnb.forms.goals import Line, Look, Values, call_text
from kvmnb.host import Host
from kvmnb.images.advice import advise
from kvmnb.images.asked import need, sizes_asked
from kvmnb.images.candidates import CANDIDATES, RAW, Candidate
from kvmnb.images.compare import compare_formats
from kvmnb.images.installed import formats as known_formats
from kvmnb.images.ready import propose_place
from kvmnb.images.workspace import folder
from kvmnb.notebook.charts.sizes import chart_sizes
from kvmnb.notebook.charts.speed import chart_speed
from kvmnb.notebook.comparison import about_comparison, show_features, show_sizes, show_speed
from kvmnb.notebook.tables import show
from kvmnb.storage.action import shell_line
from kvmnb.storage.apply import MakeProgress
from kvmnb.storage.audit import Deed
from kvmnb.storage.model import Problem
from kvmnb.storage.roles import Role
from kvmnb.units import format_size, parse_size

#: Ticked at first: what most people choose between, and quick to measure.
_FIRST = ("raw falloc", "qcow2", "qcow2 falloc", "vmdk", "vdi")

#: Those that can be ticked; raw is measured always.
_TICKS = tuple(candidate.name for candidate in CANDIDATES if candidate != RAW)


class FormatsGoal:
    """Comparing disk formats."""

    changes = False
    unit = "steps"

    def __init__(self) -> None:
        self.title = title_of(compare_formats)
        told = {each.name: each for each in fields_of(compare_formats) if each.name != "formats"}
        ticks = (Field(name, help="", default=name in _FIRST, flag=True) for name in _TICKS)
        self.fields = (*told.values(), *ticks)

    def relevant(self, _entered: Mapping[str, Entered]) -> frozenset[str]:
        """Name the fields that matter: all of them."""
        return frozenset(each.name for each in self.fields)

    def suggest(self, _host: Host, entered: Mapping[str, Entered]) -> dict[str, str]:
        """Propose the place where this user's guests have their disks."""
        return {} if entered.get("where") else {"where": propose_place()}

    def arguments(self, values: Values) -> dict[str, Any]:
        """Give what the comparison is called with; ticks that are as they were at first are no values."""
        usual = {each.name: each.default for each in self.fields if each.role is Role.SIZE}
        told: dict[str, Any] = {
            name: value
            for name, value in values.items()
            if name not in _TICKS and not (name in usual and value == parse_size(str(usual[name])))
        }
        ticked = [name for name in _TICKS if values.get(name, name in _FIRST)]
        if len(ticked) < len(_TICKS):
            told["formats"] = [RAW.name, *ticked]
        return told

    def look(self, _host: Host, values: Values) -> Look:
        """Say what it would do, without writing anything."""
        told = self.arguments(values)
        names = told.get("formats") or [candidate.name for candidate in CANDIDATES]
        how = "thoroughly" if told.get("thorough") else "quickly"
        place = f"in a hidden folder in {told['where']!r}, which is removed at the end"
        words = f"Measure {', '.join(names)} {how} {place}"
        problems = tuple(self._problems(told))
        return Look((Line(words, shell_line(_command(told))),), problems)

    def _problems(self, told: Mapping[str, Any]) -> Iterator[Problem]:
        size, data = told.get("size", "1G"), told.get("data", "32M")
        problems = [*stands_in_the_way(lambda: folder(told["where"]), "where")]
        problems += stands_in_the_way(lambda: sizes_asked(size, data), "size")
        unknown = [name for name in told.get("formats", ()) if _candidate(name).format not in known_formats()]
        problems += (Problem("This qemu-img does not know it", "untick it", name) for name in unknown)
        yield from problems
        if not problems:
            chosen = [_candidate(name) for name in told.get("formats", (RAW.name, *_TICKS))]

            def room() -> None:
                wanted, free = need(chosen, *sizes_asked(size, data)), disk_usage(folder(told["where"])).free
                if free < wanted:
                    raise BadValue(
                        f"{format_size(free)} are free there, and {format_size(wanted)} are needed",
                        "choose another place, or compare smaller disks or fewer formats",
                    )

            yield from stands_in_the_way(room, "where")

    def run(self, host: Host, values: Values, progress: MakeProgress) -> pd.DataFrame:
        """Measure; where it is cancelled or fails, nothing of it is left."""
        told = self.arguments(values)
        words = f"Compare disk formats in {told['where']!r}"
        with host.noted(Deed("compare_formats", told, words, shell_line(_command(told)))):
            return compare_formats(**told, progress=progress)

    def code(self, values: Values) -> str:
        """Write it as a cell of a notebook."""
        told = cast("Values", self.arguments(values))
        call = call_text("compare_formats", told, host=False)[:-1]
        return f"comparison = {call}, progress=kvmnb.step_bar)\nkvmnb.advise(comparison)"


def _candidate(name: str) -> Candidate:
    return next(candidate for candidate in CANDIDATES if candidate.name == name)


def _command(told: Mapping[str, Any]) -> list[str]:
    words = ["kvmnb", "formats", "--in", str(told["where"])]
    for name in ("size", "data"):
        words += [f"--{name}", str(told[name])] if name in told else []
    words += ["--formats", ",".join(told["formats"])] if "formats" in told else []
    return words + (["--thorough"] if told.get("thorough") else [])


class FormatsForm:
    """The form of the comparison of disk formats; made by `formats`.

    Parameters
    ----------
    host : Host
        The host; its pools propose the place.

    Attributes
    ----------
    form : Form
        What is filled in.
    view : ipywidgets.VBox
        What is shown.
    comparison : pandas.DataFrame or None
        What was measured last.
    """

    def __init__(self, host: Host) -> None:
        self.comparison: pd.DataFrame | None = None
        self.form = Form(FormatsGoal(), host, self._measured)
        self.results = ipw.HTML()
        self.charts = ipw.VBox([])
        self._gather_ticks()
        self.shown = ipw.VBox([self.results, self.charts], layout=ipw.Layout(display="none"))
        self.shown.add_class("kvmnb-form")
        self.view = ipw.VBox([self.form.view, self.shown])

    def _repr_mimebundle_(self, **how: Any) -> Any:  # noqa: ANN401 - as Jupyter's display calls it
        return self.view._repr_mimebundle_(**how)

    def _gather_ticks(self) -> None:
        """Put the formats to tick beside each other under a heading of their own."""
        ticks = [self.form.fields[name].view for name in _TICKS]
        for name in _TICKS:
            self.form.fields[name].input.indent = False
        rest = [child for child in self.form.view.children if child not in ticks]
        grid = ipw.GridBox(
            ticks, layout=ipw.Layout(grid_template_columns="repeat(auto-fill, minmax(190px, 1fr))")
        )
        heading = ipw.HTML("<div class='kvmnb-text'><b>Formats to compare</b>; raw is measured always.</div>")
        at = rest.index(self.form.plan)
        self.form.view.children = (*rest[:at], heading, grid, *rest[at:])

    def _measured(self, comparison: pd.DataFrame) -> None:
        self.comparison = comparison
        self.form.result.value = "<div class='kvmnb-text' role='status'><b>✓ Done.</b></div>"
        tables = (
            ("What each takes", show_sizes(comparison)),
            ("How fast each is, against raw", show_speed(comparison)),
            ("What each can do", show_features(comparison)),
            ("Which to choose", show(advise(comparison))),
        )
        told = "".join(f"<h4>{escape(title)}</h4>{table._repr_html_()}" for title, table in tables)
        about = f"<div>{view.words(about_comparison(comparison))}</div>"
        self.results.value = f"<div class='kvmnb-text'>{about}{told}</div>"
        self.shown.layout.display = ""
        self.charts.children = tuple(
            ipw.HTML(chart.html()) for chart in (chart_sizes(comparison), chart_speed(comparison))
        )


def formats(host: Host) -> FormatsForm:
    """Make the form of `kvmnb.compare_formats`, with tables, charts and advice at its end.

    Parameters
    ----------
    host : Host
        The host; what is measured is the machine of this notebook.

    Returns
    -------
    FormatsForm
        Shows itself in a notebook.
    """
    return FormatsForm(host)
