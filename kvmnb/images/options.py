"""The options of a new image as one text, as after ``-o`` of qemu-img, and back. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from kvmnb.errors import BadValue


def write_options(options: Mapping[str, object] | str) -> str:
    """Write options as qemu-img reads them after ``-o``.

    Parameters
    ----------
    options : mapping or str
        Such as ``{"cluster_size": "2M", "extended_l2": True}``; text is taken as it is.

    Returns
    -------
    str
        Such as ``cluster_size=2M,extended_l2=on``; empty for none.

    Raises
    ------
    BadValue
        It is neither.
    """
    if isinstance(options, str):
        return options
    if not isinstance(options, Mapping):
        raise BadValue(f"{options!r} are no options", 'write them as "cluster_size=2M,extended_l2=on"')
    return ",".join(f"{key}={_value(value).replace(',', ',,')}" for key, value in options.items())


def _value(value: object) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else str(value)


def read_options(text: str) -> dict[str, str]:
    """Read options as qemu-img does after ``-o``.

    Parameters
    ----------
    text : str
        Such as ``cluster_size=2M,extended_l2=on``.

    Returns
    -------
    dict of str to str
        Their values by their names.

    Raises
    ------
    BadValue
        Something in it is no ``name=value``.

    Examples
    --------
    >>> read_options("cluster_size=2M,extended_l2=on")
    {'cluster_size': '2M', 'extended_l2': 'on'}
    """
    found: dict[str, str] = {}
    # A NUL can stand in no argument of a program, so it can stand for the comma here.
    for word in text.replace(",,", "\0").split(",") if text else []:
        name, sign, value = word.replace("\0", ",").partition("=")
        if not sign or not name or name.strip() != name:
            raise BadValue(f"{word!r} in the options {text!r} is no NAME=VALUE", 'write "cluster_size=2M"')
        found[name] = value
    return found
