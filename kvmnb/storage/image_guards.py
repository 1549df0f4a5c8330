"""What must not be done to an image file, because somebody needs it, by whatever name it is called. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from kvmnb.storage import guards, image_rules
from kvmnb.storage.model import Inventory, Problem, Volume
from kvmnb.storage.usage import Usage


def overlays_on(path: str, seen: Inventory, verb: str) -> Iterator[Problem]:
    """Say which images lie on one: volumes of any pool, and files beside it that no pool has."""
    yield from _for("path", guards.overlays_on(_at(path, seen), seen, verb))
    yield from _other_names(path, seen, verb)


def in_use(path: str, seen: Inventory, verb: str) -> Iterator[Problem]:
    """Say who needs an image: guests, running or not, overlays, and what could not be looked at."""
    yield from _for("path", guards.in_use(_at(path, seen), seen, verb))


def held_open(path: str, seen: Inventory, verb: str) -> Iterator[Problem]:
    """Say that running guests have an image open."""
    yield from _for("path", guards.held_open(guards.image(path, seen), seen, verb))


def memory_saved(path: str, seen: Inventory, verb: str) -> Iterator[Problem]:
    """Say that guests which are off will go on with what they knew of an image."""
    yield from _for("path", guards.memory_saved(guards.image(path, seen), seen, verb))


def _at(path: str, seen: Inventory) -> Volume:
    """Give what lies at a path under just that path: where it is a link, what lies beside that counts too."""
    return replace(guards.image(path, seen), path=path)


def _other_names(path: str, seen: Inventory, verb: str) -> Iterator[Problem]:
    """Say that a file has more names than are known: under each of them something may lie on it."""
    images, reader, usage = seen.reader.images, seen.reader, Usage.of(seen)
    if images is None or images.links(path) < 2:
        return
    identity, real = reader.identity(path), usage.real(path)
    folder = image_rules.folder_of(real)
    names = {f"{folder.rstrip('/')}/{name}" for name in reader.entries(folder) or ()} | {*usage.by_path}
    known = [name for name in names if reader.identity(name) == identity and not images.is_link(name)]
    more = images.links(path) - len(known)
    if more > 0:
        yield Problem(
            f"The file {path!r} has {more} more name(s), hard links in other folders, and what lies on it "
            "there cannot be known",
            f"make a copy and {verb} that, or remove its other names first, which find -samefile lists",
            "path",
        )


def _for(field: str, problems: Iterator[Problem]) -> Iterator[Problem]:
    return (replace(problem, field=field) for problem in problems)
