"""Forms to click: tables of pools, volumes and guests, and every action on them, shown before it is done.

A form is made from the fields of an action, a recipe or a call: a new action has its form without more code.
"""

import lazy_loader

# As for the kit itself: ipywidgets are loaded once a form is made.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
