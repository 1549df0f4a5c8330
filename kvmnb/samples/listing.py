"""What a store of samples holds."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pandas as pd

from kvmnb.samples.reading import history
from kvmnb.samples.store import Store, files
from kvmnb.schema import KEPT, returns


@returns(KEPT)
def list_history(store: str | Path | None = None) -> pd.DataFrame:
    """List the hosts that a store has samples of, from when to when, and how many.

    Parameters
    ----------
    store : str or Path, optional
        The store's folder; where `sample` puts it without one.

    Raises
    ------
    kvmnb.errors.NotFound
        There is no store there.
    kvmnb.errors.HistoryFailed
        The store may not be read.
    """
    kept = Store.named(store)
    samples = history("samples", kept.path, strict=False)
    weights = _weights(kept)
    rows = []
    for host, own in samples.groupby("host", dropna=False, sort=True):
        name = "" if pd.isna(host) else str(host)
        count, size = weights.get(name, (0, 0))
        rows.append(
            {
                "host": name or None,
                "samples": len(own),
                "since": own["sampled_at"].iloc[0].value,
                "until": own["sampled_at"].iloc[-1].value,
                "gaps": int(own["gaps"].sum()),
                "files": count,
                "size": size,
                "uri": own["uri"].iloc[-1],
            }
        )
    return KEPT.build(rows, store=str(kept.path), problems=samples.attrs["problems"])


def _weights(store: Store) -> dict[str, tuple[int, int]]:
    """Give the number and the bytes of each host's files."""
    found: dict[str, tuple[int, int]] = {}
    for frame in store.frames():
        for partition in store.partitions(frame):
            folder = store.folder(frame, partition)
            for name in files(folder):
                with suppress(FileNotFoundError):  # put together with others since it was listed
                    count, size = found.get(partition.host, (0, 0))
                    found[partition.host] = count + 1, size + (folder / name).stat().st_size
    return found
