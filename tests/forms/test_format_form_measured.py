"""The comparison as the form runs it: what it shows, and that nothing is left of one that is cancelled."""

from __future__ import annotations

import re
from pathlib import Path
from threading import Event

import pytest

import kvmnb
from kvmnb.cancelling import cancellable
from kvmnb.errors import Cancelled
from kvmnb.forms.format_form import FormatsForm, FormatsGoal, formats
from kvmnb.host import Host
from kvmnb.storage.streams import Progress

_TICKED = ("raw falloc", "qcow2", "qcow2 falloc", "vmdk", "vdi")
_NONE = dict.fromkeys(_TICKED, False)


@pytest.fixture(scope="module")
def measured(made_up: Host, tmp_path_factory: pytest.TempPathFactory) -> FormatsForm:
    """Give a form whose comparison was run."""
    place = tmp_path_factory.mktemp("place")
    form = formats(made_up)
    form.form.fill(**{**_NONE, "where": str(place), "size": "8M", "data": "1M", "qcow2": True})
    form.form.run()
    assert not any(place.iterdir())
    return form


def test_what_came_of_it_is_shown(measured: FormatsForm) -> None:
    assert measured.comparison is not None
    assert list(measured.comparison["candidate"]) == ["raw", "qcow2"]
    assert measured.results.value.count("<table") == 4
    for table in (kvmnb.show_sizes(measured.comparison), kvmnb.show(kvmnb.advise(measured.comparison))):
        assert table._repr_html_() in measured.results.value
    sizes, speed = measured.charts.children
    assert "src='data:image/png;base64," in sizes.value
    assert re.search(r"alt='[^']*qcow2", sizes.value)
    assert re.search(r"alt='[^']*qcow2", speed.value)


@pytest.mark.parametrize("step", [1, 4, 9])
def test_cancelled_it_ends_soon_and_leaves_nothing(made_up: Host, tmp_path: Path, step: int) -> None:
    asked = Event()
    told: list[tuple[int, int]] = []

    def progress(_words: str) -> Progress:
        def tell(done: int, total: int) -> None:
            told.append((done, total))
            if len(told) == step:
                asked.set()

        return tell

    values: dict[str, str | int | bool] = {"where": str(tmp_path), "size": 8 << 20, "data": 1 << 20}
    with cancellable(asked), pytest.raises(Cancelled):
        FormatsGoal().run(made_up, values, progress)
    assert step <= len(told) <= step + 1
    assert not any(tmp_path.iterdir())
