"""What the hosts of a fleet are called, whether or not they can be reached. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from kvmnb.errors import BadValue

_FORM = "give libvirt URIs as text, such as ['qemu+ssh://kvm1/system', 'qemu+ssh://kvm2/system']"


def label_hosts(uris: Mapping[str, str] | Iterable[str]) -> dict[str, str]:
    """Give each host's URI by the label of the host.

    Parameters
    ----------
    uris : mapping of str to str, or iterable of str
        URIs by label; or URIs alone, which are labelled by the host in the URI if it has one, else by the
        URI itself.

    Returns
    -------
    dict
        URIs by label, in the order given.

    Raises
    ------
    BadValue
        There is none, one is no text or no URI, two have the same label, or one is there twice.

    Examples
    --------
    >>> label_hosts(["qemu+ssh://root@kvm1:2222/system", "qemu:///system"])
    {'kvm1': 'qemu+ssh://root@kvm1:2222/system', 'qemu:///system': 'qemu:///system'}
    """
    if isinstance(uris, str | bytes) or not isinstance(uris, Iterable):
        raise BadValue(f"{uris!r} is no list of URIs", _FORM)
    pairs = list(uris.items()) if isinstance(uris, Mapping) else [(_label(uri), uri) for uri in uris]
    if not pairs:
        raise BadValue("A fleet without hosts has nothing to read", _FORM)
    labelled: dict[str, str] = {}
    label_of: dict[str, str] = {}
    for label, uri in pairs:
        if not isinstance(label, str) or not label:
            raise BadValue(f"{label!r} is no label of a host", "label each URI with a word")
        _check(uri)
        if uri in label_of:
            raise BadValue(
                f"The URI {uri} is there twice", "leave one of them out: its rows would count twice"
            )
        if label in labelled:
            both = f"{labelled[label]} and {uri}"
            remedy = f"label them yourself: kvmnb.fleet({{'one': {labelled[label]!r}, 'two': {uri!r}}})"
            raise BadValue(
                f"{both} are both on the host {label!r}, so their rows could not be told apart", remedy
            )
        labelled[label] = uri
        label_of[uri] = label
    return labelled


def _label(uri: object) -> str:
    return _check(uri) or str(uri)


def _check(uri: object) -> str | None:
    """Refuse what can be no URI; give the host in one that can."""
    if not isinstance(uri, str) or not uri:
        raise BadValue(f"{uri!r} is no URI", _FORM)
    try:
        return urlsplit(uri).hostname
    except ValueError as error:  # such as an address in brackets that do not close
        raise BadValue(f"{uri!r} is no URI: {error}", _FORM) from error
