"""A notebook with forms, and what an operator does with one of them in JupyterLab."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Locator, expect


def write_notebook(file: Path, sources: Sequence[str]) -> Path:
    """Write a notebook with a cell for each source."""
    common: dict[str, object] = {"cell_type": "code", "outputs": [], "metadata": {}, "execution_count": None}
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cells = [{**common, "source": text, "id": str(number)} for number, text in enumerate(sources)]
    notebook = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    file.write_text(json.dumps(notebook))
    return file


@dataclass(frozen=True)
class Sheet:
    """A form below its cell, and what an operator does with it."""

    area: Locator

    def field(self, label: str) -> Locator:
        """Give a field by its label, as a screen reader would."""
        return self.area.get_by_label(label, exact=True)

    def button(self, name: str) -> Locator:
        """Give the first button of a name: that of the form rather than of its undo."""
        return self.area.get_by_role("button", name=name).first

    def type(self, label: str, text: str) -> None:
        """Type a text in place of what stands in a field."""
        self.field(label).fill("")
        self.field(label).press_sequentially(text)

    @property
    def problem(self) -> Locator:
        """All problems that are shown."""
        return self.area.locator(".kvmnb-problem")

    def shows(self, *problems: str) -> None:
        """Wait until these problems and no others are shown."""
        if problems:
            expect(self.problem).to_contain_text(list(problems))
        expect(self.problem).to_have_count(len(problems))

    def apply(self) -> None:
        """Click Apply once it is enabled, and wait for the end."""
        expect(self.button("Apply")).to_be_enabled()
        self.button("Apply").click()
        expect(self.area.get_by_text("✓ Done.").first).to_be_visible()
