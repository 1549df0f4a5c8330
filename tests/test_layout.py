"""The rooms keep apart: what is pure imports nothing that acts, and importing the kit is light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import kvmnb

_ROOT = Path(kvmnb.__file__).parent
_PURE = [
    "errors",
    "units",
    "durations",
    *(f"images/{name}" for name in ("advice", "answers", "asked", "candidates")),
    "images/headers",
    "guests/agent_rows",
    "guests/tree",
    *(f"trends/{name}" for name in ("days", "frame", "growth", "notes", "pace", "series", "steps", "thin")),
    *(f"samples/{name}" for name in ("made_up", "nowhere", "thinning", "window")),
    *(f"fleets/{name}" for name in ("labels", "joining")),
    *(
        f"usage/{name}"
        for name in (
            "gaps",
            "images",
            "inside",
            "joined",
            "orphans",
            "overcommit",
            "reclaim",
            "rest",
            "storages",
        )
    ),
    *(f"schema/{name}" for name in ("__init__", "declare", "storage", "formats", "images")),
    *(
        f"storage/{name}"
        for name in ("model", "xml", "guest_xml", "usage", "frames", "guards", "rules", "plan", "recipes")
    ),
]
_ACTING = {"libvirt", "ipywidgets", "subprocess", "matplotlib", "papermill", "socket"}
_HEAVY = {"matplotlib", "ipywidgets", "papermill"}


def _imports(module: Path) -> set[str]:
    """Give the modules that a module names in its imports, wherever they stand, but for its typing."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module.name} imports relatively"
            found |= {str(node.module), *(f"{node.module}.{name.name}" for name in node.names)}
    return found


def _roots(module: Path) -> set[str]:
    return {name.partition(".")[0] for name in _imports(module)}


@pytest.mark.parametrize("name", _PURE)
def test_a_pure_module_imports_nothing_that_acts(name: str) -> None:
    module = _ROOT / f"{name}.py"
    assert _roots(module) & _ACTING == set()
    assert "kvmnb.programs" not in _imports(module)


def test_only_one_module_starts_programs() -> None:
    starting = {p for p in _ROOT.rglob("*.py") if _roots(p) & {"subprocess"} or "os.system" in p.read_text()}
    assert starting == {_ROOT / "programs.py"}


def test_the_storage_rooms_know_nothing_of_notebooks() -> None:
    for module in (_ROOT / "storage").glob("*.py"):
        assert not any(name.startswith(("kvmnb.notebook", "kvmnb.host")) for name in _imports(module)), module
        assert _roots(module) & (_HEAVY | {"IPython", "tqdm"}) == set(), module


def test_importing_is_light_and_silent() -> None:
    program = (
        "import sys, kvmnb; kvmnb.connect, kvmnb.show; "
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "kvmnb" in loaded
    assert loaded & _HEAVY == set()
    assert done.stderr == ""


def test_all_that_is_promised_is_there_and_documented() -> None:
    for name in kvmnb.__all__:
        assert getattr(kvmnb, name).__doc__, name
    assert kvmnb.__all__ == sorted(kvmnb.__all__)
