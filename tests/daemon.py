"""A libvirt daemon of the tests' own: its state, its sockets and its guests, in one temporary folder."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import libvirt

_PREFIX = "kvmnb-daemon-"
_ROOT = os.geteuid() == 0
SEARCH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])
_CACHE = Path(__file__).parent.parent / ".cache" / f"libvirt-{os.geteuid()}"
_KEEPER = Path(__file__).with_name("daemon_keeper.py")

#: Where the system's daemon keeps things; a root daemon gets a folder of its own in each one's place.
_SYSTEM_FOLDERS = {
    "run": Path("/run/libvirt"),
    "etc": Path("/etc/libvirt"),
    "lib": Path("/var/lib/libvirt"),
    "cache": Path("/var/cache/libvirt"),
    "log": Path("/var/log/libvirt"),
    "lvm": Path("/etc/lvm"),
}

# Nobody but the owner can enter the folder, so the sockets need no further authentication; polkit may be
# absent, and would ask a person.
_LIBVIRTD_CONF = """\
auth_unix_ro = "none"
auth_unix_rw = "none"
"""

# Guests log to a plain file, because no virtlogd runs here. They run as root: they could not enter the
# folder otherwise. No confinement, cgroup or namespace is set up, since a container may forbid each.
_QEMU_CONF = """\
stdio_handler = "file"
"""
_QEMU_CONF_ROOT = """\
user = "root"
group = "root"
security_driver = "none"
remember_owner = 0
namespaces = []
cgroup_controllers = []
"""


# The daemon's LVM sees the tests' loop devices alone, keeps no notes about them, and makes device nodes by
# itself, because a container may have no udev.
_LVM_CONF = """devices { global_filter = [ "a|^/dev/loop|", "r|.*|" ] use_devicesfile = 0 }
backup { backup = 0 archive = 0 }
activation { udev_sync = 0 udev_rules = 0 }
"""


class DaemonError(Exception):
    """The tests' own daemon could not be started or cleared away."""


class VirshError(Exception):
    """A virsh command failed; the text is what it said."""


def program(name: str, package: str) -> str:
    """Find a program, also in the folders for root; say what to install where it is missing."""
    found = shutil.which(name, path=SEARCH)
    if found is None:
        raise DaemonError(f"the tests need {name}: install the package {package}")
    return found


def _belongs_to(process: Path, folder: Path) -> bool:
    """Whether a process is a daemon or guest whose state lies in the folder."""
    try:
        name = (process / "comm").read_text()
        where = (process / "mountinfo").read_text() + (process / "cmdline").read_text(errors="replace")
    except OSError:
        return False  # it ended, be it in between, or it is another user's
    return name.startswith(("qemu", "libvirtd")) and str(folder) in where


def remove_stale_folders() -> None:
    """Remove what a keeper that was itself killed left behind, with the guests that still run there."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            facts = folder.stat()
        except FileNotFoundError:
            continue
        # A folder is made a moment before its keeper locks it: leave the young ones alone.
        if facts.st_uid != os.geteuid() or time.time() - facts.st_mtime < 60:
            continue
        lock = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            for process in Path("/proc").glob("[0-9]*"):
                if _belongs_to(process, folder):
                    os.kill(int(process.name), signal.SIGKILL)
            shutil.rmtree(folder)
        finally:
            os.close(lock)


class Daemon:
    """A libvirtd that knows nothing of the user's pools and guests, and that nobody else knows of.

    As root it runs in a mount namespace in which its folders lie over ``/run/libvirt``, ``/etc/libvirt``
    and the like, so that ``/var/lib/libvirt/anything`` is private too. What it mounts is seen by it alone.
    As an ordinary user it runs as that user's session daemon, with another home.

    Attributes
    ----------
    uri : str
        Where it answers, for anyone on this machine who may enter its folder.
    folder : pathlib.Path
        Where tests may make pool targets and images; emptied by `clean`.
    home : pathlib.Path
        A home folder for programs that use this daemon.
    log : pathlib.Path
        What the daemon says.
    """

    def __init__(self) -> None:
        remove_stale_folders()
        self._base = Path(tempfile.mkdtemp(prefix=_PREFIX)).resolve()
        self.folder = self._base / "work"
        self.home = self._base / "home"
        self.log = self._base / "libvirtd.log"
        self._socket = self._base / ("run/libvirt-sock" if _ROOT else "run/libvirt/libvirt-sock")
        self.uri = f"qemu+unix:///{'system' if _ROOT else 'session'}?socket={self._socket}"
        self._keeper: subprocess.Popen[str] | None = None
        try:
            self._prepare()
            self._keeper = self._start_keeper()
            self.start()
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _prepare(self) -> None:
        # Guests' monitor sockets lie deeper still; the kernel takes 107 bytes for the path of a socket.
        if len(str(self._base)) > 40:
            raise DaemonError(f"{self._base} is too long for the sockets in it: set TMPDIR to /tmp")
        for name in (*_SYSTEM_FOLDERS, "config/libvirt", "work", "home"):
            (self._base / name).mkdir(parents=True)
        settings = self._base / ("etc" if _ROOT else "config/libvirt")
        (settings / "libvirtd.conf").write_text(_LIBVIRTD_CONF)
        (settings / "qemu.conf").write_text(_QEMU_CONF + _QEMU_CONF_ROOT * _ROOT)
        (self._base / "lvm/lvm.conf").write_text(_LVM_CONF)
        # What QEMU can do, kept between runs: libvirt compares it with the program's and the kernel's
        # version and age before it believes it.
        if _CACHE.is_dir():
            shutil.copytree(_CACHE, self._capabilities)

    @property
    def _capabilities(self) -> Path:
        return self._base / ("cache/qemu/capabilities" if _ROOT else "cache/libvirt/qemu/cache/capabilities")

    def _environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("LIBVIRT_", "XDG_"))}
        places = {"RUNTIME_DIR": "run", "CONFIG_HOME": "config", "CACHE_HOME": "cache", "DATA_HOME": "lib"}
        return kept | {
            "PATH": SEARCH,
            "LC_ALL": "C",
            "HOME": str(self.home),
            # Without this, a daemon on a machine with systemd writes to the journal.
            "LIBVIRT_LOG_OUTPUTS": "3:stderr",
            **{f"XDG_{key}": str(self._base / name) for key, name in places.items()},
        }

    def _start_keeper(self) -> subprocess.Popen[str]:
        # setpriv: if the keeper itself is killed, the kernel ends the daemon.
        command = [program("setpriv", "util-linux"), "--pdeathsig", "KILL"]
        command += [program("libvirtd", "libvirt-daemon-system")]
        command += ["--pid-file", str(self._base / "libvirtd.pid")]
        enter: list[str] = []
        binds: list[str] = []
        if _ROOT:
            enter = [program("unshare", "util-linux"), "--mount", "--propagation", "slave"]
            for name, point in _SYSTEM_FOLDERS.items():
                # The package brings these; /run is empty again after each start of a container.
                point.mkdir(parents=True, exist_ok=True)
                binds += ["--bind", str(self._base / name), str(point)]
        return subprocess.Popen(
            [*enter, sys.executable, "-I", str(_KEEPER), str(self._base), *binds, "--", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self._environment(),
            cwd=self._base,
            start_new_session=True,  # Ctrl-C is for the tests; they end the keeper in their own time
        )

    def _ask(self, word: str) -> str:
        if self._keeper is None or self._keeper.stdin is None or self._keeper.stdout is None:
            raise DaemonError("the daemon was stopped")
        try:
            self._keeper.stdin.write(f"{word}\n")
            self._keeper.stdin.flush()
        except BrokenPipeError:
            answer = ""
        else:
            answer = self._keeper.stdout.readline().strip()
        if not answer:
            raise DaemonError(f"the keeper of the daemon ended: {self._keeper.communicate()[1]}")
        return answer

    @property
    def pid(self) -> int:
        """The process id of libvirtd."""
        return int((self._base / "libvirtd.pid").read_text())

    @property
    def running(self) -> bool:
        """Whether libvirtd runs."""
        return self._ask("status") == "running"

    def start(self) -> None:
        """Start libvirtd after `halt`, on the same state, and wait until it answers."""
        self._ask("start")
        # 60 s: the first connection asks every QEMU on the machine what it can do.
        deadline = time.monotonic() + 60
        while not self._accepts():
            if not self.running or time.monotonic() > deadline:
                self._give_up("it does not listen")
            time.sleep(0.01)
        try:
            self.virsh("version")
        except VirshError as failed:
            self._give_up(str(failed))
        self._keep_capabilities()

    def _accepts(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(str(self._socket)) == 0

    def _give_up(self, reason: str) -> None:
        said = self.log.read_text(errors="replace").splitlines()[-20:] if self.log.exists() else []
        raise DaemonError(
            "\n".join([f"libvirtd did not start: {reason} ({self._ask('status')}). It said:", *said])
        )

    def _keep_capabilities(self) -> None:
        _CACHE.mkdir(parents=True, exist_ok=True)
        for file in self._capabilities.glob("*.xml"):
            # Written beside and renamed, because another run may be reading it.
            with tempfile.NamedTemporaryFile(dir=_CACHE, delete=False) as new:
                new.write(file.read_bytes())
            shutil.copystat(file, new.name)
            Path(new.name).replace(_CACHE / file.name)

    def halt(self) -> None:
        """End libvirtd alone, so that nothing answers; its guests and its state stay."""
        self._ask("halt")

    def restart(self) -> None:
        """End libvirtd and start it anew on the same state and at the same URI."""
        self.halt()
        self.start()

    def virsh(self, *arguments: str) -> str:
        """Run virsh against this daemon; return what it printed, raise `VirshError` with what it said."""
        done = subprocess.run(
            [program("virsh", "libvirt-clients"), "-c", self.uri, *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            env=os.environ | {"LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode:
            raise VirshError(f"virsh {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def clean(self) -> None:
        """Remove every guest, pool and secret, and all files in `folder` and `home`."""
        if not self.running:
            self.start()
        connection = libvirt.open(self.uri)
        try:
            _remove_guests(connection)
            for pool in connection.listAllStoragePools():
                # A pool without persistent definition is gone once it is stopped.
                persistent = pool.isPersistent()
                if pool.isActive():
                    pool.destroy()
                if persistent:
                    pool.undefine()
            for secret in connection.listAllSecrets():
                secret.undefine()
        finally:
            connection.close()
        for place in (self.folder, self.home):
            _empty(place)
        if _ROOT:
            # What the daemon knows as /var/lib/libvirt, in which it keeps only these for itself.
            _empty(self._base / "lib", keep=frozenset({"qemu", "dnsmasq", "network"}))

    def stop(self) -> None:
        """End the daemon and its guests, and remove all that they left; once is enough."""
        keeper, self._keeper = self._keeper, None
        if keeper is None:
            if self._base.exists():
                shutil.rmtree(self._base)
            return
        try:
            _output, said = keeper.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            keeper.kill()
            _output, said = keeper.communicate()
            raise DaemonError(f"the daemon in {self._base} could not be cleared away: {said}") from None
        if keeper.returncode or self._base.exists():
            raise DaemonError(f"the daemon in {self._base} was not cleared away: {said}")


#: What libvirt says of a guest that has ended by itself in between.
_ENDED = {libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_NO_DOMAIN}


def _remove_guests(connection: libvirt.virConnect) -> None:
    undefine = (
        libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
        | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
        | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
        | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
    )
    for guest in connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE):
        try:
            guest.destroy()
        except libvirt.libvirtError as failed:
            # A daemon that has just started takes up the guests that run. One that is destroyed meanwhile
            # ends, but is said not to be running, or is gone where it was not defined.
            if failed.get_error_code() not in _ENDED:
                raise
    for guest in connection.listAllDomains():
        try:
            guest.undefineFlags(undefine)
        except libvirt.libvirtError as failed:
            if failed.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
                raise


def _empty(folder: Path, keep: frozenset[str] = frozenset()) -> None:
    for entry in folder.iterdir():
        if entry.name in keep:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
