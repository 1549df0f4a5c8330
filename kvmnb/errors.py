"""Every error that the kit raises. Each says what was wrong and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


class KvmnbError(Exception):
    """The base of the kit's errors: one sentence of what was wrong, one of what to do.

    Parameters
    ----------
    what : str
        What was wrong, naming the value.
    remedy : str
        What the reader can do about it.
    """

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what, remedy)
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.what}. {self.remedy[:1].upper()}{self.remedy[1:]}."

    def _render_traceback_(self) -> list[str]:
        """Have IPython show the sentence alone: it says all that its reader needs; ``%tb`` shows the rest."""
        return [f"{type(self).__name__}: {self}"]


class BadValue(KvmnbError, ValueError):
    """A value that the kit cannot take: a size without sense, an unknown column, a wrong word."""


class BadImage(KvmnbError, ValueError):
    """A disk image is not what it is said to be, is broken, or names files that it must not."""


class NotFound(KvmnbError, LookupError):
    """A pool, volume, guest or runbook of that name does not exist."""


class Cancelled(KvmnbError):
    """Work was stopped by whoever had asked for it."""


class Unreachable(KvmnbError, ConnectionError):
    """No libvirt daemon answers at the URI."""


class ReadOnly(KvmnbError, PermissionError):
    """A change was asked of a host that was opened for reading."""


class Refused(KvmnbError):
    """An action has problems, so nothing was changed; ``problems`` holds each reason.

    Parameters
    ----------
    what, remedy : str
        As for `KvmnbError`.
    problems : tuple
        The `kvmnb.storage.model.Problem` values that stand in the way.
    """

    def __init__(self, what: str, remedy: str, problems: tuple[object, ...] = ()) -> None:
        super().__init__(what, remedy)
        self.problems = problems


class LibvirtFailed(KvmnbError):
    """Libvirt refused a call or failed in it.

    Parameters
    ----------
    what, remedy : str
        As for `KvmnbError`.
    code, domain : int or None
        libvirt's ``VIR_ERR_*`` number and ``VIR_FROM_*`` number.
    """

    def __init__(self, what: str, remedy: str, *, code: int | None = None, domain: int | None = None) -> None:
        super().__init__(what, remedy)
        self.code = code
        self.domain = domain


class ActionFailed(KvmnbError):
    """A step of a plan failed, or what it left is not what was expected.

    Parameters
    ----------
    what, remedy : str
        As for `KvmnbError`.
    report : pandas.DataFrame
        The frame that `Host.apply` would have returned: what was done, undone and not done.
    """

    def __init__(self, what: str, remedy: str, report: pd.DataFrame) -> None:
        super().__init__(what, remedy)
        self.report = report


class ProgramFailed(KvmnbError):
    """A program could not be started, ran too long, or said that it failed."""


class StillInUse(KvmnbError):
    """A mounted file system cannot be unmounted, or its image is not finished; it stays listed."""


class MountLost(KvmnbError, OSError):
    """The program that served a mounted file system ended too early; what was written last may be missing."""


class NoFuse(KvmnbError):
    """Nothing can be mounted here, because FUSE is missing; copying and listing work without it."""


class RunbookFailed(KvmnbError):
    """A cell of a runbook raised; the record keeps the notebook as far as it came."""


class HistoryFailed(KvmnbError, OSError):
    """The store of samples cannot be written or read: no room, no right, no such folder."""


class BadHistory(KvmnbError, ValueError):
    """A file in the store of samples is damaged, or is none of the kit's."""
