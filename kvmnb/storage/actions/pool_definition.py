"""Making libvirt know a pool, and forget it.

What each method is for is said once, at `kvmnb.storage.action.Action`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import ClassVar

import libvirt

from kvmnb.storage import rules
from kvmnb.storage.action import Action, Expectation, given, met, optional, shell_line
from kvmnb.storage.actions.facts import (
    pool_state,
)
from kvmnb.storage.actions.pool_state import SetPoolAutostart
from kvmnb.storage.model import Inventory, Pool, PoolSpec, Problem
from kvmnb.storage.roles import PoolName
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

_AUTH = ("auth_type", "auth_username", "secret_usage")

#: What each type of pool takes besides what it needs. libvirt would drop the others without a word.
TAKES: dict[str, tuple[str, ...]] = {
    "dir": (),
    "fs": ("source_format",),
    "netfs": ("source_format",),
    "logical": ("source_dev", "source_format"),
    "disk": ("source_format",),
    "iscsi": ("source_initiator", *_AUTH),
    "iscsi-direct": _AUTH,
}

#: How the name of an iSCSI target begins, by RFC 3720.
_ISCSI = ("iqn.", "eui.", "naa.")


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

    def command(self) -> list[str]:
        values = {k: v for k, v in asdict(self).items() if k not in {"name", "type"}}
        return ["virsh", "pool-define-as", *given("--name", self.name), self.type, *optional(**values)]

    def problems(self, seen: Inventory) -> Iterator[Problem]:
        yield from rules.name_problems(self.name, "name", "pool")
        yield from self._type_problems(seen)
        existing = seen.pool(self.name)
        if existing is not None and existing.persistent is False:
            yield rules.transient(self.name, "name")
        elif existing is not None and existing.spec != self.spec():
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
        yield from self._surplus_problems(seen)

    def _surplus_problems(self, seen: Inventory) -> Iterator[Problem]:
        """Say what the type does not take: fields, a source format, a name of an iSCSI target."""
        takes = (*NEEDS[self.type], *TAKES[self.type])
        for name, value in asdict(self).items():
            if value and name not in {"name", "type", *takes}:
                yield Problem(
                    f"A {self.type} pool takes no {name.replace('_', ' ')}",
                    f"leave {name} out; it takes: {', '.join(takes)}",
                    name,
                )
        formats = seen.reader.source_formats(self.type) if "source_format" in takes else ()
        if self.source_format and formats and self.source_format not in formats:
            yield Problem(
                f"A {self.type} pool has no source format {self.source_format!r}",
                f"choose one of: {', '.join(formats)}",
                "source_format",
            )
        is_iscsi = self.type in {"iscsi", "iscsi-direct"}
        if is_iscsi and self.source_dev and not self.source_dev.startswith(_ISCSI):
            yield Problem(
                f"The iSCSI target {self.source_dev!r} does not begin with iqn., eui. or naa.",
                "give the target's full name, such as iqn.2026-01.org.example:disks",
                "source_dev",
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
class UndefinePool:
    """Forget a pool's definition. Its storage stays as it is.

    Parameters
    ----------
    pool : str
        A defined pool that is not running.
    """

    pool: PoolName
    patient: ClassVar[bool] = True

    def describe(self) -> str:
        return f"Undefine pool {self.pool!r}: libvirt forgets it, what is on disk stays"

    def command(self) -> list[str]:
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
                f"keep a copy first: {shell_line(['virsh', 'pool-dumpxml', *given('--pool', self.pool)])}",
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
        return (pool_state(self.pool, "absent"),)

    def inverse(self, before: Inventory) -> tuple[Action, ...]:
        pool = before.pool(self.pool)
        if pool is None or not pool.faithful or not pool.persistent:
            return ()
        again: tuple[Action, ...] = (DefinePool(**asdict(pool.spec)),)
        return (*again, SetPoolAutostart(self.pool)) if pool.autostart else again
