"""Everything that can be done to a pool, one frozen dataclass per libvirt call.

What each method is for is said once, at `kvmnb.storage.action.Action`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import ClassVar

import libvirt

from kvmnb.storage import rules
from kvmnb.storage.action import Action, Expectation, given, met, optional
from kvmnb.storage.model import Inventory, Pool, PoolSpec, Problem
from kvmnb.storage.streams import Progress
from kvmnb.storage.xml import DEFAULT_FORMATS, pool_xml

#: What each type of pool needs besides a name; the words are fields of `PoolSpec`.
NEEDS: dict[str, tuple[str, ...]] = {
    "dir": ("target",),
    "fs": ("source_dev", "target"),
    "netfs": ("source_host", "source_path", "target"),
    "logical": ("source_name", "target"),
    "disk": ("source_dev", "target"),
    "iscsi": ("source_host", "source_dev", "target"),
    "iscsi-direct": ("source_host", "source_dev", "source_initiator"),
}

#: Types whose target is a folder that ``pool-build`` makes and ``pool-delete`` removes.
_FOLDERS = {"dir", "fs", "netfs"}


def _state(pool: str, state: str, absent: str = "absent") -> Expectation:
    def actual(seen: Inventory) -> str:
        found = seen.pool(pool)
        return found.state if found else absent

    return Expectation(f"state of pool {pool!r}", state, actual)


def _flag(what: str, pool: str, want: bool, read: Callable[[Pool], bool | None]) -> Expectation:
    def actual(seen: Inventory) -> str | None:
        found = seen.pool(pool)
        value = read(found) if found else None
        return None if value is None else "yes" if value else "no"

    return Expectation(f"{what} of pool {pool!r}", "yes" if want else "no", actual)


def _with(seen: Inventory, pool: str, **changes: object) -> Inventory:
    """Assume that a pool has changed."""
    found = seen.pool(pool)
    return seen if found is None else seen.assume_pool(replace(found, **changes))  # type: ignore[arg-type]


@dataclass(frozen=True)
class DefinePool(PoolSpec):
    """Define a pool, so that libvirt knows it from now on. Nothing is made on disk and nothing started.

    The fields are those of `kvmnb.storage.model.PoolSpec`.
    """

    patient: ClassVar[bool] = False

    @property
    def pool(self) -> str:
        return self.name

    def spec(self) -> PoolSpec:
        """Give what is to be defined, as libvirt would write it."""
        spec = PoolSpec(**asdict(self))
        if spec.source_format == DEFAULT_FORMATS.get(spec.type):
            spec = replace(spec, source_format="")
        return replace(spec, target=spec.target.rstrip("/") or spec.target)

    def describe(self) -> str:
        where = " at " + self.target if self.target else ""
        source = f" on {self.source()}" if self.source() else ""
        return f"Define the {self.type} pool {self.name!r}{where}{source}"

    def virsh(self) -> list[str]:
        values = {k: v for k, v in asdict(self).items() if k not in {"name", "type"}}
        return ["virsh", "pool-define-as", *given("--name", self.name), self.type, *optional(**values)]

    def problems(self, seen: Inventory) -> Iterator[Problem]:
        yield from rules.name_problems(self.name, "name", "pool")
        yield from self._type_problems(seen)
        existing = seen.pool(self.name)
        if existing is not None and existing.spec != self.spec():
            yield Problem(
                f"The name {self.name!r} is taken by a {existing.spec.type} pool"
                + (f" at {existing.spec.target}" if existing.spec.target else ""),
                "choose another name, or remove that pool first",
                "name",
            )
        elif existing is None and self.target and self.type in NEEDS:
            yield from rules.target_problems(self, seen)

    def _type_problems(self, seen: Inventory) -> Iterator[Problem]:
        needs = NEEDS.get(self.type)
        if needs is None:
            known = ", ".join(NEEDS)
            yield Problem(f"The pool type {self.type!r} is unknown", f"choose one of: {known}", "type")
            return
        if not seen.reader.pool_types().get(self.type, True):
            yield Problem(
                f"This host's libvirt has no support for {self.type} pools",
                f"install its storage driver (Debian: libvirt-daemon-driver-storage-{self.type}) "
                "and restart the daemon",
                "type",
            )
        for name in needs:
            if not getattr(self, name):
                yield Problem(f"A {self.type} pool needs a {name.replace('_', ' ')}", f"give {name}", name)
        for name, value in asdict(self).items():
            # virsh pool-define-as writes its arguments into XML as they are.
            bad = next((letter for letter in value if letter in "<>&'\"" or not letter.isprintable()), None)
            if bad and name not in {"name", "type"}:
                what = name.replace("_", " ")
                yield Problem(f"The {what} {value!r} holds {bad!r}", f"give a {what} without it", name)
        if bool(self.auth_type) != bool(self.auth_username and self.secret_usage):
            yield Problem(
                "The authentication is incomplete",
                "give auth_type, auth_username and secret_usage together",
                "auth_type",
            )

    def already(self, seen: Inventory) -> bool:
        found = seen.pool(self.name)
        return found is not None and found.spec == self.spec() and bool(found.persistent)

    def assume(self, seen: Inventory) -> Inventory:
        return seen if self.already(seen) else seen.assume_pool(Pool(self.spec()))

    def run(self, connection: libvirt.virConnect, progress: Progress) -> None:
        connection.storagePoolDefineXML(pool_xml(self.spec()), libvirt.VIR_STORAGE_POOL_DEFINE_VALIDATE)

    def expected(self) -> tuple[Expectation, ...]:
        name = self.name

        def definition(seen: Inventory) -> str:
            found = seen.pool(name)
            return "absent" if found is None else _summary(found.spec)

        return (Expectation(f"definition of pool {name!r}", _summary(self.spec()), definition),)

    def inverse(self, before: Inventory) -> tuple[Action, ...]:
        return () if before.pool(self.name) else (UndefinePool(self.name),)


def _summary(spec: PoolSpec) -> str:
    """Give a spec in words that differ whenever specs do."""
    values = {k: v for k, v in asdict(spec).items() if v and k not in {"name", "type"}}
    return " ".join([spec.type, *(f"{key}={value}" for key, value in values.items())])


@dataclass(frozen=True)
class BuildPool:
    """Build a pool's storage: make the folder (dir, fs, netfs), the volume group or the partition table.

    Parameters
    ----------
    pool : str
        A defined pool that is not running.
    overwrite : bool
        Whether data on the source device may be destroyed (fs: make a new file system on it). Needs
        ``confirm``.
    confirm : str
        With ``overwrite``: the pool's name, as the word that you mean it.
    """

    pool: str
    overwrite: bool = False
    confirm: str = ""
    patient: ClassVar[bool] = False

    def describe(self) -> str:
        over = ", DESTROYING what is on its source" if self.overwrite else ""
        return f"Build pool {self.pool!r}: make what its type needs, such as its folder{over}"

    def virsh(self) -> list[str]:
        return [
            "virsh",
            "pool-build",
            *given("--pool", self.pool),
            *(["--overwrite"] if self.overwrite else []),
        ]

    def problems(self, seen: Inventory) -> Iterator[Problem]:
        yield from rules.pool_missing(self.pool, seen)
        pool = seen.pool(self.pool)
        if pool is None:
            return
        if self.overwrite:
            yield from rules.said(self.confirm, self.pool, "overwriting the source of a pool")
            if pool.spec.type not in {"fs", "disk", "logical"}:
                yield Problem(
                    f"A {pool.spec.type} pool has nothing to overwrite", "leave overwrite out", "overwrite"
                )
            if pool.active:
                yield Problem(f"Pool {self.pool!r} is {pool.state}", "stop it first", "pool")
        if pool.spec.type in _FOLDERS and seen.kind(pool.spec.target) not in {"directory", "missing", None}:
            yield Problem(
                f"The target {pool.spec.target!r} exists and is no directory",
                "remove it, or undefine the pool",
            )

    def already(self, seen: Inventory) -> bool:
        pool = seen.pool(self.pool)
        if pool is None or self.overwrite:
            return False
        return pool.active or (pool.spec.type == "dir" and seen.kind(pool.spec.target) == "directory")

    def assume(self, seen: Inventory) -> Inventory:
        pool = seen.pool(self.pool)
        return seen.assume_kind(pool.spec.target, "directory") if pool and pool.spec.target else seen

    def run(self, connection: libvirt.virConnect, progress: Progress) -> None:
        flags = libvirt.VIR_STORAGE_POOL_BUILD_OVERWRITE if self.overwrite else 0
        connection.storagePoolLookupByName(self.pool).build(flags)

    def expected(self) -> tuple[Expectation, ...]:

        def folder(seen: Inventory) -> str | None:
            pool = seen.pool(self.pool)
            if pool is None or pool.spec.type not in _FOLDERS:
                return None if pool else "absent"
            return seen.kind(pool.spec.target)

        return (Expectation(f"target of pool {self.pool!r}", "directory", folder),)

    def inverse(self, before: Inventory) -> tuple[Action, ...]:
        pool = before.pool(self.pool)
        made = pool and pool.spec.type in _FOLDERS and before.kind(pool.spec.target) == "missing"
        return (DeletePool(self.pool),) if made else ()


@dataclass(frozen=True)
class StartPool:
    """Start a pool: make its storage available and read its volumes.

    Parameters
    ----------
    pool : str
        A defined pool.
    """

    pool: str
    patient: ClassVar[bool] = False

    def describe(self) -> str:
        return f"Start pool {self.pool!r}"

    def virsh(self) -> list[str]:
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
        return seen if self.already(seen) else _with(seen, self.pool, state="running", assumed=True)

    def run(self, connection: libvirt.virConnect, progress: Progress) -> None:
        connection.storagePoolLookupByName(self.pool).create(0)

    def expected(self) -> tuple[Expectation, ...]:
        return (_state(self.pool, "running"),)

    def inverse(self, before: Inventory) -> tuple[Action, ...]:
        pool = before.pool(self.pool)
        return () if pool and pool.active else (StopPool(self.pool),)


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

    pool: str
    on: bool = True
    patient: ClassVar[bool] = False

    def describe(self) -> str:
        how = "whenever the daemon starts" if self.on else "only when asked"
        return f"Have pool {self.pool!r} started {how}"

    def virsh(self) -> list[str]:
        return ["virsh", "pool-autostart", *given("--pool", self.pool), *([] if self.on else ["--disable"])]

    def problems(self, seen: Inventory) -> Iterator[Problem]:
        yield from rules.pool_missing(self.pool, seen)
        pool = seen.pool(self.pool)
        if pool is not None and pool.persistent is False:
            yield Problem(f"Pool {self.pool!r} is transient: it is not defined", "define it first", "pool")

    def already(self, seen: Inventory) -> bool:
        return met(self, seen)

    def assume(self, seen: Inventory) -> Inventory:
        return _with(seen, self.pool, autostart=self.on)

    def run(self, connection: libvirt.virConnect, progress: Progress) -> None:
        connection.storagePoolLookupByName(self.pool).setAutostart(int(self.on))

    def expected(self) -> tuple[Expectation, ...]:
        return (_flag("autostart", self.pool, self.on, lambda pool: pool.autostart),)

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

    pool: str
    patient: ClassVar[bool] = True

    def describe(self) -> str:
        return f"Have libvirt look anew at what lies in pool {self.pool!r}"

    def virsh(self) -> list[str]:
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
        return (_state(self.pool, "running"),)

    def inverse(self, before: Inventory) -> tuple[Action, ...]:
        return ()


@dataclass(frozen=True)
class StopPool:
    """Stop a pool: libvirt's word is *destroy*, but nothing on disk is touched.

    Parameters
    ----------
    pool : str
        A running pool.
    """

    pool: str
    patient: ClassVar[bool] = True

    def describe(self) -> str:
        return f"Stop pool {self.pool!r}: its volumes stay on disk, out of libvirt's sight"

    def virsh(self) -> list[str]:
        return ["virsh", "pool-destroy", *given("--pool", self.pool)]

    def problems(self, seen: Inventory) -> Iterator[Problem]:
        yield from rules.pool_missing(self.pool, seen)
        pool = seen.pool(self.pool)
        if pool is None or self.already(seen):
            return
        if pool.persistent is False:
            yield Problem(
                f"Pool {self.pool!r} is transient: stopped, it is gone from libvirt",
                "define it first if it is to stay",
                "pool",
                "warn",
            )
        yield from rules.pool_users(self.pool, seen)

    def already(self, seen: Inventory) -> bool:
        return met(self, seen)

    def assume(self, seen: Inventory) -> Inventory:
        pool = seen.pool(self.pool)
        if pool is not None and pool.persistent is False:
            return seen.assume_no_pool(self.pool)
        volumes = seen.volumes_of(self.pool)
        seen = _with(seen, self.pool, state="inactive", capacity=None, allocation=None, available=None)
        for volume in volumes:
            seen = seen.assume_volume(self.pool, volume.name, volume)
        return seen

    def run(self, connection: libvirt.virConnect, progress: Progress) -> None:
        connection.storagePoolLookupByName(self.pool).destroy()

    def expected(self) -> tuple[Expectation, ...]:
        # A transient pool is gone once it is stopped; that counts as stopped.
        return (_state(self.pool, "inactive", absent="inactive"),)

    def inverse(self, before: Inventory) -> tuple[Action, ...]:
        pool = before.pool(self.pool)
        return (StartPool(self.pool),) if pool and pool.active and pool.persistent else ()


@dataclass(frozen=True)
class DeletePool:
    """Delete a pool's storage: remove its folder, which must be empty, or its volume group.

    Parameters
    ----------
    pool : str
        A defined pool that is not running.
    confirm : str
        For a logical pool: its name, since its volume group goes with all data.
    """

    pool: str
    confirm: str = ""
    patient: ClassVar[bool] = True

    def describe(self) -> str:
        return (
            f"Delete what pool {self.pool!r} was built on, such as its folder, which must be empty"
        )

    def virsh(self) -> list[str]:
        return ["virsh", "pool-delete", *given("--pool", self.pool)]

    def problems(self, seen: Inventory) -> Iterator[Problem]:
        yield from rules.pool_missing(self.pool, seen)
        pool = seen.pool(self.pool)
        if pool is None:
            return
        if pool.active:
            yield Problem(f"Pool {self.pool!r} is {pool.state}", "stop it first", "pool")
        if pool.spec.type not in {*_FOLDERS, "logical"}:
            yield Problem(f"A {pool.spec.type} pool has no storage of its own to delete", "undefine it only")
        if pool.spec.type == "logical":
            yield from rules.said(self.confirm, self.pool, "deleting a volume group with all its volumes")
            yield from rules.logical_volumes(self.pool, seen)
        else:
            yield from rules.folder_not_empty(pool, seen)

    def already(self, seen: Inventory) -> bool:
        pool = seen.pool(self.pool)
        # A volume group without volumes has no folder below /dev, and is there all the same.
        return pool is not None and pool.spec.type != "logical" and met(self, seen)

    def assume(self, seen: Inventory) -> Inventory:
        pool = seen.pool(self.pool)
        return seen.assume_kind(pool.spec.target, "missing") if pool and pool.spec.target else seen

    def run(self, connection: libvirt.virConnect, progress: Progress) -> None:
        connection.storagePoolLookupByName(self.pool).delete(libvirt.VIR_STORAGE_POOL_DELETE_NORMAL)

    def expected(self) -> tuple[Expectation, ...]:

        def target(seen: Inventory) -> str | None:
            pool = seen.pool(self.pool)
            return seen.kind(pool.spec.target) if pool and pool.spec.target else None

        return (Expectation(f"target of pool {self.pool!r}", "missing", target),)

    def inverse(self, before: Inventory) -> tuple[Action, ...]:
        pool = before.pool(self.pool)
        return (BuildPool(self.pool),) if pool and pool.spec.type in _FOLDERS else ()


@dataclass(frozen=True)
class UndefinePool:
    """Forget a pool's definition. Its storage stays as it is.

    Parameters
    ----------
    pool : str
        A defined pool that is not running.
    """

    pool: str
    patient: ClassVar[bool] = True

    def describe(self) -> str:
        return f"Undefine pool {self.pool!r}: libvirt forgets it, what is on disk stays"

    def virsh(self) -> list[str]:
        return ["virsh", "pool-undefine", *given("--pool", self.pool)]

    def problems(self, seen: Inventory) -> Iterator[Problem]:
        pool = seen.pool(self.pool)
        if pool is None:
            return
        if pool.active:
            yield Problem(f"Pool {self.pool!r} is {pool.state}", "stop it first", "pool")
        if not pool.faithful:
            yield Problem(
                f"The definition of pool {self.pool!r} holds more than can be written anew: no undo",
                f"keep a copy first: virsh pool-dumpxml {self.pool}",
                "pool",
                "warn",
            )
        yield from rules.pool_users(self.pool, seen)

    def already(self, seen: Inventory) -> bool:
        return met(self, seen)

    def assume(self, seen: Inventory) -> Inventory:
        return seen.assume_no_pool(self.pool)

    def run(self, connection: libvirt.virConnect, progress: Progress) -> None:
        connection.storagePoolLookupByName(self.pool).undefine()

    def expected(self) -> tuple[Expectation, ...]:
        return (_state(self.pool, "absent"),)

    def inverse(self, before: Inventory) -> tuple[Action, ...]:
        pool = before.pool(self.pool)
        if pool is None or not pool.faithful or not pool.persistent:
            return ()
        again: tuple[Action, ...] = (DefinePool(**asdict(pool.spec)),)
        return (*again, SetPoolAutostart(self.pool)) if pool.autostart else again
