"""Disk images: what qemu-img says of them, as frames; and what it does to one."""

import lazy_loader

# The public names are listed in __init__.pyi, and loaded when they are first used, as in the package above.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
