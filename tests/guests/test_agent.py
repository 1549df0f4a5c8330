"""A running guest is read through its agent, and tells the same as an appliance does; else it is said why."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pandas as pd
import pytest

import kvmnb
from kvmnb import demo
from kvmnb.guests.agent import PATIENCE, ask_agent
from kvmnb.host import Host
from kvmnb.storage.connection import Connection
from kvmnb.storage.model import Guest
from tests.daemon import Daemon
from tests.guests.running import connected

_CHANNEL = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"

#: What an appliance and an agent must agree on, where a file system is mounted.
_SAME = ["filesystem", "type", "mountpoints", "capacity", "guest_state"]


@pytest.fixture(scope="module")
def host(daemon: Daemon) -> Iterator[Host]:
    """A host with one guest, which runs and has an agent that listens."""
    target = daemon.folder / "pool"
    daemon.virsh("pool-define-as", "--name", "vmdisk", "--type", "dir", "--target", str(target))
    daemon.virsh("pool-build", "vmdisk")
    daemon.virsh("pool-start", "vmdisk")
    with kvmnb.connect(daemon.uri, readonly=False) as opened:
        demo.create_guest(opened, "vm1", boots=True)
        opened.apply(kvmnb.StartGuest("vm1"))
        connected(daemon, "vm1")
        yield opened
    daemon.clean()


@pytest.fixture(scope="module")
def guest(host: Host) -> Guest:
    (found,) = host.inventory().guests()
    return found


@pytest.fixture(scope="module")
def connection(daemon: Daemon, host: Host) -> Iterator[Connection]:
    opened = Connection(daemon.uri, readonly=False)
    yield opened
    opened.close()


def _read(frame: pd.DataFrame) -> pd.DataFrame:
    """Give what could be read, in an order that both sides have."""
    return frame[frame["status"] == "ok"].sort_values("filesystem").reset_index(drop=True)


def test_an_agent_and_an_appliance_tell_the_same(host: Host, daemon: Daemon) -> None:
    began = time.monotonic()
    by_agent, layout = host.df("vm1"), host.filesystems("vm1")
    assert time.monotonic() - began < 5  # no appliance starts as fast
    assert set(by_agent["source"]) == {"agent"}
    with kvmnb.connect(daemon.uri) as reading:
        by_appliance = reading.df("vm1")
    assert set(by_appliance["source"]) == {"appliance"}
    assert by_appliance["reason"].str.contains("readonly=False").sum() == len(_read(by_appliance))

    mounted, from_outside = _read(by_agent), _read(by_appliance)
    assert mounted["filesystem"].tolist() == ["/dev/centos/root", "/dev/sda1"]
    assert mounted["mountpoints"].tolist() == [("/",), ("/boot",)]
    pd.testing.assert_frame_equal(mounted[_SAME], from_outside[_SAME])
    # Mounted for writing, as the guest has it, xfs counts as used what it keeps back for its own tables.
    more = mounted["used"] - from_outside["used"]
    assert (more >= 0).all()
    assert (more < mounted["capacity"] * 0.1).all()
    assert mounted["reason"].isna().all()
    assert set(by_agent["filesystem"]) == set(by_appliance["filesystem"])

    rows = layout.set_index("filesystem")
    assert rows.loc["/dev/centos/swap", "status"] == "not mounted"
    assert rows.loc["/dev/centos/root", "parents"] == ("/dev/centos", "/dev/sda2")
    assert rows.loc["/dev/centos/root", "disks"] == ("vda",)
    assert "CentOS Stream 9" in str(rows.loc["/dev/centos/root", "system"])


def test_what_the_guest_writes_shows_at_once(host: Host, daemon: Daemon) -> None:
    def used() -> int:
        frame = host.df("vm1").set_index("filesystem")
        return int(str(frame.loc["/dev/centos/root", "used"]))

    before = used()
    _run_in_guest(daemon, "dd if=/dev/zero of=/srv/more bs=1M count=64")
    began = time.monotonic()
    while used() - before < 64 << 20:
        assert time.monotonic() - began < 20
        time.sleep(0.2)


def test_an_agent_that_does_not_answer_is_given_up_soon(
    connection: Connection, guest: Guest, daemon: Daemon
) -> None:
    assert not isinstance(ask_agent(connection, guest), str)
    daemon.virsh("suspend", "vm1")
    paused = connection.read("look", lambda raw: raw.lookupByName("vm1").state()[0])
    assert paused == 3
    # As if it had been seen running, a moment before it was paused.
    began = time.monotonic()
    why = ask_agent(connection, guest)
    assert time.monotonic() - began < 2 * PATIENCE + 2
    assert isinstance(why, str)
    daemon.virsh("resume", "vm1")

    _run_in_guest(daemon, "kill -STOP $PPID")
    began = time.monotonic()
    why = ask_agent(connection, guest)
    assert time.monotonic() - began < 2 * PATIENCE + 2
    assert isinstance(why, str)
    assert "did not answer" in why


@pytest.mark.parametrize(("devices", "said"), [("", "no channel"), (_CHANNEL, "no agent runs")])
def test_without_an_agent_it_is_said_which_is_missing(
    connection: Connection, daemon: Daemon, devices: str, said: str
) -> None:
    xml = (
        "<domain type='qemu'><name>bare</name><memory unit='MiB'>16</memory>"
        f"<os><type>hvm</type></os><devices>{devices}</devices></domain>"
    )
    connection.change("start a guest", lambda raw: raw.createXML(xml, 0))
    try:
        why = ask_agent(connection, Guest("bare", state="running"))
    finally:
        daemon.virsh("destroy", "bare")
    assert isinstance(why, str)
    assert said in why


def test_what_is_not_running_or_gone_is_not_asked(connection: Connection) -> None:
    assert ask_agent(connection, Guest("vm1", state="paused")) == "the guest is paused"
    assert "did not answer" in str(ask_agent(connection, Guest("absent", state="running")))


def _run_in_guest(daemon: Daemon, line: str) -> None:
    """Have the agent run a line of shell."""
    command = {
        "execute": "guest-exec",
        "arguments": {"path": "/run/bin/busybox", "arg": ["sh", "-c", line], "env": ["PATH=/run/bin"]},
    }
    daemon.virsh("qemu-agent-command", "vm1", json.dumps(command))
