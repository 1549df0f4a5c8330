"""Bytes to words and back: ``"20 GiB"`` and ``21474836480``.

The unit letters mean what they mean to libvirt and virsh: ``K``, ``M``, ``G`` … and ``KiB``, ``MiB``,
``GiB`` … count in 1024s, ``KB``, ``MB``, ``GB`` … in 1000s.
"""

from __future__ import annotations

import re
from decimal import Context, Decimal

from kvmnb.errors import BadValue

_LETTERS = "KMGTPE"
_BINARY = {letter: 1024**power for power, letter in enumerate(_LETTERS, 1)}
_UNITS: dict[str, int] = (
    {"": 1, "b": 1, "byte": 1, "bytes": 1}
    | {letter.lower(): size for letter, size in _BINARY.items()}
    | {f"{letter.lower()}ib": size for letter, size in _BINARY.items()}
    | {f"{letter.lower()}b": 1000**power for power, letter in enumerate(_LETTERS, 1)}
)
_SIZE = re.compile(r"\s*(?P<number>[+-]?\d+(?:\.\d+)?)\s*(?P<unit>[A-Za-z]*)\s*", re.ASCII)

#: The largest size that libvirt and QEMU can hold: 8 EiB less one byte.
LARGEST = 2**63 - 1

#: How a size may be written, for error messages.
EXAMPLES = 'write a whole number of bytes, or a number and a unit such as "20 GiB", "512M" or "10GB"'


def parse_size(text: str | int) -> int:
    """Read a size as bytes.

    Parameters
    ----------
    text : str or int
        Bytes as an integer, or text such as ``"10G"``, ``"10 GiB"``, ``"1.5T"`` or ``"10GB"``.

    Returns
    -------
    int
        The size in bytes.

    Raises
    ------
    BadValue
        The text is no size, its unit is unknown, or it is negative, too large or not whole bytes.

    Examples
    --------
    >>> parse_size("10G"), parse_size("10GB"), parse_size(512)
    (10737418240, 10000000000, 512)
    """
    if isinstance(text, bool):
        raise BadValue(f"{text!r} is not a size", EXAMPLES)
    if isinstance(text, int):  # a huge one cannot even be written as text
        return _checked(Decimal(text), str(text) if abs(text) <= LARGEST * 10 else "the size")
    match = _SIZE.fullmatch(str(text))
    if match is None:
        raise BadValue(f"{text!r} is not a size", EXAMPLES)
    unit = _UNITS.get(match["unit"].lower())
    if unit is None:
        raise BadValue(f"{text!r} has the unknown unit {match['unit']!r}", EXAMPLES)
    exactly = Context(prec=len(match["number"]) + 20)  # room for every digit of the product
    return _checked(exactly.multiply(Decimal(match["number"]), Decimal(unit)), repr(text))


def _checked(size: Decimal, shown: str) -> int:
    if size < 0:
        raise BadValue(f"{shown} is negative", "a size is zero bytes or more")
    if size > LARGEST:
        raise BadValue(f"{shown} is too large", "the largest size that libvirt can hold is 8 EiB less a byte")
    if size % 1:
        raise BadValue(f"{shown} is not a whole number of bytes", EXAMPLES)
    return int(size)


def format_size(size: int) -> str:
    """Write bytes for a person, in units of 1024, with at most two decimals.

    Parameters
    ----------
    size : int
        Bytes.

    Returns
    -------
    str
        For example ``"10 GiB"``, ``"192.02 KiB"`` or ``"0 bytes"``.

    Examples
    --------
    >>> format_size(10 * 1024**3), format_size(196624), format_size(1)
    ('10 GiB', '192.02 KiB', '1 byte')
    """
    for power in range(len(_LETTERS), 0, -1):
        if abs(size) >= 1024**power:
            number = f"{size / 1024**power:.2f}".rstrip("0").rstrip(".")
            if number.lstrip("-") == "1024" and power < len(_LETTERS):  # rounded up to the next unit
                return f"{number.replace('1024', '1')} {_LETTERS[power]}iB"
            return f"{number} {_LETTERS[power - 1]}iB"
    return f"{size} byte" if abs(size) == 1 else f"{size} bytes"


def virsh_size(size: int) -> str:
    """Write bytes as virsh reads them, exactly: ``10G`` where it comes out even, else ``1000B``.

    Parameters
    ----------
    size : int
        Bytes.

    Returns
    -------
    str
        A scaled integer that stands for exactly these bytes.
    """
    for letter in reversed(_LETTERS):
        if size and size % _BINARY[letter] == 0:
            return f"{size // _BINARY[letter]}{letter}"
    return f"{size}B"
