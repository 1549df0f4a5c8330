"""kvmnb: a Jupyter operations notebook kit for KVM storage.

`connect` gives a `Host`. What it reads comes back as DataFrames; what it changes is planned first::

    host = kvmnb.connect(readonly=False)
    host.pools()
    plan = kvmnb.create_pool(host, "vmdisk", target="/data/vmfs")
    host.apply(plan)
"""

import lazy_loader

__version__ = "0.1.0"

# The public names are listed in __init__.pyi, and loaded when they are first used: "kvmnb --help" needs
# neither pandas nor libvirt, and "kvmnb doctor" must work where libvirt's bindings are missing.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
