"""The one place that starts programs: an argument list, the C locale, limits, and an end to every wait."""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Event, Thread
from typing import IO

from kvmnb.cancelling import check_cancelled, stop_event
from kvmnb.errors import ProgramFailed

#: How often a program that may be stopped looks whether it is to, in seconds.
_GLANCE = 0.1

#: How many of a program's last lines an error message repeats.
_LAST_LINES = 5


@dataclass(frozen=True, slots=True)
class Completed:
    r"""What a program left when it ended.

    Parameters
    ----------
    args : tuple of str
        The program and its arguments, as they were asked for.
    returncode : int
        Its exit status; negative for the signal that killed it.
    stdout : str
        What it wrote. Bytes that are not UTF-8 are kept as surrogates, as `os.fsdecode` does for paths.
    stderr : str
        What it complained of, for people: bytes that are not UTF-8 are written as ``\xNN``.
    """

    args: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str


def find(program: str) -> str | None:
    """Give the path of a program, or None where there is none.

    The ``sbin`` folders are looked through as well: Debian leaves them out of an ordinary user's PATH.
    """
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    # An empty entry would mean the working directory, where anyone may have put a program.
    folders = [folder for folder in (*folders, "/usr/local/sbin", "/usr/sbin", "/sbin") if folder]
    return shutil.which(program, path=os.pathsep.join(folders))


def run(
    args: Sequence[str],
    *,
    timeout: float,
    memory: int | None = None,
    cpu_seconds: int | None = None,
    stdin: str = "",
    check: bool = True,
) -> Completed:
    """Run a program to its end, never through a shell.

    Parameters
    ----------
    args : sequence of str
        The program and its arguments.
    timeout : float
        Seconds after which it is killed, with everything that it started.
    memory : int, optional
        The most address space that it may use, in bytes.
    cpu_seconds : int, optional
        The most processor time that it may use.
    stdin : str, optional
        What it reads; nothing unless given.
    check : bool, optional
        Whether an exit status other than zero is an error.

    Returns
    -------
    Completed
        Its exit status and what it wrote.

    Raises
    ------
    ProgramFailed
        It is not there, could not be started, ran too long or, with `check`, said that it failed.
    """
    process = _start(args, memory, cpu_seconds)
    out, err = _finish(process, args[0], stdin.encode(errors="surrogateescape"), timeout)
    return _completed(args, process, out, err, check=check)


def follow(
    args: Sequence[str],
    tell: Callable[[str], None],
    *,
    timeout: float,
    memory: int | None = None,
    cpu_seconds: int | None = None,
    environment: Mapping[str, str] | None = None,
    stop: Event | None = None,
    check: bool = True,
) -> Completed:
    """Run a program to its end and hear what it writes while it writes it, as for its progress.

    Parameters
    ----------
    args : sequence of str
        The program and its arguments.
    tell : callable
        Gets each piece of what it writes to stdout, as it comes; a piece may end anywhere. It is called by
        this thread, so that it may draw in a notebook.
    timeout, memory, cpu_seconds, check
        As for `run`.
    environment : mapping of str to str, optional
        Variables that it has beside this process's own.
    stop : threading.Event, optional
        Once another thread sets it, the program is killed, with everything that it started.

    Returns
    -------
    Completed
        Its exit status and what it wrote.

    Raises
    ------
    ProgramFailed
        As for `run`; or it was stopped.
    """
    process = _start(args, memory, cpu_seconds, subprocess.DEVNULL, environment)
    out, err = _hear(process, args[0], tell, timeout, stop)
    return _completed(args, process, out, err, check=check)


def _start(
    args: Sequence[str],
    memory: int | None,
    cpu_seconds: int | None,
    stdin: int = subprocess.PIPE,
    environment: Mapping[str, str] | None = None,
    *,
    fds: tuple[int, ...] = (),
    out: int = subprocess.PIPE,
) -> subprocess.Popen[bytes]:
    command = [*_limits(memory, cpu_seconds), _found(args[0]), *args[1:]]
    try:
        # A group of its own, so that what the program started can be killed along with it.
        return subprocess.Popen(  # noqa: S603 - a list of arguments, no shell
            command,
            stdin=stdin,
            stdout=out,
            stderr=out,
            pass_fds=fds,
            env=os.environ | {"LC_ALL": "C"} | dict(environment or {}),
            start_new_session=True,
        )
    except OSError as error:
        raise ProgramFailed(
            f"{args[0]} could not be started: {error.strerror}", f"see that you may run {command[0]}"
        ) from error


def _completed(
    args: Sequence[str], process: subprocess.Popen[bytes], out: bytes, err: bytes, *, check: bool
) -> Completed:
    stdout, stderr = out.decode(errors="surrogateescape"), err.decode(errors="backslashreplace")
    completed = Completed(tuple(args), process.returncode, stdout, stderr)
    if check and completed.returncode != 0:
        raise _said_no(completed)
    return completed


def _found(program: str) -> str:
    path = find(program)
    if path is None:
        raise ProgramFailed(
            f"the program {program} is not installed",
            "install the system packages that binder/apt.txt lists, for example with binder/up",
        )
    return path


def _limits(memory: int | None, cpu_seconds: int | None) -> list[str]:
    """Give the words to put before a command, so that it starts with its limits already set."""
    limits = {"as": memory, "cpu": cpu_seconds}
    words = [f"--{limit}={most}" for limit, most in limits.items() if most is not None]
    return [_found("prlimit"), *words] if words else []


def _finish(process: subprocess.Popen[bytes], name: str, stdin: bytes, timeout: float) -> tuple[bytes, bytes]:
    """Wait for a program; where the wait ends early, for whatever reason, leave nothing of it running."""
    deadline = time.monotonic() + timeout
    given, process.stdin = process.stdin, None
    if stdin:
        # By a thread: what could not be written yet is forgotten when communicate() is asked again.
        Thread(target=_feed, args=(given, stdin), daemon=True, name=f"input of {name}").start()
    else:
        _feed(given, stdin)
    ended = False
    try:
        while not ended:
            left = max(0.0, deadline - time.monotonic())
            try:
                out, err = process.communicate(None, left if stop_event() is None else min(left, _GLANCE))
                ended = True
            except subprocess.TimeoutExpired as late:
                check_cancelled()
                if time.monotonic() >= deadline:
                    raise _too_long(name, timeout) from late
    finally:
        if not ended:
            _kill_group(process)
    return out, err


def _feed(pipe: IO[bytes] | None, stdin: bytes) -> None:
    """Write a program's input; where the program has ended before, nobody wants the rest."""
    if pipe is not None:
        with suppress(BrokenPipeError), pipe:
            pipe.write(stdin)


def _hear(
    process: subprocess.Popen[bytes],
    name: str,
    tell: Callable[[str], None],
    timeout: float,
    stop: Event | None,
) -> tuple[bytes, bytes]:
    """Read both of a program's pipes until it has closed them, telling what comes from stdout."""
    deadline = time.monotonic() + timeout
    heard = {"stdout": bytearray(), "stderr": bytearray()}
    watched = stop is not None or stop_event() is not None
    ended = False
    try:
        with selectors.DefaultSelector() as pipes:
            for pipe in heard:
                pipes.register(getattr(process, pipe), selectors.EVENT_READ, pipe)
            while pipes.get_map():
                left = max(0.0, deadline - time.monotonic())
                ready = pipes.select(min(left, _GLANCE) if watched else left)
                check_cancelled()
                if stop is not None and stop.is_set():
                    raise ProgramFailed(f"{name} was stopped", "ask again if you still want its answer")
                if not ready and time.monotonic() >= deadline:
                    raise _too_long(name, timeout)
                for key, _events in ready:
                    piece = os.read(key.fd, 1 << 16)
                    heard[key.data] += piece
                    if not piece:
                        pipes.unregister(key.fileobj)
                    elif key.data == "stdout":
                        tell(piece.decode(errors="replace"))
        process.wait(max(0.1, deadline - time.monotonic()))
        ended = True
    except subprocess.TimeoutExpired as late:
        raise _too_long(name, timeout) from late
    finally:
        if not ended:
            _kill_group(process)
    _close_pipes(process)
    return bytes(heard["stdout"]), bytes(heard["stderr"])


def _too_long(name: str, timeout: float) -> ProgramFailed:
    return ProgramFailed(
        f"{name} did not end within {timeout:g} seconds and was stopped",
        "try again when the host is less busy, or see what it was waiting for",
    )


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    _close_pipes(process)


def _close_pipes(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with suppress(BrokenPipeError):  # what was still to be written has no reader any more
                pipe.close()


def _said_no(completed: Completed) -> ProgramFailed:
    name = completed.args[0]
    lines = [line.strip() for line in completed.stderr.splitlines() if line.strip()]
    said = " / ".join(lines[-_LAST_LINES:]).rstrip(".") or "nothing"
    if completed.returncode < 0:
        how = f"{name} was killed by signal {-completed.returncode}"
    else:
        how = f"{name} failed with exit status {completed.returncode}"
    return ProgramFailed(f"{how} and said: {said}", "put right what it names, then try again")


class Held:
    """A program that runs until it is ended, such as one that serves a mounted file system.

    Parameters
    ----------
    args : sequence of str
        The program and its arguments; ``{fd}`` in one of them is replaced by the number of a pipe's end.
    environment : mapping of str to str, optional
        Variables that it has beside this process's own.
    to_program : bool
        Whether the program is to read the pipe, whose other end is closed when this process ends; else the
        program writes to it.

    Raises
    ------
    ProgramFailed
        It is not there, or could not be started.
    """

    def __init__(
        self, args: Sequence[str], environment: Mapping[str, str] | None = None, *, to_program: bool = False
    ) -> None:
        self._name = args[0]
        reading, writing = os.pipe()
        theirs, self._ours = (reading, writing) if to_program else (writing, reading)
        filled = [word.replace("{fd}", str(theirs)) for word in args]
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the program
        try:
            self._process = _start(
                filled, None, None, subprocess.DEVNULL, environment, fds=(theirs,), out=self._said.fileno()
            )
        except ProgramFailed:
            self._said.close()
            os.close(self._ours)
            raise
        finally:
            os.close(theirs)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def wait_ready(self, timeout: float) -> None:
        """Wait until it has written to the pipe; where it ends before, or takes too long, it is an error."""
        with selectors.DefaultSelector() as pipe:
            pipe.register(self._ours, selectors.EVENT_READ)
            deadline = time.monotonic() + timeout
            while not pipe.select(timeout if stop_event() is None else _GLANCE):
                check_cancelled()
                if time.monotonic() >= deadline:
                    self.kill()
                    raise _too_long(self._name, timeout)
        if not os.read(self._ours, 1):
            self.wait(timeout)
            raise self.failure()

    def wait(self, timeout: float) -> int | None:
        """Wait for its end; give its exit status, or None where it still runs."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def failure(self) -> ProgramFailed:
        """Make the error of its having ended."""
        self._said.seek(0)
        said = self._said.read(1 << 20).decode(errors="backslashreplace")
        # What it says itself matters more than the general advice that libguestfs puts after it.
        own = [line for line in said.splitlines() if line.startswith(f"{self._name}: ")]
        said = "\n".join(own) or said
        return _said_no(Completed((self._name,), self._process.returncode or 0, "", said))

    def kill(self) -> None:
        """End it at once, with everything that it started."""
        _kill_group(self._process)

    def close(self) -> None:
        """Close the pipe and what it said; a program that waits for the pipe ends."""
        os.close(self._ours)
        self._said.close()
