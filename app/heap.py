"""The heap of the C library, which SQLite and Python take their memory from."""

import ctypes
from contextlib import suppress

M_ARENA_MAX = -8  # of glibc's malloc.h


def share() -> None:
    """Let the threads of this process and of its children share one heap, and give back what is free of it now.

    glibc would give each thread its own (https://man7.org/linux/man-pages/man3/mallopt.3.html), for all that SQLite
    ever needed at once; under the interpreter's lock they seldom ask at the same time. Others have no such functions.
    """
    with suppress(AttributeError, OSError):
        library = ctypes.CDLL(None)
        library.mallopt(M_ARENA_MAX, 1)
        library.malloc_trim(0)
