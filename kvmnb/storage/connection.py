"""Opening a URI, and libvirt's errors in the kit's words.

Reads reconnect once when the daemon has gone away in between; a change is never repeated, since nobody can
know how far it came.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar
from urllib.parse import urlsplit

import libvirt

from kvmnb.errors import KvmnbError, LibvirtFailed, NotFound, ReadOnly, Unreachable

_T = TypeVar("_T")

#: How long an action that is harmless to ask for twice waits for a busy pool, in seconds.
BUSY_WAIT = 10.0

_NO_DAEMON = {libvirt.VIR_ERR_NO_CONNECT, libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_ERR_AUTH_CANCELLED}
_NOT_FOUND = {
    libvirt.VIR_ERR_NO_STORAGE_POOL: "list the pools with host.pools()",
    libvirt.VIR_ERR_NO_STORAGE_VOL: "list the volumes with host.volumes()",
    libvirt.VIR_ERR_NO_DOMAIN: "list the guests with host.guests()",
}
_DENIED = {
    libvirt.VIR_ERR_AUTH_FAILED,
    libvirt.VIR_ERR_AUTH_UNAVAILABLE,
    libvirt.VIR_ERR_ACCESS_DENIED,
}


def quiet() -> None:
    """Keep libvirt from printing errors to stderr; the kit raises each of them instead."""
    libvirt.registerErrorHandler(lambda _context, _error: None, None)


def translate(error: libvirt.libvirtError, doing: str, *, alive: bool = False) -> KvmnbError:
    """Turn a libvirt error into the kit's, by its code and never by its text.

    Parameters
    ----------
    error : libvirt.libvirtError
        What libvirt raised.
    doing : str
        What was being done, as in "start pool 'vmdisk'".
    alive : bool
        Whether the daemon still listens to the connection that the call was made on.

    Returns
    -------
    KvmnbError
        To be raised by the caller.
    """
    code, domain = error.get_error_code(), error.get_error_domain()
    said = (error.get_error_message() or str(error)).strip().rstrip(".")
    what = f"Could not {doing}: {said}"
    if code in _NOT_FOUND:
        return NotFound(what, _NOT_FOUND[code])
    if code == libvirt.VIR_ERR_OPERATION_DENIED:
        return ReadOnly(what, "connect with write access: kvmnb.connect(readonly=False)")
    remote_fault = domain == libvirt.VIR_FROM_RPC and code == libvirt.VIR_ERR_INTERNAL_ERROR
    if remote_fault and alive:
        # The answer broke a limit of the protocol, such as 16,384 volumes in one listing.
        remedy = "Ask for less at once: libvirt's protocol limits how much one call may carry"
        return LibvirtFailed(what, remedy, code=code, domain=domain)
    if remote_fault or (domain == libvirt.VIR_FROM_RPC and code in _NO_DAEMON):
        return Unreachable(what, 'see that the libvirt daemon runs: "kvmnb doctor" says how')
    if code in _DENIED:
        return Unreachable(what, 'ask for membership in the group "libvirt", or use qemu:///session')
    return LibvirtFailed(
        what, "Mend what libvirt names, read the host again and repeat the step", code=code, domain=domain
    )


def _alive(raw: libvirt.virConnect) -> bool:
    """Tell whether the daemon still listens to a connection; libvirt raises for one that was closed here."""
    try:
        return bool(raw.isAlive() == 1)
    except libvirt.libvirtError:
        return False


class Connection:
    """An open connection to one libvirt daemon.

    Parameters
    ----------
    uri : str or None
        A libvirt URI. None means what virsh would use: ``LIBVIRT_DEFAULT_URI``, the ``uri_default`` of
        libvirt's client configuration, else ``qemu:///system`` for root and ``qemu:///session`` for others.
    readonly : bool
        Whether changes are impossible, enforced by the daemon.

    Raises
    ------
    Unreachable
        No daemon answers there, or it lets this user not in.
    """

    def __init__(self, uri: str | None, *, readonly: bool) -> None:
        quiet()
        self.asked = uri
        self.readonly = readonly
        self._lock = threading.Lock()
        self._raw = self._open()
        self.uri, self.host = self._names()

    def _names(self) -> tuple[str, str]:
        """Ask for the URI and the host's name, which daemons for storage or networks alone do not know."""
        try:
            return self.read("ask for the host's name", lambda raw: (raw.getURI(), raw.getHostname()))
        except LibvirtFailed as error:
            self.close()
            remedy = "connect to a daemon that runs guests, such as qemu:///system"
            raise LibvirtFailed(error.what, remedy, code=error.code, domain=error.domain) from error

    def _open(self) -> libvirt.virConnect:
        try:
            return libvirt.openReadOnly(self.asked) if self.readonly else libvirt.open(self.asked)
        except libvirt.libvirtError as error:
            where = f"connect to {self.asked}" if self.asked else "connect to libvirt's default URI"
            told = translate(error, where)
            if isinstance(told, Unreachable):
                raise told from error
            raise Unreachable(told.what, 'check the URI; "kvmnb doctor" tells what answers here') from error

    @property
    def local(self) -> bool:
        """Whether the daemon's files can be looked at from here: no host in the URI, no test driver."""
        parts = urlsplit(self.uri)
        return not parts.netloc and not parts.scheme.startswith("test")

    def close(self) -> None:
        """Close the connection; further reads open it again."""
        with suppress(libvirt.libvirtError):  # it was closed already
            self._raw.close()

    def _renew(self, broken: libvirt.virConnect) -> None:
        """Reconnect, once for all threads that found the same connection broken."""
        with self._lock:
            if self._raw is broken:
                self._raw = self._open()

    def read(self, doing: str, call: Callable[[libvirt.virConnect], _T]) -> _T:
        """Call libvirt for something that changes nothing; reconnects once when the daemon went away.

        Parameters
        ----------
        doing : str
            What is being done, for the error message: "list the pools".
        call : callable
            Gets the open ``libvirt.virConnect``.

        Returns
        -------
        object
            What the call returned.
        """
        raw = self._raw
        try:
            return call(raw)
        except libvirt.libvirtError as error:
            if _alive(raw):
                raise translate(error, doing, alive=True) from error
        self._renew(raw)
        raw = self._raw
        try:
            return call(raw)
        except libvirt.libvirtError as error:
            raise translate(error, doing, alive=_alive(raw)) from error

    def change(self, doing: str, call: Callable[[libvirt.virConnect], _T], *, patient: bool = False) -> _T:
        """Call libvirt for something that changes the host. Never repeated once it may have begun.

        Parameters
        ----------
        doing : str
            What is being done, for the error message: "start pool 'vmdisk'".
        call : callable
            Gets the open ``libvirt.virConnect``.
        patient : bool
            Whether to try again for a while where libvirt says VIR_ERR_INTERNAL_ERROR, its answer for a pool
            with jobs running. Only for calls that a pool with jobs refuses before it begins.

        Returns
        -------
        object
            What the call returned.
        """
        deadline = time.monotonic() + (BUSY_WAIT if patient else 0)
        first: libvirt.libvirtError | None = None
        while True:
            try:
                return call(self._raw)
            except libvirt.libvirtError as error:
                # The first error names the cause; a later one may only say that the pool has since stopped.
                first = first or error
                busy = error.get_error_code() == libvirt.VIR_ERR_INTERNAL_ERROR
                alive = _alive(self._raw)
                if not busy or not alive or time.monotonic() >= deadline:
                    raise translate(first, doing, alive=alive) from error
            time.sleep(0.25)
