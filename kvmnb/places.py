"""Where the runbooks lie: the reader's own, a checkout's, or those that were installed with the package."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from kvmnb.errors import NotFound

_PACKAGE = Path(__file__).absolute().parent


def runbook_folders() -> list[Path]:
    """Give the folders in which a runbook is looked for, the first first."""
    folders = (Path("notebooks").absolute(), _checkout(), _installed())
    return [folder for folder in folders if folder is not None and folder.is_dir()]


def find(name: str) -> Path:
    """Find a runbook.

    Parameters
    ----------
    name : str
        The path of a notebook, or a name, with or without ``.ipynb``, that is looked up in ``./notebooks``
        and among the runbooks that come with the kit.

    Returns
    -------
    pathlib.Path
        An absolute path.

    Raises
    ------
    NotFound
        There is none of that name; the message lists those that there are.
    """
    if name.endswith(".ipynb") and Path(name).is_file():
        return Path(name).absolute()
    known = {path.stem: path for folder in reversed(runbook_folders()) for path in folder.glob("*.ipynb")}
    found = known.get(name.removesuffix(".ipynb"))
    if found is None:
        choice = ", ".join(sorted(known)) or "none was found"
        raise NotFound(f"There is no runbook {name!r}", f"give the path of a notebook, or one of: {choice}")
    return found.absolute()


def working_folder() -> tuple[Path, list[Path]]:
    """Give a folder of runbooks that can be written to.

    It is ``./notebooks`` where there is one with notebooks in it, else the checkout's. The runbooks of an
    installed package are first copied to ``~/kvmnb-notebooks``; what is there already is left as it is.

    Returns
    -------
    pathlib.Path
        The folder.
    list of pathlib.Path
        The files that were copied just now.
    """
    for folder in (Path("notebooks").absolute(), _checkout()):
        if folder and any(folder.glob("*.ipynb")) and os.access(folder, os.W_OK | os.X_OK):
            return folder, []
    own = Path.home() / "kvmnb-notebooks"
    own.mkdir(exist_ok=True)
    copied = []
    for folder in runbook_folders():
        for source in sorted(folder.glob("*.ipynb")):
            target = own / source.name
            if not target.exists():
                shutil.copyfile(source, target)
                copied.append(target)
    return own, copied


def _checkout() -> Path | None:
    """Give the folder beside the package, in a checkout: site-packages may hold another's ``notebooks``."""
    root = _PACKAGE.parent
    return root / "notebooks" if (root / "pyproject.toml").is_file() else None


def _installed() -> Path:
    return _PACKAGE / "notebooks"
