"""Every error says what was wrong and what to do, and can be caught as what it is."""

from __future__ import annotations

import pickle

import libvirt
import pandas as pd
import pytest

from kvmnb import errors
from kvmnb.errors import ActionFailed, KvmnbError, LibvirtFailed, Refused
from kvmnb.storage.connection import quiet, translate

_ALL = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, KvmnbError)]


def _make(kind: type[KvmnbError]) -> KvmnbError:
    if kind is ActionFailed:
        return ActionFailed("it is broken", "mend it", pd.DataFrame({"step": [1]}))
    return kind("it is broken", "mend it")


@pytest.mark.parametrize("kind", _ALL)
def test_it_is_two_sentences(kind: type[KvmnbError]) -> None:
    error = _make(kind)
    assert str(error) == "it is broken. Mend it."
    assert (error.what, error.remedy) == ("it is broken", "mend it")
    assert kind.__doc__


@pytest.mark.parametrize(
    ("name", "builtin"),
    [
        ("BadValue", ValueError),
        ("NotFound", LookupError),
        ("Unreachable", ConnectionError),
        ("ReadOnly", PermissionError),
    ],
)
def test_it_is_a_builtin_too(name: str, builtin: type[Exception]) -> None:
    assert issubclass(getattr(errors, name), builtin)


@pytest.mark.parametrize("kind", [k for k in _ALL if k is not ActionFailed])
def test_it_goes_through_a_pickle(kind: type[KvmnbError]) -> None:
    again = pickle.loads(pickle.dumps(_make(kind)))  # noqa: S301 - made here
    assert type(again) is kind
    assert str(again) == str(_make(kind))


def test_what_stands_in_the_way_is_kept() -> None:
    assert Refused("a", "b", (1, 2)).problems == (1, 2)
    assert LibvirtFailed("a", "b", code=1, domain=18).code == 1


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda c: c.storagePoolLookupByName("absent"), errors.NotFound, "absent"),
        (lambda c: c.storagePoolLookupByName("default-pool").refresh(7), errors.LibvirtFailed, "do it"),
        (lambda c: c.lookupByName("absent"), errors.NotFound, "host.guests()"),
        (lambda c: c.storagePoolDefineXML("<pool"), errors.LibvirtFailed, "do it"),
    ],
)
def test_libvirts_errors_are_told_by_their_code(call: object, kind: type[KvmnbError], words: str) -> None:
    quiet()
    connection = libvirt.open("test:///default")
    with pytest.raises(libvirt.libvirtError) as raised:
        call(connection)  # type: ignore[operator]
    connection.close()
    error = translate(raised.value, "do it")
    assert type(error) is kind
    assert str(error).startswith("Could not do it: ")
    assert words in str(error)
    assert ".." not in str(error)


def test_a_change_of_a_reading_connection_is_read_only() -> None:
    quiet()
    connection = libvirt.openReadOnly("test:///default")
    with pytest.raises(libvirt.libvirtError) as raised:
        connection.storagePoolDefineXML("<pool type='dir'/>")
    connection.close()
    assert type(translate(raised.value, "do it")) is errors.ReadOnly
