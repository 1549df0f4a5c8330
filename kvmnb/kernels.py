"""The kernel in which runbooks run: this very Python, whatever kernels the user has installed."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, Any

import zmq
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager, KernelManager


def own_kernel(
    uri: str | None, said: IO[bytes], made: Callable[[AsyncKernelManager], None]
) -> type[AsyncKernelManager]:
    """Make the class that starts this environment's Python as a kernel.

    Parameters
    ----------
    uri : str or None
        The libvirt URI that the kernel finds in ``LIBVIRT_DEFAULT_URI``.
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
            if can_encrypt():
                self.transport_encryption = "auto"
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
