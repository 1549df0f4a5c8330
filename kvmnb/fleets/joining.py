"""The answers of many hosts as one frame. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kvmnb.schema import Frame
from kvmnb.schema.declare import HOST

if TYPE_CHECKING:
    import pandas as pd

    from kvmnb.fleets.asking import Answer


def of_hosts(frame: Frame) -> Frame:
    """Declare the frame of many hosts: the frame of one, and a row for each that could not be read."""
    row = f"{frame.row}, of every host; and one for each host that could not be read, with the reason"
    return replace(frame, row=row, attrs=("host", "hosts", "read_at"))


def join(frame: Frame, answers: Mapping[str, Answer], uris: Mapping[str, str]) -> pd.DataFrame:
    """Put the answers together.

    Parameters
    ----------
    frame : Frame
        What each answer is.
    answers : mapping of str to Answer
        By the host's label.
    uris : mapping of str to str
        Each host's URI, by its label; says the order of the rows.

    Returns
    -------
    pandas.DataFrame
        With the declared columns and dtypes. ``attrs["hosts"]`` says per label its ``uri``, ``status`` and
        when it was read; ``attrs["read_at"]`` is the earliest of these times.
    """
    import pandas as pd  # noqa: PLC0415 - loaded when a frame is made

    parts, told = [], {}
    for label, uri in uris.items():
        part, status = _part(frame, label, answers[label])
        parts.append(part)
        told[label] = {
            "read_at": None,
            **{key: value for key, value in part.attrs.items() if key not in {"frame", "host"}},
            "uri": uri,
            "status": status,
        }
    whole = pd.concat(parts, ignore_index=True)
    times = [about["read_at"] for about in told.values() if about["read_at"] is not None]
    whole.attrs = {
        "frame": frame.name,
        "host": next(iter(uris)) if len(uris) == 1 else f"{len(uris)} hosts",
        "hosts": told,
        "read_at": min(times, key=pd.Timestamp, default=None),
    }
    return whole


def _part(frame: Frame, label: str, answer: Answer) -> tuple[pd.DataFrame, str]:
    """Give one host's rows, and the word for how reading it went."""
    read, status, problem = answer.frame, answer.status, answer.problem
    if read is not None and tuple(read.columns) != frame.names:
        read, status = None, "not asked"
        problem = "the kit where it was to be asked has other columns: have the same version everywhere"
    if read is None:
        why = "problem" if "problem" in frame.names else "reason"
        row: dict[str, Any] = dict.fromkeys(frame.names)
        return frame.build([{**row, "host": label, "status": status, why: problem}]), status
    read = read.assign(host=HOST.build([label] * len(read)).set_axis(read.index))
    # Where pyarrow is missing, pandas keeps text in another way, and of both together it makes a third.
    declared, found = (dict(one.dtypes.items()) for one in (frame.empty(), read))
    return read.astype({name: kind for name, kind in declared.items() if found[name] != kind}), status
