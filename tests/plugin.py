"""What every test gets: a libvirt daemon of the tests' own, and distance from the user's."""

from __future__ import annotations

import site
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from jupyter_core.paths import jupyter_data_dir
from nbval.plugin import IPyNbCell, IPyNbFile

from tests import untouched
from tests.daemon import Daemon

_HERE = Path(__file__).parent
_CACHE = _HERE.parent / ".cache"

#: Modules whose tests start kernels and servers of Jupyter, which takes seconds.
_KERNELS = {
    "test_format_comparison.py",
    "test_guest_disk_mount.py",
    "test_lab.py",
    "test_parameters.py",
    "test_pool_setup.py",
    "test_report.py",
    "test_runbook.py",
    "test_runbook_signals.py",
    "test_storage_usage.py",
}


#: Modules that make and measure real images, which takes seconds as well.
_IMAGES = {
    "test_cli_formats.py",
    "test_compare.py",
    "test_features.py",
    "test_format_form_measured.py",
    "test_growth.py",
    "test_qemu_img.py",
    "test_reading.py",
    "test_ready.py",
    "test_sizes.py",
    "test_speed.py",
    "test_strangers.py",
}

#: Modules that kill samplers, fill stores and have other programs read them, which takes seconds.
_STORES = {
    "test_evolution.py",
    "test_killing.py",
    "test_learning.py",
    "test_other_readers.py",
    "test_tidying.py",
}

#: Modules that draw many charts, wait for programs and threads, or try many inputs, which takes seconds.
_SLOW = {
    "test_any_input.py",
    "test_dashboard.py",
    "test_doctor.py",
    "test_doctor_lacks.py",
    "test_ending.py",
    "test_fleet.py",
    "test_history.py",
    "test_job.py",
    "test_programs.py",
    *(path.name for path in (_HERE / "notebook").glob("test_chart*.py")),
}

#: Modules whose tests start appliances of libguestfs or guests, which takes many seconds.
_APPLIANCES = {
    "test_agent.py",
    "test_browsing.py",
    "test_demo.py",
    "test_df.py",
    "test_guest_disk_mount.py",
    "test_insides.py",
    "test_mount_in_lab.py",
    "test_mount_view.py",
    "test_mounting.py",
    "test_mounts.py",
}


class Ground:
    """The session's daemon, started when first asked for, and the watch over the user's."""

    def __init__(self) -> None:
        self._daemon: Daemon | None = None
        self._held = {uri: untouched.hold(uri) for uri in untouched.answering()}
        self._before = {uri: untouched.snapshot(uri) for uri in self._held}
        self.changes: list[str] = []

    @property
    def daemon(self) -> Daemon:
        """The tests' own daemon."""
        if self._daemon is None:
            self._daemon = Daemon()
        return self._daemon

    def compare(self) -> None:
        """Note what the tests, or somebody else meanwhile, changed at the user's daemon."""
        for uri, before in self._before.items():
            if uri not in untouched.answering():
                self.changes.append(f"{uri}: the daemon ended")
                continue
            after = untouched.snapshot(uri)
            self.changes += [f"{uri}: {said}" for said in untouched.differences(before, after)]
            self._held.pop(uri).close()

    def stop(self) -> None:
        """End the daemon, if there is one."""
        daemon, self._daemon = self._daemon, None
        if daemon is not None:
            daemon.stop()


_GROUND = pytest.StashKey[Ground]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Have a choice of tests that are done within seconds."""
    parser.addoption(
        "--quick", action="store_true", help="only what needs no daemon, image, kernel, browser or waiting"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Let notebooks run in this environment and be compared as the tests' own file says."""
    option = config.option
    if option.nbval or option.nbval_lax:
        # A kernel that the notebook names may belong to another environment.
        option.nbval_current_env = option.nbval_kernel_name is None
        if option.nbval_sanitize_with is None:
            option.nbval_sanitize_with = str(_HERE / "nbval.cfg")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even load the modules that are not quick: that alone takes seconds."""
    if not config.getoption("quick"):
        return None
    slow = collection_path.name in _KERNELS | _IMAGES | _STORES | _SLOW | _APPLIANCES
    return slow or collection_path == _HERE / "browser" or None


@pytest.hookimpl(trylast=True)  # when all are marked
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the other tests that are not quick: those that use the daemon."""
    if config.getoption("quick"):
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("daemon")])
        items[:] = [item for item in items if not item.get_closest_marker("daemon")]


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark by what a test uses, so that a mark cannot be forgotten."""
    if isinstance(item, IPyNbCell):
        item.add_marker("runbook")
    if "daemon" in getattr(item, "fixturenames", ()):
        item.add_marker("daemon")
    if item.path.is_relative_to(_HERE / "browser"):
        item.add_marker("browser")
    if item.path.name in _KERNELS:
        item.add_marker("runbook")
    if item.path.name in _IMAGES:
        item.add_marker("images")
    if item.path.name in _STORES:
        item.add_marker("stores")
    if item.path.name in _SLOW:
        item.add_marker("slow")
    if item.path.name in _APPLIANCES:
        item.add_marker("appliance")
        item.add_marker(pytest.mark.timeout(900))  # under emulation, beside others


def pytest_sessionstart(session: pytest.Session) -> None:
    """Remember what the user's daemon has."""
    session.config.stash[_GROUND] = Ground()


@pytest.hookimpl(trylast=True)  # after the last teardown, which a stopped session leaves until then
def pytest_sessionfinish(session: pytest.Session) -> None:
    """End the tests' daemon; fail the session if the user's has changed."""
    ground = session.config.stash.get(_GROUND, None)
    if ground is None:
        return
    try:
        ground.stop()
    finally:
        ground.compare()
        if ground.changes:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show what has changed at the user's daemon."""
    ground = config.stash.get(_GROUND, None)
    if ground is not None and ground.changes:
        terminalreporter.section("the user's own libvirt daemon has changed meanwhile", red=True)
        for change in ground.changes:
            terminalreporter.line(change, red=True)


@pytest.fixture(scope="session")
def daemon(request: pytest.FixtureRequest) -> Daemon:
    """Give the tests' own libvirt daemon, which lives as long as the session."""
    return request.config.stash[_GROUND].daemon


@pytest.fixture
def clean_daemon(daemon: Daemon) -> Iterator[Daemon]:
    """Give the tests' daemon; whatever the test leaves there is removed after it."""
    yield daemon
    daemon.clean()


@pytest.fixture
def target(clean_daemon: Daemon) -> Path:
    """Give a path, where nothing is yet, for the target directory of a pool."""
    return clean_daemon.folder / "target"


@dataclass(frozen=True)
class RunningPool:
    """A running, persistent directory pool."""

    name: str
    target: Path


@pytest.fixture
def pool(clean_daemon: Daemon, target: Path) -> RunningPool:
    """Give a running directory pool without volumes."""
    clean_daemon.virsh("pool-define-as", "--name", "vmdisk", "--type", "dir", "--target", str(target))
    clean_daemon.virsh("pool-build", "vmdisk")
    clean_daemon.virsh("pool-start", "vmdisk")
    return RunningPool("vmdisk", target)


def _distance(patch: pytest.MonkeyPatch, state: Path) -> None:
    """Keep the user's daemon, audit log and settings out of reach."""
    for name in ("LIBVIRT_DEFAULT_URI", "VIRSH_DEFAULT_CONNECT_URI", "KVMNB_AUDIT_LOG", "KVMNB_HISTORY"):
        patch.delenv(name, raising=False)
    patch.setenv("LIBVIRT_AUTOSTART", "0")  # qemu:///session would start a daemon for an ordinary user
    patch.setenv("XDG_STATE_HOME", str(state))


@pytest.fixture(autouse=True)
def _at_a_distance(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    _distance(monkeypatch, tmp_path_factory.mktemp("state"))


def notebook_environment(patch: pytest.MonkeyPatch, daemon: Daemon) -> None:
    """Set what a notebook's kernel inherits: this daemon, and a home folder beside it."""
    # Where packages and Jupyter's own files lie may follow from HOME: say it before HOME changes.
    patch.setenv("PYTHONUSERBASE", site.getuserbase())
    patch.setenv("JUPYTER_DATA_DIR", jupyter_data_dir())
    # Made anew in each home, matplotlib's list of fonts would cost seconds and a line of output.
    patch.setenv("MPLCONFIGDIR", str(_CACHE / "matplotlib"))
    _distance(patch, daemon.home / ".local/state")
    patch.setenv("HOME", str(daemon.home))
    for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        patch.delenv(name, raising=False)
    patch.setenv("XDG_RUNTIME_DIR", str(daemon.home))
    patch.setenv("LIBVIRT_DEFAULT_URI", daemon.uri)
    patch.setenv("KVMNB_POOL_ROOT", str(daemon.folder))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    """Give a notebook's kernel, which starts with its first cell, the tests' daemon."""
    if not (isinstance(item.parent, IPyNbFile) and item.parent.kernel is None):
        yield
        return
    daemon = item.config.stash[_GROUND].daemon
    with pytest.MonkeyPatch.context() as patch:
        notebook_environment(patch, daemon)
        yield


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, None, None]:
    """Remove what a notebook left, once its kernel has ended with its last cell."""
    yield
    if isinstance(item.parent, IPyNbFile) and (nextitem is None or nextitem.parent is not item.parent):
        item.config.stash[_GROUND].daemon.clean()
