"""The doctor finds what is there, and gives each lack one remedy."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from kvmnb import doctor, programs, schema
from kvmnb.doctor import Check
from kvmnb.storage import audit

TEST_HOST = "test:///default"
NAMES = [
    "Python",
    "jupyterlab",
    "ipywidgets",
    "libvirt-python",
    "libvirt daemon",
    "virsh",
    "qemu-img",
    "qemu-system-x86_64",
    "KVM",
    "FUSE",
    "kernel",
    "libguestfs",
    "appliance",
    "appliance cache",
    "XFS in guests",
    "space for pools",
    "space for state",
    "audit log",
]
OPTIONAL = {"KVM", "FUSE", "kernel"}


def only(checks: list[Check], name: str) -> Check:
    (found,) = [check for check in checks if check.check == name]
    return found


def test_every_check_is_made_and_well_formed(capfd: pytest.CaptureFixture[str]) -> None:
    checks = doctor.checkup(TEST_HOST)
    assert [check.check for check in checks] == NAMES
    for check in checks:
        assert check.found
        assert "\n" not in check.found
        assert (check.remedy is None) == (check.ok is True), check
        assert check.ok is not False or check.check not in OPTIONAL, check
        assert check.ok is not None or check.check in OPTIONAL, check
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")


def test_the_frame_is_the_declared_one() -> None:
    frame = doctor.doctor(TEST_HOST)
    assert list(frame.columns) == list(schema.CHECKS.names)
    pd.testing.assert_series_equal(frame.dtypes, schema.CHECKS.empty().dtypes)
    assert frame["check"].tolist() == NAMES


def test_a_daemon_that_answers_is_named() -> None:
    daemon = only(doctor.checkup(TEST_HOST), "libvirt daemon")
    assert daemon.ok
    assert daemon.found.startswith(f"{TEST_HOST} answers, libvirt ")


@pytest.mark.parametrize(
    "uri", ["qemu+unix:///session?socket=/nowhere/socket", "qemu+tcp://127.0.0.1:1/system", "nonsense:///"]
)
def test_a_daemon_that_does_not_answer(uri: str, capfd: pytest.CaptureFixture[str]) -> None:
    daemon = only(doctor.checkup(uri), "libvirt daemon")
    assert daemon.ok is False
    assert uri in daemon.found
    assert daemon.remedy == f"see that {uri} is the right URI and that a daemon runs there"
    assert capfd.readouterr().err == ""


def test_the_default_uri_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIBVIRT_DEFAULT_URI", TEST_HOST)
    assert only(doctor.checkup(), "libvirt daemon").found.startswith(TEST_HOST)


def test_without_programs_each_is_missed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    checks = doctor.checkup(TEST_HOST)
    for name in ("virsh", "qemu-img", "qemu-system-x86_64"):
        missing = only(checks, name)
        assert missing.ok is False
        assert missing.found == f"the program {name} is not installed"
        assert "binder/apt.txt" in str(missing.remedy)
    assert only(checks, "KVM").ok is None


def test_kvm_is_tried_for_real() -> None:
    """What the doctor says of KVM is what QEMU says when it is asked for a KVM machine."""
    qemu = programs.find("qemu-system-x86_64")
    assert qemu is not None
    machine = ["-accel", "kvm", "-cpu", "host", "-S", "-nodefaults", "-display", "none"]
    asked = subprocess.run(
        [qemu, *machine, "-monitor", "stdio"],
        input=b"quit\n",
        capture_output=True,
        timeout=60,
        check=False,
    )
    kvm = only(doctor.checkup(TEST_HOST), "KVM")
    assert (kvm.ok is True) == (asked.returncode == 0)
    if kvm.ok is None:
        assert "emulated" in kvm.found


def test_a_broken_kvm_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        pytest.skip("there is no /dev/kvm that this user may open, so QEMU is not even tried")
    qemu = tmp_path / "qemu-system-x86_64"
    qemu.write_text("#!/bin/sh\necho 'failed to set MSR 0x10a to 0x69' >&2\nkill -ABRT $$\n")
    qemu.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    kvm = only(doctor.checkup(TEST_HOST), "KVM")
    assert kvm.ok is None
    assert "failed to set MSR 0x10a" in kvm.found


def test_the_audit_log_is_named_and_must_be_writable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    log = tmp_path / "deep" / "er" / "audit.jsonl"
    monkeypatch.setenv("KVMNB_AUDIT_LOG", str(log))
    assert only(doctor.checkup(TEST_HOST), "audit log") == Check("audit log", True, f"{log} can be written")
    assert not log.parent.exists(), "looking must not make anything"
    monkeypatch.setenv("KVMNB_AUDIT_LOG", str(tmp_path))
    refused = only(doctor.checkup(TEST_HOST), "audit log")
    assert refused.ok is False
    assert "KVMNB_AUDIT_LOG" in str(refused.remedy)


def test_the_audit_log_is_the_one_that_is_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KVMNB_AUDIT_LOG", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert str(audit.default_path()) in only(doctor.checkup(TEST_HOST), "audit log").found


def test_space_is_measured_where_pools_are_proposed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KVMNB_POOL_ROOT", str(tmp_path / "not" / "yet"))
    space = only(doctor.checkup(TEST_HOST), "space for pools")
    assert space.ok == (shutil.disk_usage(tmp_path).free >= 1024**3)
    assert space.found.endswith(f"free for {tmp_path}/not/yet")


def test_space_is_measured_where_it_will_be_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KVMNB_AUDIT_LOG", str(tmp_path / "kvmnb" / "audit.jsonl"))
    space = only(doctor.checkup(TEST_HOST), "space for state")
    assert space.ok == (shutil.disk_usage(tmp_path).free >= 1024**3)
    assert f"free for {tmp_path / 'kvmnb'}" in space.found


def test_a_full_file_system_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_ENOUGH_SPACE", 2**70)
    space = only(doctor.checkup(TEST_HOST), "space for state")
    assert space.ok is False
    assert "make room" in str(space.remedy)


def test_a_libvirt_python_that_cannot_be_loaded_is_named(tmp_path: Path) -> None:
    """It is compiled: after libvirt itself was replaced, it can be there and not fit any more."""
    (tmp_path / "libvirt.py").write_text(
        "raise ImportError('libvirt.so.0: cannot open shared object file')\n"
    )
    script = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from kvmnb.doctor import checkup\n"
        "for check in checkup(): print(check.check, check.ok, check.found, check.remedy, sep='|')"
    )
    rows = programs.run([sys.executable, "-c", script], timeout=60).stdout.splitlines()
    broken = "libvirt-python|False|cannot be loaded: libvirt.so.0: cannot open shared object file|"
    assert [row for row in rows if row.startswith(broken)]
    assert not [row for row in rows if row.startswith("libvirt daemon")]


def test_loading_it_is_light() -> None:
    heavy = "{'matplotlib', 'ipywidgets', 'jupyterlab', 'papermill'}"
    script = f"import sys, kvmnb.doctor; print(*({heavy} & set(sys.modules)))"
    assert programs.run([sys.executable, "-c", script], timeout=60).stdout == "\n"
