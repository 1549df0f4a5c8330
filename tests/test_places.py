"""Runbooks are found where the reader, the checkout or the package keeps them."""

from __future__ import annotations

from pathlib import Path

import pytest

from kvmnb import places
from kvmnb.errors import NotFound
from kvmnb.places import find, working_folder
from tests.notebooks import ECHO, write


def test_runbooks_are_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "notebooks").mkdir()
    own = write(tmp_path / "notebooks" / "01_pool_setup.ipynb", ECHO)
    kits = find("01_pool_setup")
    monkeypatch.chdir(tmp_path)
    assert find("01_pool_setup") == find("01_pool_setup.ipynb") == own
    assert kits != own
    assert find("notebooks/01_pool_setup.ipynb") == own
    with pytest.raises(NotFound, match=r"no runbook 'nope'.*one of: .*01_pool_setup"):
        find("nope")
    with pytest.raises(NotFound):
        find("../notebooks/01_pool_setup")


def test_installed_runbooks_are_copied_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site/kvmnb"
    write(package / "notebooks/a.ipynb", ECHO, make_folder=True)
    # What another package keeps beside this one is none of ours.
    write(tmp_path / "site/notebooks/theirs.ipynb", ECHO, make_folder=True)
    (tmp_path / "home").mkdir()
    monkeypatch.setattr(places, "_PACKAGE", package)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "home/kvmnb-notebooks"
    assert working_folder() == (own, [own / "a.ipynb"])
    (own / "a.ipynb").write_text("mine")
    assert working_folder() == (own, [])
    assert (own / "a.ipynb").read_text() == "mine"
