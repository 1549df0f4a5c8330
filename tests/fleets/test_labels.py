"""A host is called what its URI says, whether or not it can be reached."""

from __future__ import annotations

from typing import Any

import pytest

from kvmnb.errors import BadValue
from kvmnb.fleets.labels import label_hosts


def test_a_host_is_called_by_the_host_in_its_uri_else_by_the_uri() -> None:
    uris = [
        "qemu+ssh://root@KVM1:2222/system?keyfile=/k",
        "qemu:///system",
        "qemu+tls://[fe80::1]/system",
        "qemu+unix:///system?socket=/run/one",
        "test:///default",
    ]
    assert label_hosts(uris) == dict(zip(["kvm1", uris[1], "fe80::1", *uris[3:]], uris, strict=True))
    assert list(label_hosts(reversed(uris))) == ["test:///default", uris[3], "fe80::1", uris[1], "kvm1"]


def test_labels_can_be_given() -> None:
    assert label_hosts({"a": "qemu+ssh://kvm1/system", "b": "lxc+ssh://kvm1/"}) == {
        "a": "qemu+ssh://kvm1/system",
        "b": "lxc+ssh://kvm1/",
    }


@pytest.mark.parametrize(
    ("uris", "said"),
    [
        ([], "A fleet without hosts has nothing to read. Give libvirt URIs"),
        ({}, "A fleet without hosts"),
        ("qemu:///system", "'qemu:///system' is no list of URIs"),
        (b"qemu:///system", "is no list of URIs"),
        (None, "None is no list of URIs"),
        (7, "7 is no list of URIs"),
        ([None], "None is no URI"),
        ([""], "'' is no URI"),
        ([b"test:///default"], "is no URI"),
        (["qemu+ssh://[::1/system"], "is no URI: Invalid IPv6 URL"),
        ({"a": 1}, "1 is no URI"),
        ({"": "test:///default"}, "'' is no label of a host. Label each URI with a word"),
        ({1: "test:///default"}, "1 is no label of a host"),
        (["test:///default", "test:///default"], "test:///default is there twice. Leave one of them out"),
        ({"a": "test:///default", "b": "test:///default"}, "is there twice"),
        (
            ["qemu+ssh://kvm1/system", "qemu+ssh://root@KVM1/session"],
            "are both on the host 'kvm1', so their rows could not be told apart. Label them yourself: "
            r"kvmnb.fleet\({'one': 'qemu\+ssh://kvm1/system', 'two': 'qemu\+ssh://root@KVM1/session'}\)",
        ),
    ],
)
def test_what_is_no_fleet_is_refused(uris: Any, said: str) -> None:  # noqa: ANN401 - anything may be given
    with pytest.raises(BadValue, match=said):
        label_hosts(uris)
