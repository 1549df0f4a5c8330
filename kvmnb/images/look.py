"""What qemu-img says of an image, and of one that is still to be made. Changes nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kvmnb.errors import BadImage, ProgramFailed
from kvmnb.images.answers import Check, Info, Snapshot
from kvmnb.images.headers import is_path, named, resolve
from kvmnb.images.opening import LOOK, WORK, Tell, alone, ask, chain, flags, parts, plain, spec
from kvmnb.programs import run
from kvmnb.units import LARGEST

#: What checking, mapping and comparing an image may take unless more is allowed: seconds.
PATIENCE = 120.0

#: A map that is longer, in characters, is of a million stretches or more, and no table any more.
LONGEST_MAP = 128 << 20

#: What qemu-img tells of an image, and the option of ``create`` that decides it, where the names differ.
_OPTION_NAMES = {"create_type": "subformat"}

#: Formats for which qemu-img can say beforehand how large an image becomes.
MEASURABLE = ("raw", "qcow2", "luks")


def info(path: str | Path, format: str) -> Info:
    """Read what an image says of itself; also of one that a guest has open.

    Parameters
    ----------
    path : str or Path
        Absolute path.
    format : str
        Its format.

    Returns
    -------
    Info
        Of this moment; nothing below the image is opened.

    Raises
    ------
    ProgramFailed
        It is no image of that format, or cannot be read.
    """
    told = _info(path, format)
    of_format = told.get("format-specific", {}).get("data", {})
    stat = Path(path).stat()
    regular = Path(path).is_file()
    if told["virtual-size"] > LARGEST:
        raise BadImage(
            f"The image {str(path)!r} says that it has {told['virtual-size']} bytes, more than 8 EiB",
            "do not use it: no disk is that large",
        )
    return Info(
        path=str(path),
        format=told["format"],
        virtual_size=told["virtual-size"],
        apparent_size=stat.st_size if regular else None,
        allocated_size=stat.st_blocks * 512 if regular else None,
        cluster_size=told.get("cluster-size"),
        backing_path=_backing(str(path), format) or told.get("full-backing-filename"),
        backing_format=told.get("backing-filename-format"),
        data_file=of_format.get("data-file"),
        snapshots=tuple(one["name"] for one in told.get("snapshots", ())),
        encrypted=bool(told.get("encrypted", False)),
        dirty=bool(told.get("dirty-flag", False)),
        corrupt=bool(of_format.get("corrupt", False)),
        options=tuple(_told_options(told, of_format)),
    )


def _backing(path: str, format: str) -> str | None:
    """Read the path of what an image lies on from its header: qemu-img's JSON loses what is not UTF-8."""
    name = named(path, format).backing
    return resolve(path, name) if name is not None and is_path(name) else name


def _info(path: str | Path, format: str) -> dict[str, Any]:
    # Older versions of qemu-img open even the file with the data (CVE-2024-4467): it gets an empty one.
    has_data = named(plain(path), format).data is not None
    if has_data:
        opened = ["--image-opts", f"{spec(str(path), format)},data-file.driver=null-co"]
    else:
        parts(str(path), format)
        opened = ["-f", format, str(path)]
    told: dict[str, Any] = json.loads(
        ask(["qemu-img", "info", "--output=json", "--force-share", *opened], **LOOK).stdout
    )
    return told


def _told_options(told: Mapping[str, Any], of_format: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "cluster-size" in told:
        yield "cluster_size", str(told["cluster-size"])
    for key, value in of_format.items():
        name = key.replace("-", "_")
        if isinstance(value, bool):
            yield name, "on" if value else "off"
        elif isinstance(value, str | int):
            yield _OPTION_NAMES.get(name, name), str(value)


def snapshots(path: str | Path, format: str) -> tuple[Snapshot, ...]:
    """List the internal snapshots of an image; also of one that a guest has open.

    Parameters
    ----------
    path : str or Path
        Absolute path.
    format : str
        Its format.

    Returns
    -------
    tuple of Snapshot
        In the order in which they are kept; nothing below the image is opened.

    Raises
    ------
    ProgramFailed
        It is no image of that format, or cannot be read.
    """
    return tuple(
        Snapshot(
            one["name"], one["id"], one["date-sec"] * 10**9 + one["date-nsec"], one.get("vm-state-size", 0)
        )
        for one in _info(path, format).get("snapshots", ())
    )


def extents(
    path: str | Path, format: str, *, whole_chain: bool = True, seconds: float = PATIENCE
) -> list[dict[str, Any]]:
    """Map the guest's disk: which stretch is held where; also of an image that a guest has open.

    Parameters
    ----------
    path : str or Path
        Absolute path.
    format : str
        Its format.
    whole_chain : bool
        Whether to look into the images below it too.
    seconds : float
        The most time that it may take.

    Returns
    -------
    list of dict
        As ``qemu-img map --output=json`` gives it.

    Raises
    ------
    BadImage
        Its chain is not to be opened, or it lies in far too many pieces.
    ProgramFailed
        It is no image of that format, or cannot be read.
    """
    found = parts(str(path), format)
    if whole_chain:
        chain(path, format)
        opened = ["-f", format, str(path)]
    else:
        opened = alone(str(path), format, found)
    command = ["qemu-img", "map", "--output=json", "--force-share", *opened]
    done = ask(command, _few(path), timeout=seconds, cpu_seconds=int(seconds) + 1, memory=8 << 30)
    told: list[dict[str, Any]] = json.loads(done.stdout)
    return told


def _few(path: str | Path) -> Tell:
    """End a map that grows without end: an image of a stranger could fill the memory with it."""
    length = 0

    def count(piece: str) -> None:
        nonlocal length
        length += len(piece)
        if length > LONGEST_MAP:
            raise BadImage(
                f"The image {str(path)!r} lies in a million pieces or more", "copy it to a new image"
            )

    return count


def same(first: tuple[str | Path, str], second: tuple[str | Path, str]) -> bool:
    """Compare what guests see of two images.

    Parameters
    ----------
    first, second : tuple
        Path and format of each.

    Returns
    -------
    bool
        Whether they hold the same; what one has beyond the end of the other must be zeros.

    Raises
    ------
    ProgramFailed
        One of them cannot be read.
    """
    chain(*first)
    chain(*second)
    command = ["qemu-img", "compare", "-q", "-f", first[1], "-F", second[1]]
    done = run([*command, plain(first[0]), plain(second[0])], check=False, **WORK)
    if done.returncode not in {0, 1}:
        raise ProgramFailed(
            f"{second[0]} could not be compared with {first[0]}: {done.stderr.strip()}",
            "see that both are there",
        )
    return done.returncode == 0


def measure(format: str, size: int, options: Mapping[str, str] | None = None) -> tuple[int, int] | None:
    """Tell how large a new image becomes: empty, and when it is full.

    Parameters
    ----------
    format : str
        raw, qcow2 …
    size : int
        The size that a guest sees, in bytes.
    options : mapping of str to str, optional
        The format's own options.

    Returns
    -------
    tuple of int, or None
        Bytes that it needs at first and at most; None for a format that cannot tell.
    """
    if format not in MEASURABLE:
        return None
    command = ["qemu-img", "measure", "--output=json", "-O", format, *flags(options or {})]
    told = json.loads(run([*command, "--size", str(size)], **LOOK).stdout)
    return told["required"], told["fully-allocated"]


def create_options(format: str) -> dict[str, str]:
    """Ask which options a new image of a format can have.

    Parameters
    ----------
    format : str
        raw, qcow2 …

    Returns
    -------
    dict of str to str
        What each is for, as qemu-img says it. What the file system's driver adds is among them.

    Raises
    ------
    ProgramFailed
        This qemu-img cannot make images of that format.
    """
    # With a file name it tells those of the file too; nothing is made by asking.
    said = run(["qemu-img", "create", "-f", format, "-o", "help", "/nothing"], **LOOK).stdout
    found = re.findall(r"^\s+(\S+?)=<[^>]*>\s+(?:- )?(.*)$", said, re.MULTILINE)
    return {name: meaning.strip() for name, meaning in found}


def check(path: str | Path, format: str, *, repair: bool = False, seconds: float = WORK["timeout"]) -> Check:
    """Look whether an image is consistent, and mend it if asked to.

    Parameters
    ----------
    path : str or Path
        Absolute path of an image that nobody has open.
    format : str
        Its format: one that has tables to check, such as qcow2.
    repair : bool
        Whether to mend what is found; keep a copy first.
    seconds : float
        The most time that it may take.

    Returns
    -------
    Check
        What was found.

    Raises
    ------
    ProgramFailed
        It cannot be checked: the format has no tables, the image is open elsewhere, or far too broken.
    """
    mend = ["-r", "all"] if repair else []
    # What lies below need not be read to check it.
    opened = alone(plain(path), format, parts(str(path), format))
    command = ["qemu-img", "check", "--output=json", *mend, *opened]
    limits: dict[str, Any] = {"timeout": seconds, "cpu_seconds": int(seconds) + 1, "memory": 8 << 30}
    done = run(command, check=False, **limits)
    # 2 is "corrupt" and 3 "leaks": answers, not failures.
    if done.returncode not in {0, 2, 3}:
        done = ask(command, **limits)  # it fails once more, in words
    told = json.loads(done.stdout)
    fixed = told.get("corruptions-fixed", 0) + told.get("leaks-fixed", 0)
    return Check(told.get("corruptions", 0), told.get("leaks", 0), fixed)
