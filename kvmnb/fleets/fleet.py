"""The object that holds many hosts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor
from math import isfinite
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from kvmnb.errors import BadValue
from kvmnb.fleets.asking import Question
from kvmnb.fleets.gathering import Tell, gather
from kvmnb.fleets.joining import join, of_hosts
from kvmnb.fleets.labels import label_hosts
from kvmnb.schema import (
    DF,
    DISKS,
    FILESYSTEMS,
    GUESTS,
    ORPHANS,
    OVERCOMMIT,
    POOLS,
    USAGE,
    VOLUMES,
    Frame,
    returns,
)

if TYPE_CHECKING:
    import pandas as pd

#: Makes what is told how many hosts have answered.
MakeTell = Callable[[str], Tell]


def fleet(
    uris: Mapping[str, str] | Iterable[str],
    *,
    executor: Executor | None = None,
    timeout: float = 30.0,
    inside_timeout: float = 600.0,
) -> Fleet:
    """Take many hosts together, for reading.

    Parameters
    ----------
    uris : mapping of str to str, or iterable of str
        libvirt URIs by the label that each host is to have in the column ``host``; or URIs alone. Then the
        label is the host in the URI if it has one (``kvm1`` of ``qemu+ssh://root@kvm1/system``), else the
        URI itself. It never depends on what the host says, so it is the same when the host cannot be reached.
    executor : concurrent.futures.Executor, optional
        What asks the hosts, such as ``Client(…).get_executor()`` of Dask's ``distributed`` or a
        ``ProcessPoolExecutor``; it stays yours to shut down. Without it, threads of this process ask up to
        64 hosts at once, and no thread that hangs keeps the interpreter from ending.
    timeout : float
        How long a host may take to answer, in seconds. It counts per host, from when a thread or worker
        begins to ask it: waiting for a free one is not the host's fault.
    inside_timeout : float
        How long it may take where the guests' disks are looked into, in seconds; to be connected to it has
        ``timeout`` then as well.

    Returns
    -------
    Fleet
        Nothing is asked yet.

    Raises
    ------
    kvmnb.errors.BadValue
        There is no URI, one is no text or there twice, two hosts would have the same label, a timeout is not
        positive, or the executor is none.
    """
    return Fleet(uris, executor=executor, timeout=timeout, inside_timeout=inside_timeout)


class Fleet:
    """Many KVM hosts: what they have, as the DataFrames of `kvmnb.Host`. Made by `fleet`.

    Every method asks all hosts at once, each over a read-only connection that is opened for it. A host that
    cannot be reached, does not answer in time or cannot be read costs its own rows only. It has one row, in
    which ``host`` is its label, ``problem`` or ``reason`` says why, all else is NA, and ``status`` is

    * ``unreachable``: nobody answers there, or it lets this user not in;
    * ``timed out``: it did not answer in time, or owes the answer to what it was asked before;
    * ``unreadable``: it could be connected to, but not be read;
    * ``not found``: it has no pool or guest of the name that was asked for;
    * ``not asked``: the worker that was to ask it ended, or has no kit of the same version.

    A libvirt call that hangs cannot be stopped, so it is left behind, and the host is not asked again until
    it has come back, or for ten minutes. ``attrs["hosts"]`` of a frame says per label how reading it went.

    Parameters
    ----------
    uris, executor, timeout, inside_timeout
        As for `fleet`.
    """

    def __init__(
        self,
        uris: Mapping[str, str] | Iterable[str],
        *,
        executor: Executor | None = None,
        timeout: float = 30.0,
        inside_timeout: float = 600.0,
    ) -> None:
        self.hosts: dict[str, str] = label_hosts(uris)
        _expect_executor(executor)
        self._executor = executor
        self.timeout = _seconds("timeout", timeout)
        self.inside_timeout = _seconds("inside_timeout", inside_timeout)

    def __repr__(self) -> str:
        labels = list(self.hosts)
        named = ", ".join(labels[:3]) + (f" and {len(labels) - 3} more" if len(labels) > 3 else "")
        return f"Fleet of {len(labels)} host{'s' * (len(labels) != 1)}, for reading only: {named}"

    def __len__(self) -> int:
        return len(self.hosts)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Do nothing: no connection stays open between questions, and an executor belongs to its maker.

        It is there so that a fleet can stand where a host does.
        """

    @returns(of_hosts(POOLS))
    def pools(self, *, progress: MakeTell | None = None) -> pd.DataFrame:
        """List the storage pools of all hosts, running or not.

        Parameters
        ----------
        progress : callable, optional
            Makes what is told how many hosts have answered, such as `kvmnb.host_bar`.
        """
        return self._ask(POOLS, progress)

    @returns(of_hosts(VOLUMES))
    def volumes(self, pool: str | None = None, *, progress: MakeTell | None = None) -> pd.DataFrame:
        """List the volumes of all hosts, with their chains and the guests that use them.

        Parameters
        ----------
        pool : str, optional
            Name of a pool, which not every host must have; all pools without it.
        progress : callable, optional
            As for `pools`.

        Raises
        ------
        kvmnb.errors.NotFound
            No host has such a pool.
        """
        return self._ask(VOLUMES, progress, pool=pool)

    @returns(of_hosts(GUESTS))
    def guests(self, *, progress: MakeTell | None = None) -> pd.DataFrame:
        """List the guests of all hosts, running or not.

        Parameters
        ----------
        progress : callable, optional
            As for `pools`.
        """
        return self._ask(GUESTS, progress)

    @returns(of_hosts(DISKS))
    def disks(self, *, progress: MakeTell | None = None) -> pd.DataFrame:
        """List the guests' disks, joined to pools and volumes, each with its whole backing chain.

        Parameters
        ----------
        progress : callable, optional
            As for `pools`.
        """
        return self._ask(DISKS, progress)

    @returns(of_hosts(FILESYSTEMS))
    def filesystems(
        self,
        guest: str | None = None,
        *,
        fresh: bool = False,
        progress: MakeTell | None = None,
    ) -> pd.DataFrame:
        """List the file systems in the guests' disks, of running and of shut-off guests.

        The disks are opened where the host is asked, so those of another machine can be read only by an
        executor whose workers run there. A running guest's agent is not asked: that needs a host that was
        opened with ``readonly=False``.

        Parameters
        ----------
        guest : str, optional
            Name of a guest, which not every host must have; all guests without it.
        fresh : bool
            Whether to read again what is remembered.
        progress : callable, optional
            As for `pools`.

        Raises
        ------
        kvmnb.errors.NotFound
            No host has such a guest.
        """
        return self._ask(FILESYSTEMS, progress, self.inside_timeout, guest=guest, fresh=fresh)

    @returns(of_hosts(DF))
    def df(
        self,
        guest: str | None = None,
        *,
        fresh: bool = False,
        progress: MakeTell | None = None,
    ) -> pd.DataFrame:
        """Tell how full the file systems in the guests' disks are, as ``virt-df`` does.

        Parameters
        ----------
        guest, fresh, progress
            As for `filesystems`.

        Raises
        ------
        kvmnb.errors.NotFound
            No host has such a guest.
        """
        return self._ask(DF, progress, self.inside_timeout, guest=guest, fresh=fresh)

    @returns(of_hosts(USAGE))
    def usage(
        self, inside: bool = True, *, fresh: bool = False, progress: MakeTell | None = None
    ) -> pd.DataFrame:
        """Join pools, images, guests and what is used inside, so that it can be summed up per host.

        The words of ``storage`` hold within a host: group by both.

        Parameters
        ----------
        inside : bool
            Whether to look into the guests' disks; see `filesystems` for where that can be done.
        fresh, progress
            As for `filesystems`.
        """
        patience = self.inside_timeout if inside else None
        return self._ask(USAGE, progress, patience, inside=inside, fresh=fresh)

    @returns(of_hosts(ORPHANS))
    def orphans(self, *, progress: MakeTell | None = None) -> pd.DataFrame:
        """List the volumes that no guest of their own host is known to use: evidence, no verdict.

        Hosts do not know of each other: where several have the same storage, look for the volume's path in
        the `disks` of all of them.

        Parameters
        ----------
        progress : callable, optional
            As for `pools`.
        """
        return self._ask(ORPHANS, progress)

    @returns(of_hosts(OVERCOMMIT))
    def overcommit(self, *, progress: MakeTell | None = None) -> pd.DataFrame:
        """Tell how much each pool of each host has promised to guests, against what it has.

        Parameters
        ----------
        progress : callable, optional
            As for `pools`.
        """
        return self._ask(OVERCOMMIT, progress)

    def _ask(
        self,
        frame: Frame,
        progress: MakeTell | None,
        patience: float | None = None,
        **options: Any,  # noqa: ANN401 - the arguments of the host's own method
    ) -> pd.DataFrame:
        """Ask every host for a frame, which bears the name of the host's method."""
        questions = {
            label: Question(label, uri, frame.name, options, self.timeout, patience or self.timeout)
            for label, uri in self.hosts.items()
        }
        tell = progress("Asking hosts") if progress else None
        answers = gather(questions, self._executor, tell)
        return join(frame, answers, self.hosts)


def _expect_executor(given: object) -> None:
    if given is not None and not isinstance(given, Executor):
        form = "concurrent.futures.ThreadPoolExecutor(), or client.get_executor() of a Dask client"
        raise BadValue(f"{given!r} is no executor", f"give one such as {form}, or none")


def _seconds(name: str, value: float) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not isfinite(value) or value <= 0:
        raise BadValue(f"{name} cannot be {value!r}", "give seconds as a number above 0")
    return float(value)
