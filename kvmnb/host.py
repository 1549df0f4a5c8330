"""The one object that a notebook holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from kvmnb.errors import BadValue, NotFound
from kvmnb.guests import frames as inside
from kvmnb.guests.agent import ask_agent
from kvmnb.guests.reading import Contents, Tell, read_guests
from kvmnb.schema import DF, DISKS, FILESYSTEMS, GUESTS, ORPHANS, OVERCOMMIT, POOLS, USAGE, VOLUMES, returns
from kvmnb.storage import audit, frames
from kvmnb.storage.action import Action
from kvmnb.storage.actions import ACTIONS
from kvmnb.storage.apply import MakeProgress, apply
from kvmnb.storage.connection import Connection
from kvmnb.storage.inventory import read_inventory
from kvmnb.storage.model import Inventory
from kvmnb.storage.plan import Plan, check
from kvmnb.usage import joined
from kvmnb.usage.openers import orphans_now
from kvmnb.usage.overcommit import overcommit

if TYPE_CHECKING:
    import pandas as pd

#: Makes what is told how many guests have been read, how many there are, and which is being read.
MakeNamed = Callable[[str], Tell]


def connect(uri: str | None = None, readonly: bool = True) -> Host:
    """Open a host.

    Parameters
    ----------
    uri : str, optional
        A libvirt URI. Without one it is what virsh would use: ``LIBVIRT_DEFAULT_URI``, else
        ``qemu:///system`` for root and ``qemu:///session`` for other users.
    readonly : bool
        Whether the host is for reading only; the daemon itself then refuses every change.

    Returns
    -------
    Host
        Also a context manager, which closes the connection.

    Raises
    ------
    kvmnb.errors.Unreachable
        No libvirt daemon answers there.
    """
    return Host(Connection(uri, readonly=readonly))


class Host:
    """One KVM host: what it has, as DataFrames, and what may be done to it, as plans.

    Made by `connect`. Every frame is read when it is asked for; ``attrs["read_at"]`` says when.

    Parameters
    ----------
    connection : Connection
        An open connection.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.name: str = connection.host
        self.uri: str = connection.uri
        self.readonly: bool = connection.readonly
        self._audit = audit.Audit(audit.default_path(), self.name, self.uri)

    def __repr__(self) -> str:
        how = "reading only" if self.readonly else "reading and changing"
        return f"Host {self.name} at {self.uri}, for {how}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection to the daemon."""
        self._connection.close()

    def inventory(self) -> Inventory:
        """Read the host now, as values rather than frames; actions are checked against it."""
        return read_inventory(self._connection)

    @returns(POOLS)
    def pools(self) -> pd.DataFrame:
        """List the storage pools, running or not.

        Reads only: a pool is never refreshed by being looked at.
        """
        return frames.pools(self.inventory())

    @returns(VOLUMES)
    def volumes(self, pool: str | None = None) -> pd.DataFrame:
        """List the volumes of one pool or of all, with their chains and the guests that use them.

        Parameters
        ----------
        pool : str, optional
            Name of a pool; all pools without it.

        Raises
        ------
        kvmnb.errors.NotFound
            There is no such pool.
        """
        seen = self.inventory()
        if pool is not None and seen.pool(pool) is None:
            known = ", ".join(sorted(seen.pools)) or "none is defined"
            raise NotFound(f"There is no pool {pool!r} on {self.name}", f"choose one of: {known}")
        return frames.volumes(seen, pool)

    @returns(GUESTS)
    def guests(self) -> pd.DataFrame:
        """List the guests, running or not."""
        return frames.guests(self.inventory())

    @returns(DISKS)
    def disks(self) -> pd.DataFrame:
        """List the guests' disks, joined to pools and volumes, each with its whole backing chain."""
        return frames.disks(self.inventory())

    @returns(FILESYSTEMS)
    def filesystems(
        self, guest: str | None = None, *, fresh: bool = False, progress: MakeNamed | None = None
    ) -> pd.DataFrame:
        """List the file systems in the guests' disks, of running and of shut-off guests.

        Reads only: the disks are opened read-only by an appliance of libguestfs. What was read of a guest
        that is shut off is remembered until any file of its disks changes. A running guest is read through
        its agent, where it has one and the host was opened with ``readonly=False``.

        Parameters
        ----------
        guest : str, optional
            Name of a guest; all guests without it.
        fresh : bool
            Whether to read again what is remembered.
        progress : callable, optional
            Makes what is told of the progress, such as `kvmnb.guest_bar`.

        Raises
        ------
        kvmnb.errors.NotFound
            There is no such guest.
        """
        seen = self.inventory()
        return inside.filesystems(self._contents(seen, guest, fresh, progress), seen)

    @returns(DF)
    def df(
        self, guest: str | None = None, *, fresh: bool = False, progress: MakeNamed | None = None
    ) -> pd.DataFrame:
        """Tell how full the file systems in the guests' disks are, as ``virt-df`` does.

        Parameters
        ----------
        guest, fresh, progress
            As for `filesystems`; both share what is remembered.

        Raises
        ------
        kvmnb.errors.NotFound
            There is no such guest.
        """
        seen = self.inventory()
        return inside.df(self._contents(seen, guest, fresh, progress), seen)

    @returns(USAGE)
    def usage(
        self, inside: bool = True, *, fresh: bool = False, progress: MakeNamed | None = None
    ) -> pd.DataFrame:
        """Join pools, images, guests and what is used inside, so that it can be summed up.

        Reads only: a pool is never refreshed, so that its own figures are those of its last refresh. Sums are
        right over the rows without ``counted_at``: those of a pool give the pool's allocation.

        Parameters
        ----------
        inside : bool
            Whether to look into the guests' disks, as `df` does; without it ``used``, ``free`` and what is
            reclaimable are NA, and the status of disks is ``not read inside``.
        fresh, progress
            As for `filesystems`.
        """
        seen = self.inventory()
        return joined.usage(seen, self._contents(seen, None, fresh, progress) if inside else None)

    @returns(ORPHANS)
    def orphans(self) -> pd.DataFrame:
        """List the volumes that no guest is known to use, with what speaks for that and what against it.

        Nothing here says that a volume may be deleted. What has the fewest doubts stands first, and among
        those the largest. Reads only; which processes have a file open is seen on this machine alone.
        """
        return orphans_now(self.inventory())

    @returns(OVERCOMMIT)
    def overcommit(self) -> pd.DataFrame:
        """Tell how much each pool has promised to guests, against what it has; what fills first stands first.

        Pools on one file system fill together: their ratio, shortfall and headroom are those of all of them.
        """
        return overcommit(self.inventory())

    def contents(self, seen: Inventory) -> list[Contents]:
        """Read what is in all the guests' disks, as values rather than frames; `df` says how.

        Parameters
        ----------
        seen : Inventory
            The host, as `inventory` has just read it.

        Returns
        -------
        list of Contents
            One for each guest, by name.
        """
        return self._contents(seen, None, fresh=False, progress=None)

    def _contents(
        self, seen: Inventory, guest: str | None, fresh: bool, progress: MakeNamed | None
    ) -> list[Contents]:
        chosen = [one for one in seen.guests() if guest is None or one.name == guest]
        if guest is not None and not chosen:
            known = ", ".join(sorted(one.name for one in seen.guests())) or "none is defined"
            raise NotFound(f"There is no guest {guest!r} on {self.name}", f"choose one of: {known}")
        chosen.sort(key=lambda one: one.name)
        tell = progress("Reading guests") if progress else None
        agent = partial(ask_agent, self._connection)
        return read_guests(seen, chosen, fresh=fresh, tell=tell, agent=agent)

    def plan(
        self, *actions: Action | Sequence[Action], title: str | None = None, undo_on_failure: bool = True
    ) -> Plan:
        """Check actions against the host as it is now, without doing anything.

        Parameters
        ----------
        *actions : Action or sequence of Action
            In the order in which they are to be run.
        title : str, optional
            What they are for; the words of the first action without it.
        undo_on_failure : bool
            Whether a failing step has the steps before it undone.

        Returns
        -------
        Plan
            Shows itself: words, command lines, what is already so, problems.
        """
        flat = [one for given in actions for one in (given if isinstance(given, Sequence) else [given])]
        for one in flat:
            if not isinstance(one, Action):
                raise BadValue(f"{one!r} is no action", "give actions such as kvmnb.StartPool('vmdisk')")
        named = title or (flat[0].describe() if flat else "Nothing")
        return check(named, flat, self.inventory(), undo_on_failure=undo_on_failure)

    def apply(
        self, plan: Plan | Action | Sequence[Action], progress: MakeProgress | None = None
    ) -> pd.DataFrame:
        """Run a plan: check everything anew, run each step, read again and compare.

        Parameters
        ----------
        plan : Plan, Action or sequence of Action
            What to do. Steps that are already so are left alone.
        progress : callable, optional
            Makes the reporter of an action's progress from the action's words, such as
            `kvmnb.progress_bar`.

        Returns
        -------
        pandas.DataFrame
            The `kvmnb.schema.APPLIED` frame: what was expected and what is, step by step.

        Raises
        ------
        kvmnb.errors.ReadOnly
            The host was opened for reading.
        kvmnb.errors.Refused
            Something stands in the way; nothing was done.
        kvmnb.errors.ActionFailed
            A step failed; what had been done before it was undone, or the message says what was not.
        """
        if not isinstance(plan, Plan):
            plan = self.plan(plan)
        return apply(self._connection, plan, self._audit, progress)

    def undo(self, applied: pd.DataFrame, confirm: str = "") -> Plan:
        """Plan to undo what a plan has done, as far as it can be undone.

        Parameters
        ----------
        applied : pandas.DataFrame
            What `Host.apply` returned, or the ``report`` of its error.
        confirm : str, optional
            The name of what would be deleted again, as the word that you mean it: somebody may have put
            something on it since.

        Returns
        -------
        Plan
            Shows itself; run it with `Host.apply`. Steps without an inverse are left out.
        """
        told = applied.attrs.get("undo")
        if told is None:
            raise BadValue("This frame does not say what was done", "give what host.apply returned")
        actions = [
            ACTIONS[one["action"]](
                **{**one["fields"], **({"confirm": confirm} if "confirm" in one["fields"] else {})}
            )
            for one in told
        ]
        title = f"Undo: {applied.attrs['title']}"
        return check(title, actions, self.inventory(), undo_on_failure=False)

    def noted(self, deed: audit.Deed) -> AbstractContextManager[None]:
        """Write to the audit log what is done within, and what became of it; for what is no action."""
        return self._audit.noted(deed)

    def audit(self, path: str | Path | None = None) -> pd.DataFrame:
        """Read the audit log: what was changed, when, by whom, and what became of it.

        Parameters
        ----------
        path : str or Path, optional
            Another log than this user's own.

        Returns
        -------
        pandas.DataFrame
            The `kvmnb.schema.AUDIT` frame, oldest first.
        """
        return audit.read(Path(path) if path else self._audit.path)
