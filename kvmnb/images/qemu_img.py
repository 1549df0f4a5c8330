"""qemu-img and qemu-io as functions: the format is always said, time and memory are limited, never a shell.

An image may be anybody's. Its format is never guessed, since a raw image that a guest wrote to can claim to
be anything, and a hostile header can ask for gigabytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from kvmnb.errors import BadValue
from kvmnb.images.answers import Check, Info, Snapshot
from kvmnb.images.headers import resolve
from kvmnb.images.look import MEASURABLE, check, create_options, extents, info, measure, same, snapshots
from kvmnb.images.opening import WORK, Share, ask, chain, flags, plain, shares, spec
from kvmnb.programs import run

__all__ = [
    "MEASURABLE",
    "Check",
    "Info",
    "Snapshot",
    "chain",
    "check",
    "commit",
    "convert",
    "create",
    "create_options",
    "extents",
    "info",
    "io",
    "measure",
    "resize",
    "same",
    "snapshot",
    "snapshots",
]


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
    BadImage
        What lies below it is not to be opened.
    ProgramFailed
        qemu-img refused; the message repeats what it said.
    """
    below = ["-b", backing[0], "-F", backing[1]] if backing else []
    if backing:
        chain(resolve(plain(path), backing[0]), backing[1])
    length = [] if size is None else [str(size)]
    ask(
        ["qemu-img", "create", "-q", "-f", format, *flags(options or {}), *below, plain(path), *length],
        **WORK,
    )


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
    BadImage
        What lies below the source is not to be opened.
    ProgramFailed
        qemu-img refused, or failed on the way; what it had written stays for the caller to remove.
    """
    squeeze = ["-c"] if compress else []
    show = ["-p"] if share else []
    words = ["-f", source[1], "-O", target[1], *flags(options or {}), *squeeze, *show]
    chain(*source)
    tell = shares(share) if share else None
    ask(["qemu-img", "convert", *words, plain(source[0]), plain(target[0])], tell, **WORK)


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
    chain(path, format)
    ask(["qemu-img", "resize", "-q", *less, "-f", format, plain(path), str(size)], **WORK)


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
    chain(path, format)
    ask(["qemu-img", "snapshot", "-q", flags[verb], name, "--image-opts", spec(str(path), format)], **WORK)


def commit(path: str | Path, format: str) -> None:
    """Write what an overlay holds to the image that it lies on, and empty the overlay.

    Parameters
    ----------
    path : str or Path
        Absolute path of an overlay; neither it nor its base is open elsewhere.
    format : str
        Its format.
    """
    chain(path, format)
    ask(["qemu-img", "commit", "-q", "-f", format, plain(path)], **WORK)


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
    done = run(["qemu-io", "-f", format, *trim, *words, plain(path)], **WORK)
    # qemu-io ends with 0 after most failures of a command, and only says so.
    failed = [line for line in done.stdout.splitlines() if "failed" in line or "No such" in line]
    if failed:
        raise BadValue(f"qemu-io could not do it: {failed[0]}", "see that the image is large enough")
