"""What disk images say of themselves, as frames. Nothing is changed, and no name in them is trusted."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from kvmnb.errors import BadImage, BadValue, KvmnbError
from kvmnb.images import look
from kvmnb.images.answers import Info
from kvmnb.images.headers import FORMATS, is_beside, looks_like
from kvmnb.images.opening import chain
from kvmnb.images.options import read_options, write_options
from kvmnb.images.wanted import Asked, Unfit, asked_for, known_format, look_at
from kvmnb.schema import EXTENTS, IMAGES, MEASURES, SNAPSHOTS, SOUNDNESS, Frame, returns
from kvmnb.units import parse_size

#: Images that are looked at side by side.
_AT_ONCE = 8

#: The longest that anything may be waited for, in seconds: a week.
_LONGEST = 7 * 86400


@returns(IMAGES)
def info(*images: Asked, format: str | None = None) -> pd.DataFrame:
    """Read what disk images say of themselves: sizes, cluster, backing store, snapshots, state.

    Also of images that a guest has open. Backing stores and files with data are shown as they are named, and
    never opened.

    Parameters
    ----------
    *images : str, Path, (path, format) or DataFrame
        The images; a frame such as `Host.volumes` gives has their paths and formats.
    format : str, optional
        Their format, for those that come without one. It is never guessed.

    Raises
    ------
    kvmnb.errors.BadValue
        A format was not said, or there is no such format.
    """
    return _frame(IMAGES, asked_for(images, format), _info)


@returns(SOUNDNESS)
def check(*images: Asked, format: str | None = None, seconds: float = look.PATIENCE) -> pd.DataFrame:
    """Look whether images are consistent, without mending anything; `kvmnb.RepairImage` does that.

    What lies below an image is not opened: an overlay is checked for itself. An image that a guest has open
    cannot be checked, and a guest cannot be started while its image is.

    Parameters
    ----------
    *images, format
        As for `info`.
    seconds : float
        The most time that each may take; an image of a stranger could keep it busy for ever.

    Raises
    ------
    kvmnb.errors.BadValue
        A format was not said, or there is no such format.
    """
    most = _seconds(seconds)

    def read(path: str, format: str) -> dict[str, Any]:
        found = look.check(path, format, seconds=most)
        status = "corrupt" if found.corruptions else "leaks" if found.leaks else "sound"
        return {"corruptions": found.corruptions, "leaks": found.leaks, "status": status}

    return _frame(SOUNDNESS, asked_for(images, format), read, "cannot be checked")


@returns(MEASURES)
def measure(
    size: int | str, formats: Iterable[str] = FORMATS, options: str | Mapping[str, object] = ""
) -> pd.DataFrame:
    """Tell how large a new image becomes in each format: at first, and once all of it is written.

    Parameters
    ----------
    size : int or str
        The size that a guest sees, in bytes or as ``"10G"``.
    formats : iterable of str
        raw, qcow2 …
    options : str or mapping
        Options of all the formats that are asked for, such as ``{"cluster_size": "2M"}``.

    Raises
    ------
    kvmnb.errors.BadValue
        The size is none, there is no such format, or the options cannot be read.
    """
    told, said = parse_size(size), write_options(options)
    kinds = [formats] if isinstance(formats, str) else formats
    if not isinstance(kinds, Iterable):
        raise BadValue(f"{formats!r} are no formats", 'give them as ["raw", "qcow2"]')
    rows = [_measured(known_format(kind), told, read_options(said)) for kind in kinds]
    return MEASURES.build(rows, host=platform.node(), read_at=_now(), options=said)


@returns(SNAPSHOTS)
def snapshots(path: str | Path, format: str | None = None) -> pd.DataFrame:
    """List the internal snapshots of an image; also of one that a guest has open.

    Parameters
    ----------
    path : str or Path
        The image.
    format : str
        Its format; qcow2 is the only one that has snapshots.

    Raises
    ------
    kvmnb.errors.BadValue
        The format was not said.
    kvmnb.errors.BadImage
        It is no image of that format, or cannot be read.
    kvmnb.errors.ProgramFailed
        qemu-img cannot read it.
    """
    ((name, kind),) = asked_for([path], format)
    look_at(name, kind)
    rows = [
        {
            "host": platform.node(),
            "path": name,
            "name": one.name,
            "id": one.id,
            "taken": one.taken,
            "state_size": one.state_size,
        }
        for one in sorted(look.snapshots(name, kind or ""), key=lambda one: one.taken)
    ]
    return SNAPSHOTS.build(rows, host=platform.node(), read_at=_now())


@returns(EXTENTS)
def map(  # noqa: A001 - qemu-img's own word
    path: str | Path, format: str | None = None, *, whole_chain: bool = True, seconds: float = look.PATIENCE
) -> pd.DataFrame:
    """Map the guest's disk: which stretch holds data, and which image of the chain holds it.

    Parameters
    ----------
    path : str or Path
        The image.
    format : str
        Its format. Those of the images below it are taken from their overlays.
    whole_chain : bool
        Whether to look into the images below it, all of which must lie in its own folder; without it, what
        they hold counts as not present.
    seconds : float
        The most time that it may take.

    Raises
    ------
    kvmnb.errors.BadValue
        The format was not said.
    kvmnb.errors.BadImage
        It is no image of that format, cannot be read, or lies on an image of another folder.
    kvmnb.errors.ProgramFailed
        qemu-img cannot read it.
    """
    most = _seconds(seconds)
    ((name, kind),) = asked_for([path], format)
    look_at(name, kind)
    layers = [name]
    if whole_chain:
        layers += [below for below, _ in chain(name, kind or "")]
        foreign = next((below for below in layers[1:] if not is_beside(name, below)), None)
        if foreign:
            raise BadImage(
                f"The image {name!r} lies on {foreign!r}, in another folder, which is not opened",
                "say whole_chain=False to map this image alone",
            )
    rows = [
        {
            "host": platform.node(),
            "path": name,
            "start": one["start"],
            "length": one["length"],
            "depth": one["depth"],
            "layer": dict(enumerate(layers)).get(one["depth"]) if one.get("present", True) else None,
            "present": one.get("present"),
            "data": one["data"],
            "zero": one["zero"],
            "offset": one.get("offset"),
        }
        for one in look.extents(name, kind or "", whole_chain=whole_chain, seconds=most)
    ]
    return EXTENTS.build(rows, host=platform.node(), read_at=_now())


def _now() -> str:
    return pd.Timestamp(time.time_ns(), tz="UTC").isoformat()


def _seconds(seconds: float) -> float:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= _LONGEST:
        raise BadValue(f"{seconds!r} is no time to wait", f"give seconds, above zero and at most {_LONGEST}")
    return seconds


def _frame(
    frame: Frame,
    asked: Iterable[tuple[str, str | None]],
    read: Callable[[str, str], dict[str, Any]],
    failed: str = "",
) -> pd.DataFrame:
    """Read each image into a row; one that cannot be read is a row too, with the reason."""

    def row(image: tuple[str, str | None]) -> dict[str, Any]:
        path, kind = image
        known = dict.fromkeys(frame.names) | {"host": platform.node(), "path": path, "format": kind}
        try:
            look_at(path, kind)
            return known | {"status": "ok"} | read(path, kind or "")
        except Unfit as error:
            return known | {"status": failed or error.status, "problem": str(error)}
        except BadImage as error:
            return known | {"status": failed or "refused", "problem": str(error)}
        except (KvmnbError, OSError) as error:
            return known | {"status": failed or "unreadable", "problem": str(error)}

    with ThreadPoolExecutor(_AT_ONCE) as workers:
        return frame.build(workers.map(row, asked), host=platform.node(), read_at=_now())


def _info(path: str, format: str) -> dict[str, Any]:
    told = look.info(path, format)
    shared = {name: value for name, value in asdict(told).items() if name in IMAGES.names}
    return shared | {"warnings": tuple(_warnings(told))}


def _warnings(told: Info) -> Iterator[str]:
    for what, name in (("its backing store", told.backing_path), ("the file with its data", told.data_file)):
        if name is not None and not is_beside(told.path, name):
            yield f"{what} is {name!r}, not in its own folder; it was not opened"
    if told.backing_path is not None and told.backing_format is None:
        yield "it does not say the format of its backing store, so that QEMU would guess it"
    like = looks_like(told.path) if told.format == "raw" else None
    if like not in {None, "raw"}:
        yield f"its first bytes look like {like}: if that is its format, and not a guest's doing, say so"


def _measured(format: str, size: int, options: Mapping[str, str]) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(MEASURES.names) | {"format": format, "size": size}
    try:
        needed = look.measure(format, size, options)
    except KvmnbError as error:
        return row | {"status": "cannot tell", "problem": str(error)}
    if needed is None:
        return row | {"status": "cannot tell", "problem": f"qemu-img cannot tell it for {format}"}
    return row | {"required": needed[0], "fully_allocated": needed[1], "status": "ok"}
