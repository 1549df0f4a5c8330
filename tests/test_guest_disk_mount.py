"""The guest-disk runbook, run headless, stops with one clear error and leaves nothing of its own guest."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import nbformat
import pytest

from kvmnb import places, runbook
from kvmnb.errors import RunbookFailed
from kvmnb.guests import mounts
from tests import notebooks
from tests.daemon import Daemon
from tests.plugin import notebook_environment
from tests.storage.builders import guest_xml, opened

_NAME = "03_guest_disk_mount"

#: What goes wrong once the guest is there and mounted; the mount is left as an open block would leave it.
_FAULT = """
held = kvmnb.mount(host, guest, "/dev/centos/root")
root = held.__enter__()
assert kvmnb.inside(root, "/etc/fstab").is_file()
raise kvmnb.KvmnbError("The fault that was planted", "mend it")
"""


@pytest.fixture(autouse=True)
def _environment(clean_daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook_environment(monkeypatch, clean_daemon)


def _run(daemon: Daemon, record: Path, parameters: dict[str, object] | None = None, name: str = _NAME) -> str:
    """Run it to its error, and give what that says."""
    with pytest.raises(RunbookFailed) as failed:
        runbook.run(name, parameters, record=record, uri=daemon.uri)
    return str(failed.value)


def _left(daemon: Daemon) -> list[str]:
    """Give the names of all guests, pools and files that the daemon's folder has."""
    names = (
        daemon.virsh("list", "--all", "--name").split() + daemon.virsh("pool-list", "--all", "--name").split()
    )
    return sorted([*names, *(str(path.relative_to(daemon.folder)) for path in daemon.folder.rglob("*"))])


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"guest": "a/b"}, "The guest name 'a/b' could lead out of its folder"),
        ({"guest": "vm1 "}, "The guest name 'vm1 ' begins or ends with a space"),
        ({"guest": "<b>"}, "The guest name '<b>' holds '<'"),
        ({"pool": "a/b"}, "The pool name 'a/b' could lead out of its folder"),
        ({"guest": "absent", "demo": False}, "There is no guest 'absent'"),
    ],
    ids=str,
)
def test_a_bad_parameter_stops_it_and_nothing_is_left(
    clean_daemon: Daemon, tmp_path: Path, parameters: dict[str, object], said: str
) -> None:
    message = _run(clean_daemon, tmp_path / "record.ipynb", parameters)
    assert said in message
    assert " Also: " not in message
    assert _left(clean_daemon) == []


def test_a_guest_that_was_there_stays_as_it_was(clean_daemon: Daemon, tmp_path: Path) -> None:
    with opened(clean_daemon) as connection:
        connection.defineXML(guest_xml("vm1"))
    before = clean_daemon.virsh("dumpxml", "vm1")
    assert "There is a guest 'vm1'" in _run(clean_daemon, tmp_path / "record.ipynb")
    assert clean_daemon.virsh("dumpxml", "vm1") == before
    assert _left(clean_daemon) == ["vm1"]


def test_a_pool_that_was_there_and_does_not_run_stays_as_it_was(clean_daemon: Daemon, tmp_path: Path) -> None:
    folder = clean_daemon.folder / "theirs"
    folder.mkdir()
    (folder / "vm1.qcow2").write_bytes(b"mine")
    clean_daemon.virsh("pool-define-as", "theirs", "dir", "--target", str(folder))
    before = clean_daemon.virsh("pool-list", "--all")
    _run(clean_daemon, tmp_path / "record.ipynb", {"pool": "theirs"})
    assert clean_daemon.virsh("pool-list", "--all") == before
    assert (folder / "vm1.qcow2").read_bytes() == b"mine"


def test_a_fault_halfway_leaves_no_guest_mount_or_folder(clean_daemon: Daemon, tmp_path: Path) -> None:
    notebook = notebooks.read(places.find(_NAME))
    number = next(i for i, cell in enumerate(notebook.cells) if "demo.create_guest(" in cell.source)
    notebook.cells.insert(number + 1, nbformat.v4.new_code_cell(_FAULT))  # type: ignore[no-untyped-call]
    faulty = tmp_path / "faulty.ipynb"
    nbformat.write(notebook, faulty)  # type: ignore[no-untyped-call]
    message = _run(clean_daemon, tmp_path / "record.ipynb", name=str(faulty))
    assert "The fault that was planted" in message
    assert _left(clean_daemon) == []
    assert list(mounts.mounts_folder().glob("*/*")) == []
    assert str(clean_daemon.folder) not in Path("/proc/self/mounts").read_text()
    processes = subprocess.check_output(
        ["ps", "-eo", "args"], text=True, env=os.environ | {"COLUMNS": "9999"}
    )
    assert f"{clean_daemon.folder}/vmdisk" not in processes
