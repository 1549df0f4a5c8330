"""The kernel in which runbooks run: this very Python, whatever kernels the user has installed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import zmq
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager, KernelManager

#: What a socket's name, of at most 107 bytes, leaves for the folder that `private_folder` makes one in.
_LONGEST = 107 - len("/kvmnb-01234567/kernel-5")


@contextmanager
def private_folder() -> Iterator[Path]:
    """Make a folder for a kernel's sockets that only the user can enter, and remove it at the end."""
    usual = tempfile.gettempdir()
    parent = usual if len(os.fsencode(usual)) <= _LONGEST else "/tmp"  # noqa: S108 - the name in it is new
    # A kernel that is ending may remove its sockets at the same time.
    with tempfile.TemporaryDirectory(prefix="kvmnb-", dir=parent, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def own_kernel(
    uri: str | None, folder: Path, said: IO[bytes], made: Callable[[AsyncKernelManager], None]
) -> type[AsyncKernelManager]:
    """Make the class that starts this environment's Python as a kernel.

    Parameters
    ----------
    uri : str or None
        The libvirt URI that the kernel finds in ``LIBVIRT_DEFAULT_URI``.
    folder : pathlib.Path
        Where the kernel's sockets lie, as `private_folder` makes it.
    said : file
        Gets what the kernel itself writes, as when it dies; what cells write is in the notebook.
    made : callable
        Gets each kernel manager that is made of the class.

    Returns
    -------
    type
        For nbclient, which makes the kernel manager itself, and ends the kernel.
    """

    class Kernel(AsyncKernelManager):
        def __init__(self, **traits: Any) -> None:  # noqa: ANN401 - whatever its base takes
            # Without folders to look in there is one kernel: the running Python's own.
            super().__init__(kernel_spec_manager=KernelSpecManager(kernel_dirs=[]), **traits)
            # Ports would be picked here and bound a second later by the kernel, which dies where another
            # program has taken one meanwhile. Sockets in a folder of the user's are nobody else's.
            self.transport = "ipc"
            self.connection_file = str(folder / "kernel.json")
            self.ip = str(folder / "kernel")
            if uri and self.kernel_spec:
                # Values here are templates, in which $ begins a name.
                self.kernel_spec.env = {"LIBVIRT_DEFAULT_URI": uri.replace("$", "$$")}
            made(self)

        # jupyter_client declares it for its kernel managers that wait; this one is awaited.
        async def start_kernel(self, **options: Any) -> None:  # type: ignore[override]  # noqa: ANN401
            await super().start_kernel(stdout=said, stderr=said, **options)

    return Kernel


def can_encrypt() -> bool:
    """Tell whether what goes to and from kernels can be encrypted; where it can and is not, kernels warn."""
    return "transport_encryption" in KernelManager.class_trait_names() and bool(zmq.has("curve"))
