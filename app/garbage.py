"""No look for garbage while a process of our own loads its modules: it would take a twentieth of the start.

What they make stays. See https://docs.python.org/3/library/gc.html#gc.freeze.
"""

import gc

from .lazy import IS_OUR_OWN

if IS_OUR_OWN:
    gc.disable()


def look_again() -> None:
    """Look for garbage in what is made from now on."""
    if IS_OUR_OWN:
        gc.freeze()
        gc.enable()
