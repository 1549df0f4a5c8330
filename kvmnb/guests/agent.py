"""Asking a running guest's own agent for its file systems, through libvirt."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from xml.etree import ElementTree as ET

import libvirt

from kvmnb.errors import KvmnbError
from kvmnb.storage.connection import Connection
from kvmnb.storage.model import Guest

#: Seconds that an agent has to answer one question; one under emulation needs a tenth of one.
PATIENCE = 5

#: The channel's name, by which QEMU's guest agent is found.
_CHANNEL = "org.qemu.guest_agent.0"

_TYPES = (
    libvirt.VIR_DOMAIN_GUEST_INFO_FILESYSTEM
    | libvirt.VIR_DOMAIN_GUEST_INFO_DISKS
    | libvirt.VIR_DOMAIN_GUEST_INFO_OS
)

#: What libvirt gives: values by names such as ``fs.0.mountpoint``.
Told = Mapping[str, Any]


def ask_agent(connection: Connection, guest: Guest) -> Told | str:
    """Ask a running guest's agent for its file systems, disks and system.

    Parameters
    ----------
    connection : Connection
        One that may write: libvirt lets no other talk to an agent.
    guest : Guest
        A running guest.

    Returns
    -------
    mapping or str
        What libvirt gives; or why nothing could be learned, in words that go on a sentence.
    """
    if guest.state != "running":
        return f"the guest is {guest.state}"
    if connection.readonly:
        return "its agent is asked only over a connection that may write: kvmnb.connect(readonly=False)"

    def ask(raw: libvirt.virConnect) -> Told | str:
        domain = raw.lookupByName(guest.name)
        silent = _silent(ET.fromstring(domain.XMLDesc(0)))
        if silent:
            return silent
        domain.agentSetResponseTimeout(PATIENCE, 0)
        try:
            told: Told = domain.guestInfo(_TYPES, 0)
        finally:
            with suppress(libvirt.libvirtError):  # it has ended meanwhile
                domain.agentSetResponseTimeout(libvirt.VIR_DOMAIN_AGENT_RESPONSE_TIMEOUT_BLOCK, 0)
        return told

    try:
        return connection.read(f"ask the agent of guest {guest.name!r}", ask)
    except KvmnbError as error:
        return f"its agent did not answer: {error.what}"


def _silent(root: ET.Element) -> str:
    """Say why there is no agent to be asked; empty where one listens."""
    for target in root.iterfind("devices/channel/target"):
        if target.get("name") == _CHANNEL:
            return "" if target.get("state") == "connected" else "no agent runs in it"
    return "it has no channel for a guest agent"
