"""What is known of the file systems on each disk of a guest, from what was read in the guest. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kvmnb.guests.reading import Contents

#: What is of no type that is known and no larger holds a boot loader, or is kept free for one: the BIOS boot,
#: PReP and Microsoft reserved partitions, none of which holds files.
_BOOT = 16 << 20

_Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Inside:
    """What the file systems on one disk hold. Sizes are bytes.

    Parameters
    ----------
    filesystems : tuple of str
        Their names.
    used, free : int or None
        How much they hold, and how much of them is free; None where not all of it is known.
    free_least : int
        How much is free at least.
    free_most : int or None
        How much is free at most; None where nothing limits it but the disk.
    status, problem : str
        What is not known; ``ok`` and empty where all is.
    """

    filesystems: tuple[str, ...] = ()
    used: int | None = None
    free: int | None = None
    free_least: int = 0
    free_most: int | None = None
    status: str = "ok"
    problem: str = ""


#: For a disk into which nobody has looked.
NOT_READ = Inside(status="not read inside", problem="the guests' disks were not looked into")


def insides(contents: Iterable[Contents]) -> dict[tuple[str, str], Inside]:
    """Give what is known per guest and disk, by their names.

    A disk that is not among them was not looked into.
    """
    found: dict[tuple[str, str], Inside] = {}
    for one in contents:
        targets = dict.fromkeys(disk.target for disk in one.guest.disks)
        by_target: dict[str, list[_Row]] = {target: [] for target in targets}
        for row in one.rows:
            # What is said of no disk is said of the guest, and so of each.
            for target in row.get("disks") or by_target:
                by_target.setdefault(target, []).append(row)
        found |= {(one.guest.name, target): _inside(rows) for target, rows in by_target.items() if rows}
    return found


def _inside(rows: list[_Row]) -> Inside:
    """Sum up one disk: what is known of it, and what is not."""
    used = free = 0
    most: int | None = 0
    problems: list[tuple[str, str]] = []
    for row in {_identity(number, row): row for number, row in enumerate(rows)}.values():
        others = [one for one in row.get("disks", ()) if one]
        spread = len(others) > 1 and "filesystem" in row
        sizes = _sizes(row)
        if sizes is not None and not spread:
            used, free = used + sizes[0], free + sizes[1]
            most = None if most is None else most + sizes[1]
        elif not _holds_no_files(row):
            # Of what cannot be read all may be free, and of what is spread all may be free on this disk.
            limit = sizes[1] if sizes is not None else row.get("size")
            most = None if most is None or limit is None else most + limit
            problems.append(_problem(row, others, spread=spread))
    names = tuple(dict.fromkeys(row["filesystem"] for row in rows if row.get("filesystem")))
    if problems:
        said = "; ".join(dict.fromkeys(text for _, text in problems))
        return Inside(names, None, None, free, most, problems[0][0], said)
    return Inside(names, used, free, free, free)


def _identity(number: int, row: Mapping[str, Any]) -> object:
    """Give what rows of one file system have in common: subvolumes of btrfs share its figures."""
    return row.get("device") or number


def _sizes(row: Mapping[str, Any]) -> tuple[int, int] | None:
    """Give what a file system holds and what of it is free; None where that was not read, or is in doubt."""
    capacity, used = row.get("capacity"), row.get("used")
    if row["status"] != "ok" or capacity is None or used is None:
        return None
    return used, max(0, capacity - used)


def _holds_no_files(row: Mapping[str, Any]) -> bool:
    if row["status"] == "swap":
        return True
    size = row.get("size")
    return row["status"] == "unknown" and size is not None and size <= _BOOT


def _problem(row: Mapping[str, Any], disks: list[str], *, spread: bool) -> tuple[str, str]:
    name, reason = row.get("filesystem"), row.get("reason") or "it cannot be known"
    if spread and row["status"] == "ok":
        return "spread", f"{name} lies on {', '.join(disks)} together"
    return str(row["status"]), f"{name}: {reason}" if name else str(reason)
