"""What a comparison found of one candidate, and its row of the frame."""

from __future__ import annotations

import platform
import re
from dataclasses import dataclass, field
from typing import Any

from kvmnb.errors import KvmnbError
from kvmnb.images.candidates import Candidate
from kvmnb.images.features import Features
from kvmnb.images.sizes import Sizes
from kvmnb.images.speed import Speeds
from kvmnb.images.workspace import why
from kvmnb.schema import FORMATS, STAGES


@dataclass(slots=True)
class Found:
    """What was found of one candidate."""

    virtual_size: int | None = None
    create_seconds: float | None = None
    convert_seconds: float | None = None
    features: Features = field(default_factory=Features)
    encryption: Features = field(default_factory=Features)
    sizes: Sizes | None = None
    speeds: Speeds = field(default_factory=Speeds)
    status: str = "ok"
    problem: str | None = None

    def fail(self, status: str, error: KvmnbError | OSError) -> None:
        """Keep why it could not be measured, or not to its end."""
        said = why(error)
        self.status = status_of(status, said)
        self.problem = plain_words(said)


def status_of(status: str, said: str) -> str:
    """Give the word for what was said: the one for a full disk, or the given one."""
    return "no space" if "No space left" in said else status


#: How a workspace's path begins, in what the programs say.
_WORKSPACE = re.compile(r"/proc/[0-9]+/fd/[0-9]+/")


def plain_words(said: str) -> str:
    """Give what qemu-img said, without what is always said around it and without the comparison's paths."""
    _, mark, told = said.partition(" and said: ")
    if mark and told != "nothing":
        words = told.removeprefix("qemu-img: ")
        parts = [part for part in words.split(": ") if not _WORKSPACE.search(part)]
        said = ": ".join(parts) or words
    return _WORKSPACE.sub("", said)


def row_of(candidate: Candidate, found: Found, cache: str | None) -> dict[str, Any]:
    """Give a candidate's row of the frame `kvmnb.schema.FORMATS`."""
    row: dict[str, Any] = dict.fromkeys(FORMATS.names)
    row.update(
        host=platform.node(),
        candidate=candidate.name,
        format=candidate.format,
        options=candidate.written,
        virtual_size=found.virtual_size,
        create_seconds=found.create_seconds,
        convert_seconds=found.convert_seconds,
        cipher=found.encryption.cipher,
        cache=cache if found.status == "ok" else None,
        status=found.status,
        problem=found.problem,
        **found.features.can,
        **found.encryption.can,
    )
    reasons = [*found.features.reasons, *found.encryption.reasons]
    if found.sizes is not None:
        reasons += found.sizes.reasons
        for stage in STAGES:
            size = found.sizes.stages.get(stage)
            row[f"{stage}_apparent"] = size.apparent if size else None
            row[f"{stage}_allocated"] = size.allocated if size else None
        row["discards"] = found.sizes.discards
    for workload, speed in found.speeds.of.items():
        if speed is not None:
            row.update(
                {
                    workload: speed.ratio,
                    f"{workload}_low": speed.low,
                    f"{workload}_high": speed.high,
                    f"{workload}_rate": speed.rate,
                }
            )
    row["reasons"] = tuple(_reason(reason) for reason in [*reasons, *found.speeds.reasons])
    return row


def _reason(reason: str) -> str:
    """Shorten ``what: error`` to what and the words that say why."""
    what, _, error = reason.partition(": ")
    return f"{what}: {plain_words(error)}"
