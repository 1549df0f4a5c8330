"""What looking into guests' disks needs is really taken away, in a mount namespace of the test's own."""

from __future__ import annotations

import sys

import pytest

from kvmnb import programs

_SAY = (
    "from kvmnb.doctor import checkup\n"
    "for one in checkup('test:///default'): print(one.check, one.ok, one.found, one.remedy, sep='|')"
)
_HIDE = 'for there in {hidden}; do mount -t tmpfs none "$there" || exit 77; done; {more} exec "$@"'


def _checks(hidden: str, more: str = "", *as_whom: str) -> dict[str, list[str]]:
    """Give what the doctor says where folders are hidden under empty ones; other processes keep them."""
    script = _HIDE.format(hidden=hidden, more=more)
    words = ["unshare", "--mount", "sh", "-c", script, "sh", *as_whom, sys.executable, "-c", _SAY]
    done = programs.run(words, timeout=60, check=False)
    if done.returncode == 77 or "unshare failed" in done.stderr:
        pytest.skip("mount namespaces need root here")
    assert done.returncode == 0, done.stderr
    return {line.partition("|")[0]: line.split("|") for line in done.stdout.splitlines()}


def test_without_the_bindings() -> None:
    lack = _checks("/usr/lib/python3/dist-packages")["libguestfs"]
    assert lack[1] == "None"
    assert "bindings of libguestfs are not installed" in lack[2]
    assert "binder/apt.txt" in lack[3]


def test_without_xfs() -> None:
    lack = _checks("/usr/lib/*/guestfs")["XFS in guests"]
    assert lack[1] == "None"
    assert "are not seen" in lack[2]
    assert lack[3] == "install the system package libguestfs-xfs"


def test_without_a_kernel() -> None:
    lack = _checks("/boot")["kernel"]
    assert lack[1] == "None"
    assert lack[3].startswith("install a kernel package")


def test_a_kernel_that_may_not_be_read() -> None:
    kernel = "/boot/vmlinuz-9-test"
    # Root without its right to read everything is an ordinary user to a file of another's.
    ordinary = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")
    make = f"install -m 600 -o 65534 /dev/null {kernel} || exit 77;"
    lack = _checks("/boot", make, *ordinary)["kernel"]
    assert lack[1] == "None"
    assert f"you may not read {kernel}" in lack[2]
    assert lack[3].endswith(f"0644 {kernel}")
