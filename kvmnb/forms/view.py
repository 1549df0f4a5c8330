"""What a form shows, as HTML: every name escaped, nothing said by colour alone. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from kvmnb.forms.draft import Draft
from kvmnb.forms.goals import Line
from kvmnb.notebook.tables import printable

#: JupyterLab's theme variables, so that a dark theme stays dark; Voilà has them too. Given once per form.
STYLE = """<style>
.kvmnb-form { border: 1px solid var(--jp-border-color1, #bdbdbd); border-radius: 4px; padding: 8px 12px; }
.kvmnb-form h3, .kvmnb-view h3 { margin: 0; color: var(--jp-content-font-color1, #212121); }
.kvmnb-form .kvmnb-text { color: var(--jp-content-font-color1, #212121); line-height: 1.45; }
.kvmnb-form .kvmnb-help { color: var(--jp-content-font-color2, #555); font-size: 90%; margin-left: 168px; }
.kvmnb-form .kvmnb-problem { color: var(--jp-error-color1, #b00020); font-weight: 600; }
.kvmnb-form .kvmnb-help .kvmnb-problem { font-size: 105%; }
.kvmnb-form code, .kvmnb-form pre { color: var(--jp-content-font-color1, #212121); white-space: pre-wrap;
  background: var(--jp-layout-color2, #eee); padding: 1px 4px; overflow-wrap: anywhere; }
.kvmnb-form pre { padding: 6px 8px; margin: 4px 0; }
.kvmnb-form ol { margin: 4px 0 4px 1.4em; padding: 0; }
.kvmnb-form button:focus-visible { outline: 2px solid var(--jp-brand-color1, #1976d2); outline-offset: 2px; }
</style>"""


def words(text: str) -> str:
    """Write text for HTML: control characters as escapes, since a name may hold them."""
    return escape("\n".join(map(printable, text.split("\n"))))


def problems(texts: Iterable[str]) -> str:
    """Write problems so that a screen reader says them when they appear."""
    lines = "".join(f"<div class='kvmnb-problem'>✗ {words(text)}</div>" for text in texts)
    return f"<div role='alert'>{lines}</div>" if lines else ""


def beside(help: str, texts: Iterable[str], hint: str = "") -> str:
    """Write what stands below a field: its problems first, then what it is for."""
    told = " · ".join(words(text) for text in (hint, help) if text)
    return f"<div class='kvmnb-help'>{problems(texts)}{told}</div>"


def plan(draft: Draft) -> str:
    """Write what would be done, what stands in the way, and how it is undone."""
    parts = []
    if draft.missing:
        parts.append(f"<div>Still needed: <b>{words(', '.join(draft.missing))}</b>.</div>")
    if draft.look is not None:
        parts.append(f"<ol>{''.join(map(_line, draft.look.lines))}</ol>" if draft.look.lines else "")
        parts += [f"<div>⚠ Know first: {words(note)}</div>" for note in draft.notes]
    parts.append(problems(draft.elsewhere))
    if draft.look is not None and not draft.beside and not draft.elsewhere:
        parts.append(_undo(draft))
    return f"<div class='kvmnb-text' role='status'>{''.join(parts)}</div>"


def _line(line: Line) -> str:
    done = " <b>(is so already)</b>" if line.already else ""
    shown = f"<br><code>{words(line.command)}</code>" if line.command else ""
    return f"<li>{words(line.words)}{done}{shown}</li>"


def _undo(draft: Draft) -> str:
    look = draft.look
    if look is None or look.undo is None:
        return ""
    if look.already:
        return "<div>Nothing is to be done.</div>"
    if not look.undo:
        return "<div><b>Cannot be undone.</b></div>"
    return f"<div>Can be undone by: {words(look.undo)}.</div>"


def code(text: str) -> str:
    """Write the cell that does the same, folded up."""
    if not text:
        return ""
    summary = "<summary>The same as code, for a runbook</summary>"
    return f"<details class='kvmnb-text'>{summary}<pre>{words(text)}</pre></details>"
