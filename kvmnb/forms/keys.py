"""Keeping JupyterLab's one-letter shortcuts out of forms: D twice would delete a form's cell."""

from __future__ import annotations

import anywidget
import ipywidgets as ipw

#: JupyterLab takes arrows and letters for its own where a button, a tick or a list of choices has the focus
#: (ipywidgets#3912). Escape still leads out of the form, and shortcuts with Ctrl are what they are.
_SCRIPT = """
function render({ el }) {
  let left = 600;
  const place = () => {
    const form = el.closest(".kvmnb-keys");  // a view is drawn before it is put in its place
    if (!form) { if (left-- > 0) requestAnimationFrame(place); return; }
    form.addEventListener("keydown", (event) => {
      const meant = event.ctrlKey || event.metaKey || event.altKey || event.key === "Escape";
      if (!meant) event.stopPropagation();
    });
  };
  place();
}
export default { render };
"""


class _Guard(anywidget.AnyWidget):
    _esm = _SCRIPT


def guard_keys(box: ipw.Box) -> None:
    """Have what is typed inside a box reach what has the focus there, and nothing else.

    Parameters
    ----------
    box : ipywidgets.Box
        What is shown of a form; its children are complete.
    """
    box.add_class("kvmnb-keys")
    box.children = (*box.children, _Guard(layout=ipw.Layout(display="none")))
