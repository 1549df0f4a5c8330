"""qemu-img and qemu-io as functions: the format is always said, time and memory are limited, never a shell.

An image may be anybody's. Its format is never guessed, since a raw image that a guest wrote to can claim to
be anything, and a hostile header can ask for gigabytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kvmnb.errors import BadValue
from kvmnb.programs import follow, run

#: Told which part of a job is behind, from 0 to 1.
Share = Callable[[float], None]

#: What looking at an image may take: seconds of waiting, seconds of a processor, bytes of address space.
_LOOK = {"timeout": 30.0, "cpu_seconds": 20, "memory": 4 << 30}

#: What changing an image may take. Copying a large one is slow, so only a hang ends it.
_WORK = {"timeout": 6 * 3600.0, "memory": 8 << 30}

_SHARE = re.compile(r"\((\d+(?:\.\d+)?)/100%\)")


@dataclass(frozen=True, slots=True)
class Info:
    """What an image says of itself, and what it takes on the host. Sizes are bytes.

    Parameters
    ----------
    path : str
        Where it lies.
    format : str
        Its format, as it was said.
    virtual_size : int
        The size that a guest sees.
    apparent_size : int or None
        The end of the file, what ``ls -l`` says; None for a device.
    allocated_size : int or None
        The blocks that it takes, what ``du`` says.
    cluster_size : int or None
        The unit in which it is allocated, where the format has one.
    backing_path, backing_format : str or None
        The image that it is an overlay of.
    data_file : str or None
        The file that holds its data, where it does not do so itself.
    snapshots : tuple of str
        Names of its internal snapshots.
    encrypted, dirty, corrupt : bool
        Whether it is encrypted, was not closed properly, or is marked as corrupt.
    """

    path: str
    format: str
    virtual_size: int
    apparent_size: int | None
    allocated_size: int | None
    cluster_size: int | None = None
    backing_path: str | None = None
    backing_format: str | None = None
    data_file: str | None = None
    snapshots: tuple[str, ...] = ()
    encrypted: bool = False
    dirty: bool = False
    corrupt: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """What ``qemu-img check`` found.

    Parameters
    ----------
    corruptions, leaks : int
        Clusters that are wrong, and clusters that are taken but used by nothing.
    repaired : int
        How many of both were mended.
    """

    corruptions: int
    leaks: int
    repaired: int = 0

    @property
    def sound(self) -> bool:
        """Whether the image is consistent; leaks waste space, but harm nothing."""
        return self.corruptions == 0


def _plain(path: str | Path) -> str:
    """Give a path as qemu-img takes it for a file: absolute, so that ``a:b`` or ``-x`` means a file too."""
    text = str(path)
    if not text.startswith("/"):
        raise BadValue(f"{text!r} is no absolute path", "give a path that begins with /")
    return text


def _options(options: Mapping[str, str]) -> list[str]:
    """Give ``-o`` options; a comma in a value is doubled, since a single one would begin the next option."""
    return [word for key, value in options.items() for word in ("-o", f"{key}={value.replace(',', ',,')}")]


def create(
    path: str | Path,
    format: str,
    size: int | None,
    options: Mapping[str, str] | None = None,
    *,
    backing: tuple[str, str] | None = None,
) -> None:
    """Create an image. A file that exists is an error of qemu-img's caller: look first.

    Parameters
    ----------
    path : str or Path
        Absolute path of the new file.
    format : str
        raw, qcow2 …
    size : int or None
        The size that a guest sees, in bytes; None takes that of the backing store.
    options : mapping of str to str, optional
        The format's own options, such as ``preallocation``.
    backing : tuple of str, optional
        Path and format of the image that it is to be an overlay of.

    Raises
    ------
    ProgramFailed
        qemu-img refused; the message repeats what it said.
    """
    below = ["-b", backing[0], "-F", backing[1]] if backing else []
    length = [] if size is None else [str(size)]
    run(
        ["qemu-img", "create", "-q", "-f", format, *_options(options or {}), *below, _plain(path), *length],
        **_WORK,  # type: ignore[arg-type]
    )


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
    command = ["qemu-img", "info", "--output=json", "--force-share", "-f", format, _plain(path)]
    told: dict[str, Any] = json.loads(run(command, **_LOOK).stdout)  # type: ignore[arg-type]
    of_format = told.get("format-specific", {}).get("data", {})
    stat = Path(path).stat()
    regular = Path(path).is_file()
    return Info(
        path=str(path),
        format=told["format"],
        virtual_size=told["virtual-size"],
        apparent_size=stat.st_size if regular else None,
        allocated_size=stat.st_blocks * 512 if regular else None,
        cluster_size=told.get("cluster-size"),
        backing_path=told.get("full-backing-filename") or told.get("backing-filename"),
        backing_format=told.get("backing-filename-format"),
        data_file=of_format.get("data-file"),
        snapshots=tuple(one["name"] for one in told.get("snapshots", ())),
        encrypted=bool(told.get("encrypted", False)),
        dirty=bool(told.get("dirty-flag", False)),
        corrupt=bool(of_format.get("corrupt", False)),
    )


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
    command = ["qemu-img", "measure", "--output=json", "-O", format, *_options(options or {})]
    told = json.loads(run([*command, "--size", str(size)], **_LOOK).stdout)  # type: ignore[arg-type]
    return told["required"], told["fully-allocated"]


#: Formats for which qemu-img can say beforehand how large an image becomes.
MEASURABLE = ("raw", "qcow2", "luks")


def check(path: str | Path, format: str, *, repair: bool = False) -> Check:
    """Look whether an image is consistent, and mend it if asked to.

    Parameters
    ----------
    path : str or Path
        Absolute path of an image that nobody has open.
    format : str
        Its format: one that has tables to check, such as qcow2.
    repair : bool
        Whether to mend what is found; keep a copy first.

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
    command = ["qemu-img", "check", "--output=json", *mend, "-f", format, _plain(path)]
    # 2 is "corrupt" and 3 "leaks": answers, not failures.
    done = run(command, timeout=_WORK["timeout"], memory=8 << 30, check=False)
    if done.returncode not in {0, 2, 3}:
        run(command, timeout=_WORK["timeout"], memory=8 << 30)
    told = json.loads(done.stdout)
    fixed = told.get("corruptions-fixed", 0) + told.get("leaks-fixed", 0)
    return Check(told.get("corruptions", 0), told.get("leaks", 0), fixed)


def convert(
    source: tuple[str | Path, str],
    target: tuple[str | Path, str],
    options: Mapping[str, str] | None = None,
    *,
    compress: bool = False,
    share: Share | None = None,
) -> None:
    """Copy an image, with all that lies below it, to a new one of another or the same format.

    Parameters
    ----------
    source, target : tuple
        Path and format of each.
    options : mapping of str to str, optional
        The new format's own options.
    compress : bool
        Whether to compress it.
    share : callable, optional
        Told which part is behind, from 0 to 1.

    Raises
    ------
    ProgramFailed
        qemu-img refused, or failed on the way; what it had written stays for the caller to remove.
    """
    squeeze = ["-c"] if compress else []
    show = ["-p"] if share else []
    words = ["-f", source[1], "-O", target[1], *_options(options or {}), *squeeze, *show]
    command = ["qemu-img", "convert", *words, _plain(source[0]), _plain(target[0])]
    if share is None:
        run(command, **_WORK)  # type: ignore[arg-type]
    else:
        follow(command, _shares(share), **_WORK)  # type: ignore[arg-type]


def _shares(share: Share) -> Callable[[str], None]:
    """Read the progress that ``qemu-img -p`` writes, in whatever pieces it comes."""
    rest = ""

    def tell(piece: str) -> None:
        nonlocal rest
        rest += piece
        found = list(_SHARE.finditer(rest))
        if found:
            rest = rest[found[-1].end() :]
            share(float(found[-1][1]) / 100)

    return tell


def resize(path: str | Path, format: str, size: int, *, shrink: bool = False) -> None:
    """Change the size that a guest sees.

    Parameters
    ----------
    path : str or Path
        Absolute path of an image that nobody has open.
    format : str
        Its format.
    size : int
        The new size in bytes.
    shrink : bool
        The word that a smaller size is meant: what lies beyond it is lost.
    """
    less = ["--shrink"] if shrink else []
    run(["qemu-img", "resize", "-q", *less, "-f", format, _plain(path), str(size)], **_WORK)  # type: ignore[arg-type]


def snapshot(path: str | Path, format: str, verb: str, name: str) -> None:
    """Create, apply or delete an internal snapshot.

    Parameters
    ----------
    path : str or Path
        Absolute path of an image that nobody has open.
    format : str
        Its format.
    verb : {"create", "apply", "delete"}
        What to do. Applying loses what was written since.
    name : str
        The snapshot's name.
    """
    flags = {"create": "-c", "apply": "-a", "delete": "-d"}
    if verb not in flags:
        raise BadValue(f"{verb!r} cannot be done to a snapshot", f"choose one of: {', '.join(flags)}")
    place = f"driver={format},file.driver=file,file.filename={_plain(path).replace(',', ',,')}"
    run(["qemu-img", "snapshot", "-q", flags[verb], name, "--image-opts", place], **_WORK)  # type: ignore[arg-type]


def io(path: str | Path, format: str, commands: Sequence[str], *, discard: bool = False) -> None:
    """Read and write within an image by commands of qemu-io.

    Parameters
    ----------
    path : str or Path
        Absolute path of an image that nobody has open.
    format : str
        Its format.
    commands : sequence of str
        Such as ``"write -P 0xaa 0 1M"`` or ``"discard 0 1M"``.
    discard : bool
        Whether a discard reaches the file, so that its space is given back.
    """
    trim = ["-d", "unmap"] if discard else []
    words = [word for command in commands for word in ("-c", command)]
    done = run(["qemu-io", "-f", format, *trim, *words, _plain(path)], **_WORK)  # type: ignore[arg-type]
    # qemu-io ends with 0 after most failures of a command, and only says so.
    failed = [line for line in done.stdout.splitlines() if "failed" in line or "No such" in line]
    if failed:
        raise BadValue(f"qemu-io could not do it: {failed[0]}", "see that the image is large enough")
