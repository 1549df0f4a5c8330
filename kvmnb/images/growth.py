"""How images grow as data is written, and how an overlay lies on its base."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kvmnb.errors import BadValue, KvmnbError
from kvmnb.images import material, qemu_img
from kvmnb.images.asked import sizes_asked
from kvmnb.images.bench import LARGE, stride
from kvmnb.images.candidates import CANDIDATES, Candidate, choose
from kvmnb.images.compare import MakeSteps, now
from kvmnb.images.found import plain_words, status_of
from kvmnb.images.installed import formats as known_formats
from kvmnb.images.material import Material
from kvmnb.images.sizes import create, remove, size_of
from kvmnb.images.workspace import folder, lacks, require_space, why, workspace
from kvmnb.schema import GROWTH, LAYERS, returns

if TYPE_CHECKING:
    import pandas as pd

#: What grows: neither those that take all at once, nor those that are written only once.
GROWING = tuple(c for c in CANDIDATES if not (c.whole or c.compressed or c.format == "luks"))

#: The disk of `copy_on_write`, small enough to draw each of its clusters.
_CLUSTER, _CLUSTERS = 64 << 10, 16


@returns(GROWTH)
def measure_growth(
    where: str | os.PathLike[str],
    size: int | str = "1G",
    formats: Sequence[str | Candidate] | None = None,
    *,
    data: int | str = "16M",
    steps: int = 8,
    progress: MakeSteps | None = None,
) -> pd.DataFrame:
    """Measure what images take while data is written to places far apart, as a guest's file system does.

    A format gives out space in units of its own, from 4 KiB to several MiB, so that a little data in many
    places can take a lot of space.

    Parameters
    ----------
    where : str or path
        The folder to measure in.
    size : int or str
        The size that a guest would see.
    formats : sequence of str or Candidate, optional
        As for `kvmnb.compare_formats`; all that grow without it.
    data : int or str
        How much is written in all.
    steps : int
        In how many equal steps.
    progress : callable, optional
        Makes what is told of the steps, such as `kvmnb.step_bar`.

    Raises
    ------
    kvmnb.errors.BadValue
        A size, a format or the place will not do. A format that cannot be made is a row that says so.
    """
    place = folder(where)
    total, amount = sizes_asked(size, data)
    if not 1 <= steps <= amount // LARGE:
        raise BadValue(
            f"{steps} steps are not to be had", f"give 1 to {amount // LARGE}, one for each 64 KiB"
        )
    candidates = GROWING if formats is None else choose(formats, known_formats())
    require_space(place, 2 * amount, "Measuring growth")
    tell = progress("Growth") if progress else None
    rows: list[dict[str, Any]] = []
    with workspace(place) as own, material.made(own, total, amount) as made:
        for number, candidate in enumerate(candidates):
            if tell:
                tell(number, len(candidates))
            rows += _grown(candidate, own / "image", made, steps)
        if tell:
            tell(len(candidates), len(candidates))
    about = {"host": platform.node(), "read_at": now(), "where": str(place), "size": total, "data": amount}
    return GROWTH.build(rows, **about)


def _grown(candidate: Candidate, image: Path, made: Material, steps: int) -> Iterator[dict[str, Any]]:
    """Give a row per step; a last one with the reason where a step failed."""
    row: dict[str, Any] = {
        "host": platform.node(),
        "candidate": candidate.name,
        "status": "ok",
        "problem": None,
    }
    unknown = {"written": None, "apparent": None, "allocated": None}
    pieces = made.data // LARGE
    apart = stride(made.size // LARGE * LARGE, LARGE, pieces)
    places = [number * apart % (made.size // LARGE * LARGE) for number in range(pieces)]
    written = step = 0
    lack = lacks(candidate, image.parent, made.size, made.data)
    if lack is not None:
        yield {**row, **unknown, "step": 0, "status": "no space", "problem": lack}
        return
    try:
        create(candidate, image, made.size)
        for step in range(steps + 1):
            until = pieces * step // steps
            if until > written:
                material.write_at(made, image, candidate.format, places[written:until], LARGE)
            written = until
            size = size_of(image)
            told = {"written": written * LARGE, "apparent": size.apparent, "allocated": size.allocated}
            yield {**row, "step": step, **told}
    except (KvmnbError, OSError) as error:
        status, said = status_of("failed", why(error)), plain_words(why(error))
        yield {**row, **unknown, "step": step, "status": status, "problem": said}
    finally:
        remove(image)


@returns(LAYERS)
def copy_on_write(where: str | os.PathLike[str]) -> pd.DataFrame:
    """Make a small base and an overlay on it, write to the overlay, and map each step.

    Nothing of it is made up: after each step ``qemu-img map`` is asked which image holds what.

    Parameters
    ----------
    where : str or path
        The folder to do it in; nothing is left there.

    Raises
    ------
    kvmnb.errors.BadValue
        The place will not do.
    """
    place = folder(where)
    rows: list[dict[str, Any]] = []
    with workspace(place) as own:
        base, overlay = own / "base.qcow2", own / "overlay.qcow2"
        for step, what in enumerate(_story(base, overlay), 1):
            taken = {
                "base_allocated": size_of(base).allocated,
                "overlay_allocated": size_of(overlay).allocated if overlay.exists() else None,
            }
            top, layers = (overlay, ("overlay", "base")) if overlay.exists() else (base, ("base",))
            rows += [{"step": step, "what": what, **stretch, **taken} for stretch in _stretches(top, layers)]
    about = {"host": platform.node(), "read_at": now(), "where": str(place)}
    return LAYERS.build(rows, **about, size=_CLUSTERS * _CLUSTER, cluster=_CLUSTER)


def _story(base: Path, overlay: Path) -> Iterator[str]:
    """Do one step after the other; give what was done."""
    options = {"cluster_size": str(_CLUSTER)}
    qemu_img.create(base, "qcow2", _CLUSTERS * _CLUSTER, options)
    qemu_img.io(base, "qcow2", [_write(0, 10)])
    yield "A base, with data in 10 of its 16 clusters"
    qemu_img.create(overlay, "qcow2", None, options, backing=(str(base), "qcow2"))
    yield "An overlay on it: it holds nothing, all is read from the base"
    qemu_img.io(overlay, "qcow2", [_write(3, 2)])
    yield "The guest writes over two clusters: they are in the overlay now"
    qemu_img.io(overlay, "qcow2", [f"write -q -P 0x77 {7 * _CLUSTER} 4k"])
    yield "The guest writes 4 KiB: the whole cluster is copied up for it"
    qemu_img.io(overlay, "qcow2", [_write(12, 3)])
    yield "The guest writes where the base has nothing"
    qemu_img.commit(overlay, "qcow2")
    yield "Committed: the base holds it all, and the overlay is empty again"


def _write(first: int, count: int) -> str:
    return f"write -q -P 0x77 {first * _CLUSTER} {count * _CLUSTER}"


def _stretches(top: Path, layers: Sequence[str]) -> Iterator[dict[str, Any]]:
    for extent in qemu_img.extents(top, "qcow2"):
        held = extent["data"]
        yield {
            "start": extent["start"],
            "length": extent["length"],
            "layer": layers[extent["depth"]] if held else "none",
        }
