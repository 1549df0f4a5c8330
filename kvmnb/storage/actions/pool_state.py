"""Starting and stopping pools, and having libvirt look at them anew.

What each method is for is said once, at `kvmnb.storage.action.Action`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import libvirt

from kvmnb.storage import rules
from kvmnb.storage.action import Action, Expectation, given, met
from kvmnb.storage.actions.facts import (
    pool_flag,
    pool_state,
    with_pool,
)
from kvmnb.storage.model import Inventory, Problem
from kvmnb.storage.roles import PoolName
from kvmnb.storage.streams import Progress


@dataclass(frozen=True)
class StartPool:
    """Start a pool: make its storage available and read its volumes.

    Parameters
    ----------
    pool : str
        A defined pool.
    """

    pool: PoolName
    patient: ClassVar[bool] = False

    def describe(self) -> str:
        return f"Start pool {self.pool!r}"

    def command(self) -> list[str]:
        return ["virsh", "pool-start", *given("--pool", self.pool)]

    def problems(self, seen: Inventory) -> Iterator[Problem]:
        yield from rules.pool_missing(self.pool, seen)
        pool = seen.pool(self.pool)
        if pool and pool.spec.type == "dir" and seen.kind(pool.spec.target) == "missing":
            yield Problem(
                f"The target {pool.spec.target!r} of pool {self.pool!r} does not exist", "build it first"
            )

    def already(self, seen: Inventory) -> bool:
        return met(self, seen)

    def assume(self, seen: Inventory) -> Inventory:
        return seen if self.already(seen) else with_pool(seen, self.pool, state="running", assumed=True)

    def run(self, connection: libvirt.virConnect, progress: Progress) -> None:
        connection.storagePoolLookupByName(self.pool).create(0)

    def expected(self) -> tuple[Expectation, ...]:
        return (pool_state(self.pool, "running"),)

    def inverse(self, before: Inventory) -> tuple[Action, ...]:
        pool = before.pool(self.pool)
        return () if pool and pool.active else (StopPool(self.pool),)


@dataclass(frozen=True)
class StopPool:
    """Stop a pool: libvirt's word is *destroy*, but nothing on disk is touched.

    Parameters
    ----------
    pool : str
        A running pool.
    """

    pool: PoolName
    patient: ClassVar[bool] = True

    def describe(self) -> str:
        return f"Stop pool {self.pool!r}: its volumes stay on disk, out of libvirt's sight"

    def command(self) -> list[str]:
        return ["virsh", "pool-destroy", *given("--pool", self.pool)]

    def problems(self, seen: Inventory) -> Iterator[Problem]:
        yield from rules.pool_missing(self.pool, seen)
        pool = seen.pool(self.pool)
        if pool is None or self.already(seen):
            return
        if pool.persistent is False:
            yield rules.transient(self.pool, severity="warn")
        yield from rules.pool_users(self.pool, seen)

    def already(self, seen: Inventory) -> bool:
        return met(self, seen)

    def assume(self, seen: Inventory) -> Inventory:
        pool = seen.pool(self.pool)
        if pool is not None and pool.persistent is False:
            return seen.assume_no_pool(self.pool)
        volumes = seen.volumes_of(self.pool)
        unknown = dict.fromkeys(("capacity", "allocation", "available"))
        seen = with_pool(seen, self.pool, state="inactive", assumed=True, **unknown)
        for volume in volumes:
            seen = seen.assume_volume(self.pool, volume.name, volume)
        return seen

    def run(self, connection: libvirt.virConnect, progress: Progress) -> None:
        connection.storagePoolLookupByName(self.pool).destroy()

    def expected(self) -> tuple[Expectation, ...]:
        # A transient pool is gone once it is stopped; that counts as stopped.
        return (pool_state(self.pool, "inactive", absent="inactive"),)

    def inverse(self, before: Inventory) -> tuple[Action, ...]:
        pool = before.pool(self.pool)
        return (StartPool(self.pool),) if pool and pool.active and pool.persistent else ()


@dataclass(frozen=True)
class SetPoolAutostart:
    """Have the daemon start a pool whenever it starts itself, or no longer.

    Parameters
    ----------
    pool : str
        A defined pool.
    on : bool
        Whether it is to be started.
    """

    pool: PoolName
    on: bool = True
    patient: ClassVar[bool] = False

    def describe(self) -> str:
        how = "whenever the daemon starts" if self.on else "only when asked"
        return f"Have pool {self.pool!r} started {how}"

    def command(self) -> list[str]:
        return ["virsh", "pool-autostart", *given("--pool", self.pool), *([] if self.on else ["--disable"])]

    def problems(self, seen: Inventory) -> Iterator[Problem]:
        yield from rules.pool_missing(self.pool, seen)
        pool = seen.pool(self.pool)
        if pool is not None and pool.persistent is False:
            yield rules.transient(self.pool)

    def already(self, seen: Inventory) -> bool:
        return met(self, seen)

    def assume(self, seen: Inventory) -> Inventory:
        return with_pool(seen, self.pool, autostart=self.on)

    def run(self, connection: libvirt.virConnect, progress: Progress) -> None:
        connection.storagePoolLookupByName(self.pool).setAutostart(int(self.on))

    def expected(self) -> tuple[Expectation, ...]:
        return (pool_flag("autostart", self.pool, self.on, lambda pool: pool.autostart),)

    def inverse(self, before: Inventory) -> tuple[Action, ...]:
        pool = before.pool(self.pool)
        was = pool.autostart if pool else False
        return () if was == self.on else (SetPoolAutostart(self.pool, on=not self.on),)


@dataclass(frozen=True)
class RefreshPool:
    """Have libvirt look anew at what lies in a pool.

    Not a harmless read: libvirt empties its list first, and stops the pool where looking fails.

    Parameters
    ----------
    pool : str
        A running pool.
    """

    pool: PoolName
    patient: ClassVar[bool] = True

    def describe(self) -> str:
        return f"Have libvirt look anew at what lies in pool {self.pool!r}"

    def command(self) -> list[str]:
        return ["virsh", "pool-refresh", *given("--pool", self.pool)]

    def problems(self, seen: Inventory) -> Iterator[Problem]:
        yield from rules.pool_not_running(self.pool, seen)
        pool = seen.pool(self.pool)
        if pool and pool.spec.type == "dir" and seen.kind(pool.spec.target) == "missing":
            yield Problem(
                f"The target {pool.spec.target!r} of pool {self.pool!r} is gone: a refresh would stop it",
                "bring the folder back first",
            )

    def already(self, seen: Inventory) -> bool:
        return False

    def assume(self, seen: Inventory) -> Inventory:
        return seen

    def run(self, connection: libvirt.virConnect, progress: Progress) -> None:
        connection.storagePoolLookupByName(self.pool).refresh(0)

    def expected(self) -> tuple[Expectation, ...]:
        return (pool_state(self.pool, "running"),)

    def inverse(self, before: Inventory) -> tuple[Action, ...]:
        return ()
