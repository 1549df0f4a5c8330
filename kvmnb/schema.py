"""What the kit's frames hold: per frame its columns, and per column its dtype, unit and meaning.

One declaration makes the empty frame, the filled frame, the docstrings and the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from textwrap import indent, wrap
from typing import Any, Literal, TypeVar, cast

import numpy as np
import pandas as pd

from kvmnb.errors import BadValue

Dtype = Literal["string", "Int64", "Float64", "boolean", "time", "texts"]

#: pandas' name for each dtype that a column may declare. ``texts`` holds a tuple of str per row.
_PANDAS: dict[Dtype, str] = {
    "string": "string",
    "Int64": "Int64",
    "Float64": "Float64",
    "boolean": "boolean",
    "time": "datetime64[ns, UTC]",
    "texts": "object",
}

_Function = TypeVar("_Function", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a frame.

    Parameters
    ----------
    name : str
        Its name, in the field's own words.
    dtype : {"string", "Int64", "Float64", "boolean", "time", "texts"}
        Its kind. ``time`` is UTC with nanoseconds and is built from nanoseconds since 1970;
        ``texts`` holds a tuple of str per row, empty where there are none. Every kind can hold NA.
    meaning : str
        One line for its reader.
    unit : str
        ``"bytes"`` or another unit; empty for a column without one.
    """

    name: str
    dtype: Dtype
    meaning: str
    unit: str = ""

    def build(self, values: list[Any]) -> pd.Series[Any]:
        """Make the column's Series of its values; None becomes NA, never zero or empty."""
        if self.dtype == "time":
            unknown = pd.NaT.value
            times = [unknown if value is None else value for value in values]
            index = pd.DatetimeIndex(np.array(times, "datetime64[ns]"), tz="UTC")
            return cast("pd.Series[Any]", pd.Series(index))
        if self.dtype == "texts":  # pandas keeps None as it is among objects
            values = [pd.NA if value is None else value for value in values]
        return cast("pd.Series[Any]", pd.Series(values, dtype=cast("Any", _PANDAS[self.dtype])))

    def describe(self) -> str:
        """Its line in a docstring's list of columns."""
        unit = f", {self.unit}" if self.unit else ""
        kind = "tuple of str" if self.dtype == "texts" else _PANDAS[self.dtype]
        return f"``{self.name}`` ({kind}{unit}): {self.meaning}"


@dataclass(frozen=True)
class Frame:
    """The declaration of one frame.

    Parameters
    ----------
    name : str
        Its name, kept in ``attrs["frame"]``.
    row : str
        What one row stands for.
    columns : tuple of Column
        In the order in which they are shown.
    brief : tuple of str
        The columns that a person is shown unless others are asked for; empty for all.
    """

    name: str
    row: str
    columns: tuple[Column, ...]
    brief: tuple[str, ...] = ()

    def build(self, rows: Iterable[Mapping[str, Any]], **attrs: object) -> pd.DataFrame:
        """Make the frame of its rows.

        Parameters
        ----------
        rows : iterable of mapping
            Per row a value for every column; None means that it is not known.
        **attrs : object
            Kept in ``DataFrame.attrs``, such as the host and the time of reading.

        Returns
        -------
        pandas.DataFrame
            With every declared column and its dtype, also when there are no rows.
        """
        rows = list(rows)
        frame = pd.DataFrame({c.name: c.build([row[c.name] for row in rows]) for c in self.columns})
        frame.attrs.update(frame=self.name, **attrs)
        return frame

    def empty(self) -> pd.DataFrame:
        """Make the frame without rows: the same columns and dtypes."""
        return self.build([])

    def unit(self, column: str) -> str:
        """Give the unit of a column; raise `BadValue` where the frame has no such column."""
        for candidate in self.columns:
            if candidate.name == column:
                return candidate.unit
        raise BadValue(f"the frame {self.name!r} has no column {column!r}", f"choose one of {self.names}")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its columns."""
        return tuple(column.name for column in self.columns)

    def returns(self) -> str:
        """Write the Returns section of a docstring."""
        lines = [
            "Returns",
            "-------",
            "pandas.DataFrame",
            f"    One row per {self.row}. ``attrs`` holds ``host``, ``uri`` and ``read_at``. Columns:",
            "",
        ]
        for column in self.columns:
            lines += wrap(f"* {column.describe()}", 100, initial_indent="    ", subsequent_indent="      ")
        return "\n".join(lines)


def returns(frame: Frame) -> Callable[[_Function], _Function]:
    """Decorate a method so that its docstring ends with the columns of the frame it returns."""

    def decorate(function: _Function) -> _Function:
        section = indent(frame.returns(), " " * 8)
        before, raises, after = (function.__doc__ or "").rstrip().partition("\n        Raises\n")
        function.__doc__ = f"{before.rstrip()}\n\n{section}\n{raises}{after}\n        "
        return function

    return decorate


def _text(name: str, meaning: str) -> Column:
    return Column(name, "string", meaning)


def _bytes(name: str, meaning: str) -> Column:
    return Column(name, "Int64", meaning, "bytes")


def _flag(name: str, meaning: str) -> Column:
    return Column(name, "boolean", meaning)


_CHAIN = (
    "the paths of its whole backing chain, nearest first; as far as it could be followed, NA where it could "
    "not be followed at all"
)

_STATUS = (
    _text("status", "``ok``, or the word for what could not be read"),
    _text("problem", "why it could not be read; NA where all could"),
)

#: In every frame of a host, since ``attrs`` are lost where frames of several hosts are put together.
_HOST = _text("host", "the host that it was read from")

POOLS = Frame(
    "pools",
    "storage pool",
    (
        _HOST,
        _text("name", "the pool's name"),
        _text("type", "libvirt's pool type: dir, fs, netfs, logical, disk, iscsi, iscsi-direct …"),
        _text("state", "libvirt's word: running, inactive, building, degraded, inaccessible"),
        _flag("autostart", "whether the daemon starts it when it starts itself"),
        _flag("persistent", "whether it is defined, so that it survives being stopped"),
        _bytes("capacity", "size of the storage; NA while the pool is not running"),
        _bytes("allocation", "how much of it is taken, by anyone; NA while the pool is not running"),
        _bytes("available", "how much of it is free; NA while the pool is not running"),
        Column("volumes", "Int64", "number of volumes; NA while the pool is not running"),
        _text("target", "directory under which its volumes appear"),
        _text("source", "where the storage comes from: host, device, directory or name"),
        _text("source_format", "format of the source: nfs, ext4, lvm2, gpt …"),
        _text("uuid", "the pool's UUID"),
        *_STATUS,
    ),
    brief=("name", "type", "state", "autostart", "volumes", "capacity", "allocation", "available", "target"),
)

VOLUMES = Frame(
    "volumes",
    "volume of a running pool, and one for each pool whose volumes could not be read",
    (
        _HOST,
        _text("pool", "the pool it is in"),
        _text("name", "the volume's name"),
        _text("type", "libvirt's volume type: file, block, dir, network, netdir, ploop"),
        _text("format", "format of the image: raw, qcow2 …"),
        _bytes("capacity", "size that a guest sees"),
        _bytes("allocation", "what it takes on the host now"),
        _bytes("physical", "end of the file or device: what ``ls -l`` says"),
        _text("path", "where it lies on the host"),
        _text("backing_path", "the file or volume that it is an overlay of"),
        _text("backing_format", "format of that file"),
        Column("chain", "texts", _CHAIN),
        _flag("chain_known", "whether the chain could be followed to its end"),
        Column(
            "used_by",
            "texts",
            "the guests that use it, directly or through a chain, also while they are shut off; NA where "
            "none is known and it cannot be known whether there is one",
        ),
        Column("overlays", "texts", "paths of the volumes of running pools that lie directly on it"),
        _text("mode", "permissions, in octal"),
        Column("owner", "Int64", "user id of the owner"),
        Column("group", "Int64", "group id"),
        Column("modified", "time", "when its content last changed"),
        Column("accessed", "time", "when it was last read"),
        Column("changed", "time", "when its inode last changed"),
        *_STATUS,
    ),
    brief=("pool", "name", "format", "capacity", "allocation", "physical", "backing_path", "used_by"),
)

GUESTS = Frame(
    "guests",
    "guest (libvirt's domain), running or not",
    (
        _HOST,
        _text("name", "the guest's name"),
        _text("state", "libvirt's word: running, shut off, paused …"),
        _flag("persistent", "whether it is defined, so that it survives being stopped"),
        _flag("autostart", "whether the daemon starts it when it starts itself"),
        Column("vcpus", "Int64", "number of virtual processors"),
        _bytes("memory", "the most memory that it may use"),
        Column("disks", "Int64", "number of its disks, with and without a medium"),
        Column("snapshots", "Int64", "number of its snapshots"),
        _text("kernel", "kernel on the host that it boots directly"),
        _text("initrd", "initial RAM disk on the host that it boots with"),
        _text("uuid", "the guest's UUID"),
        *_STATUS,
    ),
    brief=("name", "state", "autostart", "vcpus", "memory", "disks", "snapshots"),
)

DISKS = Frame(
    "disks",
    "disk of a guest",
    (
        _HOST,
        _text("guest", "the guest's name"),
        _text("guest_state", "libvirt's word for the guest's state"),
        _text("target", "the disk's name in the guest: vda, sdb …"),
        _text("device", "disk, cdrom, floppy or lun"),
        _text("bus", "virtio, sata, scsi, ide …"),
        _text("type", "how the guest names its source: file, block, volume, network, dir …"),
        _text("format", "format that the guest is told to use"),
        _flag("readonly", "whether the guest may only read it"),
        _text("path", "where its source lies on the host; NA where there is no medium"),
        _text("pool", "the pool of the volume that it is"),
        _text("volume", "the volume that it is; NA where no running pool has it"),
        Column("chain", "texts", _CHAIN),
        _flag("chain_known", "whether the chain could be followed to its end"),
        _bytes("capacity", "size that the guest sees; NA where it is not a volume of a running pool"),
        _bytes("allocation", "what its top image takes on the host"),
        _bytes("physical", "end of its top image"),
        *_STATUS,
    ),
    brief=("guest", "guest_state", "target", "format", "pool", "volume", "capacity", "allocation", "chain"),
)

PLAN = Frame(
    "plan",
    "step of the plan",
    (
        Column("step", "Int64", "its number, from 1"),
        _text("what", "what it does, in words"),
        _text("virsh", "the line that an operator would type"),
        _flag("already", "whether it is so already, so that nothing is to be done"),
        Column("problems", "texts", "each reason not to do it"),
        Column("warnings", "texts", "what to know before doing it"),
    ),
)

APPLIED = Frame(
    "applied",
    "thing that was to be true after a step of the plan",
    (
        Column("step", "Int64", "number of the step, from 1"),
        _text("what", "what the step does, in words"),
        _text("outcome", "done, already so, failed, undone, or not done"),
        _flag("changed", "whether the step changed anything"),
        _text("check", "what was looked at afterwards"),
        _text("expected", "what it was to be"),
        _text("actual", "what it was, read anew"),
        _flag("verified", "whether they agree; NA where it could not be read"),
    ),
    brief=("step", "outcome", "check", "expected", "actual", "verified"),
)

AUDIT = Frame(
    "audit",
    "line of the audit log",
    (
        Column("time", "time", "when it was written"),
        _text("user", "the user who asked for it"),
        _text("host", "the host"),
        _text("uri", "the libvirt URI"),
        _text("event", "intent, then done or failed; unverified where it left something else than expected"),
        _text("action", "name of the action"),
        _text("what", "what it does, in words"),
        _text("virsh", "the line that an operator would type"),
        _text("error", "what went wrong; NA where nothing did"),
        _text("id", "joins the intent with its outcome"),
    ),
    brief=("time", "user", "event", "what", "virsh", "error"),
)

CHECKS = Frame(
    "checks",
    "thing that was looked at",
    (
        _text("check", "what was looked at"),
        _flag("ok", "whether it is as it should be"),
        _text("found", "what was found"),
        _text("remedy", "what to do about it; NA where it is as it should be"),
    ),
)
