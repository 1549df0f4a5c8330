"""How much of what an image takes is free inside it, so that a trim or sparsifying would give it back. Pure.

An image takes the blocks *S* of its disk; the file systems on it have the blocks *F* free. What can be given
back is what is in both. Only their sizes are known, so of a disk of size *C* it is at least S + F - C, and at
most the smaller of the two: no more is certain. The estimate is what is taken and not used, S - used. What
file systems keep for their journal and tables they count neither as used nor as free, so that the estimate
is too much by what is taken of that: little of a full disk, and all of one that was just formatted.
It counts bytes: what comes back is whole clusters, so space that is free in small pieces can give less.
"""

from __future__ import annotations

from dataclasses import dataclass

from kvmnb.images.headers import Qcow2
from kvmnb.usage.inside import Inside

#: Bytes of tables that qcow2 keeps for a cluster at most: two levels of addresses, and its references.
_PER_CLUSTER = 32

#: What the tables of any image begin with, at most.
_TABLES = 1 << 20


@dataclass(frozen=True, slots=True)
class Reclaimable:
    """What could be given back, in bytes; None where it is not known.

    Parameters
    ----------
    estimate : int or None
        What is taken and not used, with the file systems' own tables. Of an overlay it is cautious: some of
        what is used may lie below.
    least, most : int or None
        Between which it is, whatever the blocks are.
    """

    estimate: int | None = None
    least: int | None = None
    most: int | None = None


def reclaimable(
    capacity: int | None, allocation: int | None, format: str | None, header: Qcow2 | None, inside: Inside
) -> Reclaimable:
    """Work out what could be given back of one image.

    Parameters
    ----------
    capacity, allocation : int or None
        The size of the disk, and what its top image takes.
    format : str or None
        The image's format.
    header : Qcow2 or None
        What it says of itself, where it is qcow2.
    inside : Inside
        What is known of the file systems on the disk.

    Returns
    -------
    Reclaimable
        With None where the sizes or too much of the inside are not known.
    """
    if capacity is None or allocation is None or (header is not None and header.external):
        return Reclaimable()
    most = max(0, min(allocation, capacity if inside.free_most is None else inside.free_most))
    # What it takes may be tables of its own rather than the guest's blocks, or belong to snapshots.
    if format == "raw":
        own = 0
    elif header is not None and not header.snapshots:
        own = _TABLES + -(-capacity // header.cluster) * _PER_CLUSTER
    else:
        own = allocation
    blocks = min(capacity, max(0, allocation - own))
    least = min(most, max(0, blocks + inside.free_least - capacity))
    if inside.used is None:
        return Reclaimable(None, least, most)
    return Reclaimable(min(most, max(least, allocation - inside.used)), least, most)
