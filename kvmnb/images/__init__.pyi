# What the room gives, and from where. A name is loaded when it is first used; see __init__.py.
from .candidates import CANDIDATES as CANDIDATES
from .candidates import Candidate as Candidate
from .reading import check as check
from .reading import info as info
from .reading import map as map  # noqa: A004 - qemu-img's own word
from .reading import measure as measure
from .reading import snapshots as snapshots

__all__: list[str]
