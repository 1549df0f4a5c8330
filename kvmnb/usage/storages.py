"""Which pools take their space from the same storage. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kvmnb.storage.model import FOLDER_POOLS, Inventory, Pool

#: What a device's identity has in place of a file system's number.
_DEVICE = -1


@dataclass(frozen=True)
class Storages:
    """The storages of a host's running pools, each called by the first pool that lies on it.

    Parameters
    ----------
    pools : mapping of str to (str or None)
        Per running pool the word for its storage; None where it cannot be known what it shares.
    systems : mapping of int to str
        The same by the number that the host's kernel has for a file system.
    """

    pools: Mapping[str, str | None]
    systems: Mapping[int, str]

    @classmethod
    def of(cls, seen: Inventory) -> Storages:
        """Find them.

        Pools on folders share a storage where their folders lie on one file system, and pools of volume
        groups or disks where these are the same. Any other pool is a storage of its own.
        """
        running = [seen.pools[name] for name in sorted(seen.pools) if seen.pools[name].active]
        folders = sum(pool.spec.type in FOLDER_POOLS for pool in running)
        words: dict[object, str] = {}
        pools: dict[str, str | None] = {}
        for pool in running:
            key = _key(pool, seen)
            if key is None and folders == 1:
                key = pool.name  # there is no other with which it could share
            pools[pool.name] = None if key is None else words.setdefault(key, pool.name)
        return cls(pools, {key: word for key, word in words.items() if isinstance(key, int)})

    def at(self, identity: tuple[int, int] | None) -> str | None:
        """Give the storage that a file lies on; None where it is that of no running pool, or not known."""
        return self.systems.get(identity[0]) if identity is not None else None

    def on(self, storage: str | None) -> list[str]:
        """Give the pools on a storage."""
        return [name for name, word in self.pools.items() if storage is not None and word == storage]

    def beside(self, pool: str) -> list[str]:
        """Give the other pools on the storage of a pool."""
        return [name for name in self.on(self.pools.get(pool)) if name != pool]


def _key(pool: Pool, seen: Inventory) -> object | None:
    """Give what pools on one storage have in common: a number for a file system; None where it is unknown."""
    spec = pool.spec
    if spec.type in FOLDER_POOLS:
        identity = seen.reader.identity(spec.target)
        return None if identity is None or identity[0] == _DEVICE else identity[0]
    if spec.type == "logical":
        return ("group", spec.source_name or pool.name)
    if spec.type == "disk" and spec.source_dev:
        return ("disk", spec.source_dev)
    return ("pool", pool.name)
