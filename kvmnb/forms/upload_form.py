"""The form that makes a new volume of a file: of one in the browser, or of one on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import ipywidgets as ipw
import pandas as pd

from kvmnb.errors import BadValue, KvmnbError, Refused
from kvmnb.forms.fields import Entered, Field
from kvmnb.forms.form import Form
from kvmnb.forms.goals import Look, Values, call_text, look_at
from kvmnb.forms.picker import FilePicker
from kvmnb.host import Host
from kvmnb.images.headers import looks_like, named
from kvmnb.storage.actions import CreateVolume, UploadVolume
from kvmnb.storage.apply import MakeProgress
from kvmnb.storage.model import Problem
from kvmnb.storage.plan import Plan
from kvmnb.storage.roles import Role
from kvmnb.units import format_size

#: What a name's ending says. Not ``img``: that may be anything, so that a person must say it.
_ENDINGS = {
    ".iso": "raw",
    ".raw": "raw",
    ".qcow2": "qcow2",
    ".qcow": "qcow",
    ".qed": "qed",
    ".vdi": "vdi",
    ".vmdk": "vmdk",
    ".vhd": "vpc",
    ".vhdx": "vhdx",
}

_SECTOR = 512


class UploadGoal:
    """Making a new volume of a file.

    Parameters
    ----------
    picker : FilePicker, optional
        Where the file may have been picked; it is removed there once it was used.
    """

    title = "Upload a file as a new volume"
    changes = True
    unit = "B"
    fields = (
        Field("pool", Role.POOL, "A running pool."),
        Field("file", Role.FILE, "A file on this machine; filled in when one has come from the browser."),
        Field("name", Role.NEW_VOLUME, "The new volume's name."),
        Field(
            "format",
            Role.FORMAT,
            "What the file is; an ISO image is raw. It is never guessed from its content.",
        ),
    )

    def __init__(self, picker: FilePicker | None = None) -> None:
        self._picker = picker

    def relevant(self, _entered: Mapping[str, Entered]) -> frozenset[str]:
        """Name the fields that matter: all of them."""
        return frozenset(each.name for each in self.fields)

    def suggest(self, _host: Host, entered: Mapping[str, Entered]) -> dict[str, str]:
        """Propose the file's own name, and what its ending says that it is."""
        name = Path(str(entered.get("file", ""))).name
        return {"name": name, "format": _ENDINGS.get(Path(name).suffix.lower(), "")}

    def plan(self, host: Host, values: Values) -> Plan:
        """Make the plan: a new raw volume of the file's size, and the file written over it."""
        pool, name, file = (str(values[key]) for key in ("pool", "name", "file"))
        if "\0" in file:
            raise BadValue(f"{file!r} is no path: it holds a NUL", "give the path of a file")
        create = CreateVolume(pool, name, _capacity(file), "raw")
        title = f"Upload {Path(file).name!r} as volume {name!r} of pool {pool!r}"
        return host.plan(create, UploadVolume(pool, name, file, confirm=name), title=title)

    def look(self, host: Host, values: Values) -> Look:
        """Say what it would do, without doing anything."""
        plan = self.plan(host, values)
        look = look_at(plan)
        problems = [*self._problems(host, values, plan), *map(_placed, look.problems)]
        undo = "; ".join(action.describe() for action in plan[0].undo)
        # What is there already is never taken for what was to be made: it would be written over.
        lines = tuple(replace(line, already=False) for line in look.lines)
        return Look(lines, tuple(dict.fromkeys(problems)), undo)

    def _problems(self, host: Host, values: Values, plan: Plan) -> Iterator[Problem]:
        pool, name, file = (str(values[key]) for key in ("pool", "name", "file"))
        if plan[0].already:
            yield Problem(f"Pool {pool!r} has a volume {name!r} already", "choose another name", "name")
        if not Path(file).is_file():
            yield Problem(f"There is no file {file!r} here", "give the path of a file, or pick one", "file")
            return
        if not os.access(file, os.R_OK):
            yield Problem(f"The file {file!r} may not be read by you", "ask its owner", "file")
            return
        yield from format_problems(file, str(values["format"]))
        found = host.inventory().pool(pool)
        taken = min(_size(file), Path(file).stat().st_blocks * _SECTOR)
        free = found.available if found is not None else None
        if free is not None and taken > free:
            yield Problem(
                f"The file takes {format_size(taken)}, and {format_size(free)} are free in pool {pool!r}",
                "free space, or choose another pool",
                "pool",
            )

    def run(self, host: Host, values: Values, progress: MakeProgress) -> pd.DataFrame:
        """Do it; a file of the browser is removed afterwards, however it ends."""
        picked = self._picker is not None and str(self._picker.file) == values["file"]
        with self._picker.in_use() if self._picker is not None and picked else nullcontext():
            plan = self.plan(host, values)
            if plan[0].already:
                raise Refused(f"There is a volume {values['name']!r} already", "choose another name")
            return host.apply(plan, progress=progress)

    def code(self, values: Values) -> str:
        """Write it as a cell of a notebook."""
        told = {key: values[key] for key in ("pool", "name")}
        size = _capacity(str(values["file"]))
        create = call_text("CreateVolume", {**told, "capacity": size, "format": "raw"}, host=False)
        written = {**told, "file": values["file"], "confirm": values["name"]}
        upload = call_text("UploadVolume", written, host=False)
        return f"report = host.apply(host.plan({create}, {upload}))"


def format_problems(file: str, format: str) -> Iterator[Problem]:
    """Say where a file does not begin as what it is said to be, and which other files it names.

    Parameters
    ----------
    file : str
        A file on this machine; only its header is read, and nothing that it names is opened.
    format : str
        What a person says that it is.

    Yields
    ------
    Problem
        Each beside the field ``format`` or ``file``.
    """
    try:
        begins, names = looks_like(file), named(file, format)
    except (KvmnbError, OSError) as error:
        yield Problem(f"The file {file!r} cannot be read: {error}".rstrip("."), "give another file", "file")
        return
    if format == "raw" and begins is not None:
        yield Problem(
            f"The file begins as a {begins} image, and libvirt would take the volume for one",
            f"say {begins} if that is what it is; if not, whoever made it means no good",
            "format",
        )
    elif format not in {"raw", begins}:
        what = f"as a {begins} image" if begins else "as no image that is known"
        yield Problem(f"The file is no {format} image: it begins {what}", "say what it is", "format")
    elif names.backing is not None or names.parts:
        others = ", ".join(repr(name) for name in (names.backing, *names.parts) if name is not None)
        yield Problem(
            f"The image is not whole: it names other files, {others}, which the pool's host would open",
            "make one image of it first, with kvmnb.convert_image or qemu-img convert",
            "file",
        )


def _size(file: str) -> int:
    try:
        return Path(file).stat().st_size
    except (OSError, ValueError):  # a NUL in the path
        return 0


def _capacity(file: str) -> int:
    """Give the size of a volume that holds a file: whole sectors, at least one."""
    return max(1, -(-_size(file) // _SECTOR)) * _SECTOR


def _placed(problem: Problem) -> Problem:
    return replace(problem, field="file") if problem.field in {"capacity", "confirm"} else problem


class Upload:
    """The form that makes a new volume of a file; made by `upload`.

    Parameters
    ----------
    host : Host
        Where.

    Attributes
    ----------
    picker : FilePicker
        What takes a file from the browser.
    form : Form
        What is filled in.
    view : ipywidgets.VBox
        What is shown.
    """

    def __init__(self, host: Host) -> None:
        self.picker = FilePicker(self._picked)
        self.form = Form(UploadGoal(self.picker), host, self._used)
        head, *rest = self.form.view.children
        hint = ipw.HTML(
            "<div class='kvmnb-text'>Pick a file of your own computer, or give the path of one on this "
            "notebook's machine. A file that was picked lies there only until it has been uploaded.</div>"
        )
        self.form.view.children = (head, hint, self.picker, *rest)
        self.picker.disabled = host.readonly
        self.view = self.form.view

    def _repr_mimebundle_(self, **how: Any) -> Any:  # noqa: ANN401 - as Jupyter's display calls it
        return self.view._repr_mimebundle_(**how)

    def _picked(self) -> None:
        file = self.picker.file
        if file is not None:
            self.form.fields["name"].put(file.name)
            self.form.fields["format"].put(_ENDINGS.get(file.suffix.lower(), ""))
        self.form.fill(file="" if file is None else str(file))

    def _used(self, _report: pd.DataFrame) -> None:
        if self.picker.file is None:
            self.picker.forget()
            for name in ("name", "format"):  # of the next file they may be proposed anew
                self.form.fields[name].put("", touch=False)
                self.form.fields[name].touched = False
            self.form.fill(file="")


def upload(host: Host) -> Upload:
    """Make the form that uploads a file as a new volume: one of the browser's, or one of this machine.

    Parameters
    ----------
    host : Host
        One that was opened with ``readonly=False``.

    Returns
    -------
    Upload
        Shows itself in a notebook.
    """
    return Upload(host)
