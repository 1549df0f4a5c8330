"""What of a host's pools could not be read, in the words that all frames of usage have for it. Pure."""

from __future__ import annotations

from kvmnb.storage.frames import idle
from kvmnb.storage.model import Inventory, Pool


def unlisted(seen: Inventory, pool: str) -> list[str]:
    """Give why volumes of a pool could not be listed; empty where they were."""
    return [one.problem for one in seen.volumes_of(pool) if not one.name and not one.path]


def not_read(pool: Pool) -> dict[str, str]:
    """Give the pool, the status and the problem of a row for a pool that is not running."""
    if pool.problem:
        return {"pool": pool.name, "status": "unreadable", "problem": pool.problem}
    return {"pool": pool.name, **idle(pool)}
