"""A host that hangs keeps nobody: neither the interpreter's end, nor whoever presses Ctrl-C."""

from __future__ import annotations

import signal
import subprocess
import sys

from tests.fleets.hosts import Hanging

#: Long enough for a busy machine, and far less than the fleet would wait.
_LONG = 60.0


def _python(program: str, uri: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, uri], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_the_interpreter_ends_while_a_host_hangs(hanging: Hanging) -> None:
    program = """
import sys, threading, kvmnb
fleet = kvmnb.fleet({"slow": sys.argv[1]}, timeout=0.2)
print(fleet.pools()["status"][0], [thread.name for thread in threading.enumerate() if "slow" in thread.name])
waiting = kvmnb.fleet({"slow": sys.argv[1] + "&no_verify=1"}, timeout=3600)
threading.Thread(target=waiting.pools, daemon=True).start()  # also while it is waited for
"""
    with _python(program, hanging.uri) as started:
        out, said = started.communicate(timeout=_LONG)
    assert (started.returncode, out, said) == (0, "timed out ['kvmnb slow']\n", "")


def test_ctrl_c_ends_the_waiting_and_the_interpreter(hanging: Hanging) -> None:
    program = """
import sys, kvmnb
fleet = kvmnb.fleet({"slow": sys.argv[1]}, timeout=3600)
try:
    fleet.pools(progress=lambda words: lambda *told: print("waiting", flush=True))
except KeyboardInterrupt:
    print("stopped")
"""
    with _python(program, hanging.uri) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == "waiting\n"
        started.send_signal(signal.SIGINT)
        out, said = started.communicate(timeout=_LONG)
    assert (started.returncode, out.splitlines()[-1], said) == (0, "stopped", "")
