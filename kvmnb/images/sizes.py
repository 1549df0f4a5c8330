"""What an image of each format takes on the host, step by step, and how long making it takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Container
from dataclasses import dataclass
from pathlib import Path

from kvmnb.errors import KvmnbError
from kvmnb.images import material, qemu_img
from kvmnb.images.candidates import Candidate
from kvmnb.images.material import Material
from kvmnb.images.workspace import why


@dataclass(frozen=True, slots=True)
class Size:
    """What a file takes: its end, as ``ls -l`` says, and its blocks, as ``du`` says, in bytes."""

    apparent: int
    allocated: int


def files_of(path: Path) -> list[Path]:
    """Give the files that an image is made of: some kinds of vmdk have their data in files beside it."""
    return [path, *path.parent.glob(f"{path.stem}-*{path.suffix}")]


def size_of(path: Path) -> Size:
    """Read what an image takes now, in all of its files."""
    told = [file.stat() for file in files_of(path)]
    return Size(sum(one.st_size for one in told), sum(one.st_blocks * 512 for one in told))


def remove(path: Path) -> None:
    """Remove an image, with all of its files, if it is there."""
    for file in files_of(path):
        file.unlink(missing_ok=True)


def create(candidate: Candidate, path: Path, size: int) -> float:
    """Create a candidate's empty image.

    Parameters
    ----------
    candidate : Candidate
        The format and its options.
    path : Path
        Where; nothing may be there.
    size : int
        The size that a guest sees, in bytes.

    Returns
    -------
    float
        How long it took, in seconds.
    """
    began = time.perf_counter()
    qemu_img.create(path, candidate.format, size, dict(candidate.options))
    return time.perf_counter() - began


def convert(candidate: Candidate, source: Path, path: Path) -> float:
    """Convert a raw image to a candidate's, and give how long it took, in seconds."""
    began = time.perf_counter()
    qemu_img.convert(
        (source, "raw"),
        (path, candidate.format),
        dict(candidate.options),
        compress=candidate.compressed,
    )
    return time.perf_counter() - began


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a candidate's image takes at each stage; None where a stage could not be reached.

    Parameters
    ----------
    stages : dict of str to Size or None
        By the names of `kvmnb.schema.STAGES`.
    reasons : tuple of str
        Why a stage could not be reached.
    data : int
        How much had been written, in bytes.
    """

    stages: dict[str, Size | None]
    reasons: tuple[str, ...]
    data: int

    @property
    def discards(self) -> bool | None:
        """Whether discarding the data gave most of its space back; None where that is not known."""
        written, discarded = self.stages.get("written"), self.stages.get("discarded")
        if written is None or discarded is None:
            return None
        freed = written.allocated - discarded.allocated
        return freed > min(written.allocated, self.data) // 2


def measure_sizes(candidate: Candidate, folder: Path, made: Material, skip: Container[str] = ()) -> Sizes:
    """Take a candidate's image through the stages.

    Parameters
    ----------
    candidate : Candidate
        The format and its options.
    folder : Path
        A folder to work in; empty, or with the fresh image.
    made : Material
        What is written.
    skip : container of str
        Stages that are known not to be reached.

    Returns
    -------
    Sizes
        Per stage.

    Raises
    ------
    ProgramFailed
        Not even the image could be made, or written.
    """
    image = folder / "image"
    if not image.exists():
        create(candidate, image, made.size)
    stages: dict[str, Size | None] = {"created": size_of(image)}
    if candidate.compressed:  # what is written later is not compressed, so it is made with its data
        remove(image)
        convert(candidate, made.source, image)
    else:
        material.write(made, image, candidate.format)
    stages["written"] = size_of(image)
    reasons: list[str] = []

    def attempt(stage: str, act: _Stage) -> None:
        if stage in skip:
            return
        try:
            stages[stage] = act(candidate, folder, made)
        except (KvmnbError, OSError) as error:
            stages[stage] = None
            reasons.append(f"{stage}: {why(error)}")

    attempt("discarded", _discarded)
    attempt("overlay", _overlay)
    attempt("snapshot", _snapshot)
    return Sizes(stages, tuple(reasons), made.data)


#: Something that is done to a candidate's image in a folder.
_Stage = Callable[[Candidate, Path, Material], Size]


def _discarded(candidate: Candidate, folder: Path, made: Material) -> Size:
    image = folder / "image"
    qemu_img.io(image, candidate.format, [f"discard -q 0 {made.data}"], discard=True)
    return size_of(image)


def _overlay(candidate: Candidate, folder: Path, made: Material) -> Size:
    """Make an overlay on the image, in the same format and with the same options, and write to it."""
    overlay = folder / "overlay"
    below = (str(folder / "image"), candidate.format)
    try:
        qemu_img.create(overlay, candidate.format, None, dict(candidate.options), backing=below)
        material.write(made, overlay, candidate.format)
        return size_of(overlay)
    finally:
        remove(overlay)


def _snapshot(candidate: Candidate, folder: Path, made: Material) -> Size:
    """Write, take a snapshot, and write again: the snapshot keeps what was there before."""
    image = folder / "image"
    material.write(made, image, candidate.format)
    qemu_img.snapshot(image, candidate.format, "create", "before")
    material.write(made, image, candidate.format)
    return size_of(image)
