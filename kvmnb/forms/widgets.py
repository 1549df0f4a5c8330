"""One field of a form as a widget: its label, what is entered, and what is said of it below."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as ipw

from kvmnb.forms import view
from kvmnb.forms.choices import CHOSEN
from kvmnb.forms.fields import Entered, Field
from kvmnb.notebook.tables import printable
from kvmnb.storage.roles import Role

#: Shown for a choice that has not been made.
_NOTHING = "–"  # noqa: RUF001 - a dash, not a minus

_PLACEHOLDERS = {
    Role.SIZE: "20 GiB",
    Role.FILE: "/path/of/the/file",
    Role.NEW_FILE: "/path/of/a/new/file",
    Role.FOLDER: "/path/of/the/folder",
    Role.IMAGE: "/path/of/the/image",
}


def wide() -> dict[str, Any]:
    """Give the look of a field that is as wide as a form, with room for its label."""
    layout = ipw.Layout(width="98%", max_width="640px")
    return {"layout": layout, "style": {"description_width": "160px"}}


class FieldWidget:
    """The widget of one field.

    Parameters
    ----------
    field : Field
        What it is for.
    changed : callable
        Called whenever a person changes it.

    Attributes
    ----------
    view : ipywidgets.Widget
        To be shown.
    touched : bool
        Whether anybody has changed it; what nobody has touched may be proposed.
    """

    def __init__(self, field: Field, changed: Callable[[], None]) -> None:
        self.field = field
        self.touched = False
        self._changed = changed
        self._silent = False
        self.input = _input(field)
        # The last word on what is chosen: a list of choices that changes must not choose another by itself.
        self._entered: Entered = field.initial
        self.below = ipw.HTML(view.beside(field.help, ()))
        self.view = ipw.VBox([self.input, self.below])
        self.input.observe(self._observe, "value")

    @property
    def entered(self) -> Entered:
        """What stands in it."""
        return self._entered

    def put(self, value: Entered, *, touch: bool = True) -> None:
        """Enter something, as a person would or as a proposal."""
        self._entered = value
        self.touched = self.touched or touch
        self._show_entered()

    def offer(self, names: Sequence[str]) -> None:
        """Set what there is to choose from; what is chosen stays, also where it has gone."""
        if isinstance(self.input, ipw.Dropdown):
            options = [*([] if "" in names else [""]), *names]
            if self._entered not in options:
                options.append(str(self._entered))
            shown = tuple((printable(name) or _NOTHING, name) for name in options)
            if self.input.options != shown:
                self._quietly(options=shown)
                self._show_entered()
        elif isinstance(self.input, ipw.Combobox):
            self._quietly(options=tuple(map(printable, names)))

    def tell(self, problems: Sequence[str], hint: str = "") -> None:
        """Show what is said of it."""
        self.below.value = view.beside(self.field.help, problems, hint)

    def disable(self, *, disabled: bool) -> None:
        """Keep it from being changed, or let it be."""
        self.input.disabled = disabled

    def _show_entered(self) -> None:
        if isinstance(self.input, ipw.Dropdown):
            names = [name for _label, name in self.input.options]
            if self._entered not in names:
                self.offer(names)
                return
        self._quietly(value=self._entered)

    def _quietly(self, **traits: Any) -> None:  # noqa: ANN401 - a widget's own traits
        self._silent = True
        try:
            for name, value in traits.items():
                setattr(self.input, name, value)
        finally:
            self._silent = False

    def _observe(self, change: dict[str, Any]) -> None:
        if self._silent:
            return
        self._entered = change["new"] if change["new"] is not None else ""
        self.touched = True
        self._changed()


def _input(field: Field) -> ipw.ValueWidget:
    # The description is the input's label in HTML too, so that a screen reader says it.
    common = {"description": field.label, **wide()}
    if field.flag:
        return ipw.Checkbox(value=bool(field.initial), indent=True, **common)
    if field.choices or field.role in CHOSEN:
        names = field.choices or tuple(dict.fromkeys(["", str(field.initial)]))
        options = tuple((name or _NOTHING, name) for name in names)
        return ipw.Dropdown(options=options, value=field.initial, **common)
    common |= {"continuous_update": True, "placeholder": _PLACEHOLDERS.get(field.role, "")}
    if field.role is Role.IMAGE:
        return ipw.Combobox(value=str(field.initial), ensure_option=False, **common)
    return ipw.Text(value=str(field.initial), **common)
