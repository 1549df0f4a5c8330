"""Whether guests' file systems can be mounted on this machine."""

from __future__ import annotations

import os
from pathlib import Path

from kvmnb.errors import NoFuse
from kvmnb.programs import find


def require_fuse() -> None:
    """Raise `NoFuse` where nothing can be mounted by this user."""
    missing = [name for name in ("guestmount", "guestunmount") if not find(name)]
    if not any(find(name) for name in ("fusermount3", "fusermount")):
        problem = "the program fusermount is not installed"
    elif missing:
        problem = f"the program {missing[0]} is not installed"
    elif not Path("/dev/fuse").exists():
        problem = "there is no /dev/fuse"
    elif not os.access("/dev/fuse", os.R_OK | os.W_OK):
        problem = "you may not open /dev/fuse"
    else:
        return
    raise NoFuse(
        f"Nothing can be mounted here: {problem}",
        "use kvmnb.ls, kvmnb.copy_out, kvmnb.copy_in and kvmnb.tail_logs, which do without, or install fuse3 "
        "and guestmount",
    )
