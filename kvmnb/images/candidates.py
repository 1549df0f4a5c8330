"""What the comparison compares: formats with their options. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from kvmnb.errors import BadValue

#: Options that name another file, which is not the comparison's own.
_FILES = {"data_file", "backing_file"}

#: What an option's name is made of.
_KEY = re.compile(r"[A-Za-z0-9_.-]+")

#: Kinds of preallocation that take all space at once.
_WHOLE = {"falloc", "full"}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A disk format with options, as it is to be compared.

    Parameters
    ----------
    name : str
        Its short name: the format and what is special about it.
    format : str
        raw, qcow2 …
    options : tuple of (str, str)
        The format's own options, as ``qemu-img create -o`` takes them.
    compressed : bool
        Whether its data is written by ``qemu-img convert -c``.
    """

    name: str
    format: str
    options: tuple[tuple[str, str], ...] = ()
    compressed: bool = False

    @property
    def whole(self) -> bool:
        """Whether it takes all of its space when it is created."""
        return dict(self.options).get("preallocation") in _WHOLE or (
            dict(self.options).get("subformat") in {"fixed", "monolithicFlat", "twoGbMaxExtentFlat"}
            or dict(self.options).get("static") == "on"
        )

    @property
    def kind(self) -> Candidate:
        """The format with those options that matter to encryption: without its preallocation."""
        options = tuple((key, value) for key, value in self.options if key != "preallocation")
        return Candidate(self.format, self.format, options)

    @property
    def written(self) -> str:
        """The options as they are written after ``-o``."""
        return ",".join(f"{key}={value}" for key, value in self.options)


def _preallocated(format: str, *kinds: str) -> tuple[Candidate, ...]:
    return tuple(Candidate(f"{format} {kind}", format, (("preallocation", kind),)) for kind in kinds)


#: What is compared unless other formats are asked for.
CANDIDATES = (
    Candidate("raw", "raw"),
    *_preallocated("raw", "falloc", "full"),
    Candidate("qcow2", "qcow2"),
    *_preallocated("qcow2", "metadata", "falloc", "full"),
    Candidate("qcow2 compressed", "qcow2", compressed=True),
    Candidate("qcow2 extended_l2", "qcow2", (("extended_l2", "on"),)),
    Candidate("qcow", "qcow"),
    Candidate("vmdk", "vmdk"),
    Candidate("vdi", "vdi"),
    Candidate("vhdx", "vhdx"),
    Candidate("qed", "qed"),
    Candidate("vpc", "vpc"),
    Candidate("parallels", "parallels"),
    Candidate("luks", "luks"),
)

#: Everything is measured against this one.
RAW = CANDIDATES[0]


def choose(formats: Sequence[str | Candidate] | None, known: Sequence[str]) -> tuple[Candidate, ...]:
    """Give the candidates that are meant; raw is always among them, because all is measured against it.

    Parameters
    ----------
    formats : sequence of str or Candidate, or None
        Per candidate a name of `CANDIDATES`, such as ``"qcow2 metadata"``; or a format, with options after
        a colon, such as ``"vmdk:subformat=streamOptimized"``; None for all of `CANDIDATES`.
    known : sequence of str
        The formats that this qemu-img knows.

    Returns
    -------
    tuple of Candidate
        Each once, raw first.

    Raises
    ------
    BadValue
        A format that qemu-img does not know, options that are not written as key=value, or one that
        names a file.
    """
    if formats is None:
        return CANDIDATES
    words = [formats] if isinstance(formats, str) else list(formats)
    if not words:
        raise BadValue("No format was given to compare", "leave formats out for all of them")
    meant = [word if isinstance(word, Candidate) else _parse(word) for word in words]
    for candidate in meant:
        if candidate.format not in known:
            names = ", ".join(candidate.name for candidate in CANDIDATES)
            raise BadValue(
                f"This qemu-img knows no format {candidate.format!r}",
                f"choose from {names}, or FORMAT:KEY=VALUE",
            )
        for key, _ in candidate.options:
            if key in _FILES or not _KEY.fullmatch(key):
                raise BadValue(
                    f"The option {key!r} of {candidate.name!r} cannot be compared",
                    "leave it out: options that name files would have the comparison write to those"
                    if key in _FILES
                    else "give a name from qemu-img create -f FORMAT -o help",
                )
    return tuple(dict.fromkeys([RAW, *meant]))


def _parse(word: object) -> Candidate:
    if not isinstance(word, str) or not word.strip():
        raise BadValue(f"A format is a name, not {word!r}", "give for example 'qcow2' or 'raw full'")
    word = word.strip()
    for candidate in CANDIDATES:
        if candidate.name == word:
            return candidate
    head, _, options = word.partition(":")
    kind, _, extra = head.strip().partition(" ")
    if extra not in {"", "compressed"}:
        same = [candidate.name for candidate in CANDIDATES if candidate.format == kind]
        names = ", ".join(same) or ", ".join(candidate.name for candidate in CANDIDATES)
        raise BadValue(
            f"There is no candidate {word!r}", f"choose from {names}, or write options as {kind}:KEY=VALUE"
        )
    pairs = [pair.partition("=") for pair in options.split(",") if pair]
    for key, sign, value in pairs:
        if not (key.strip() and sign and value):
            raise BadValue(
                f"The options {options!r} of {kind!r} are not KEY=VALUE", "write KEY=VALUE,KEY=VALUE"
            )
    given = tuple((key.strip(), value) for key, _, value in pairs)
    name = " ".join([head.strip(), *(f"{key}={value}" for key, value in given)])
    return Candidate(name, kind, given, compressed=extra == "compressed")
