"""What a field may be, by what there is on the host. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from kvmnb.forms.fields import Entered, Field
from kvmnb.storage.actions import NEEDS
from kvmnb.storage.model import Inventory, Volume
from kvmnb.storage.roles import Role
from kvmnb.units import format_size

#: Formats of images that libvirt or qemu-img can make.
FORMATS = ("qcow2", "raw", "qcow", "qed", "vdi", "vmdk", "vpc", "vhdx", "parallels")

#: Roles whose values are among what there is; other fields are free.
CHOSEN = frozenset({Role.POOL, Role.VOLUME, Role.GUEST, Role.POOL_TYPE, Role.FORMAT})

#: Those of them that name something on the host.
NAMED = frozenset({Role.POOL, Role.VOLUME, Role.GUEST})

#: Words by which a person says that something is meant.
ASKED_FOR = frozenset({Role.CONFIRM, Role.WORD})


def choices(field: Field, entered: Mapping[str, Entered], seen: Inventory) -> tuple[str, ...]:
    """Give all that a field may be, or what may be proposed for it.

    Parameters
    ----------
    field : Field
        The field.
    entered : mapping of str to str or bool
        What stands in the form: the volumes are those of its pool.
    seen : Inventory
        What was read of the host.

    Returns
    -------
    tuple of str
        In the order in which a person looks for them.
    """
    if field.choices:
        return field.choices
    pool = _pool_of(field, entered)
    there: dict[Role, Callable[[], Iterable[str]]] = {
        Role.POOL: lambda: sorted(seen.pools),
        Role.VOLUME: lambda: sorted(volume.name for volume in _volumes(pool, seen)),
        Role.GUEST: lambda: sorted(guest.name for guest in seen.guests()),
        Role.IMAGE: lambda: sorted({v.path for name in seen.pools for v in _volumes(name, seen) if v.path}),
        Role.POOL_TYPE: lambda: NEEDS,
        Role.FORMAT: lambda: FORMATS,
    }
    return tuple(there[field.role]()) if field.role in there else ()


def hint(field: Field, entered: Mapping[str, Entered], seen: Inventory) -> str:
    """Say what is free, beside a size."""
    pool = seen.pool(_pool_of(field, entered)) if field.role is Role.SIZE else None
    if pool is None or pool.available is None:
        return ""
    return f"{format_size(pool.available)} are free in pool {pool.spec.name!r}"


def _pool_of(field: Field, entered: Mapping[str, Entered]) -> str:
    """Give the pool that a field is about: ``source_volume`` is one of ``source_pool``, else of ``pool``."""
    own = field.name.removesuffix("volume") + "pool"
    return str(entered.get(own) or entered.get("pool", ""))


def _volumes(pool: str, seen: Inventory) -> tuple[Volume, ...]:
    return seen.volumes_of(pool) if seen.pool(pool) else ()
