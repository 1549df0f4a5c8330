"""Reading what a form shows, as a browser would."""

from __future__ import annotations

from collections.abc import Iterable
from html.parser import HTMLParser

from kvmnb.forms import view
from kvmnb.forms.draft import Draft
from kvmnb.forms.fields import Field

#: All that a form writes; anything else has come out of a name.
_TAGS = {"div", "b", "br", "code", "ol", "li", "details", "summary", "pre"}
_ATTRIBUTES = {
    ("class", "kvmnb-problem"),
    ("class", "kvmnb-help"),
    ("class", "kvmnb-text"),
    ("role", "alert"),
    ("role", "status"),
}


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in _TAGS, f"a tag {tag} has come out of a name"
        assert set(attrs) <= _ATTRIBUTES, attrs
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment has come out of a name: {data}")

    def handle_decl(self, decl: str) -> None:
        self.handle_comment(decl)

    def handle_pi(self, data: str) -> None:
        self.handle_comment(data)


def read_page(html: str) -> str:
    """Give the text of what a form shows; fail where it has other tags than a form writes."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    assert all(letter.isprintable() or letter == "\n" for letter in reader.text)
    return reader.text


def whole(fields: Iterable[Field], draft: Draft) -> str:
    """Give all that a form shows of a draft."""
    below = [view.beside(field.help, draft.beside.get(field.name, ())) for field in fields]
    return "".join([*below, view.plan(draft), view.code(draft.code)])
