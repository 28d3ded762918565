"""The heap of the C library, which SQLite and Python take their memory from."""

import ctypes
from contextlib import suppress

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # of glibc's malloc.h
LARGE = 2**20  # bytes; what most answers take is less, and is kept for the next


def share() -> None:
    """Let the threads of this process and of its children share one heap, and give back what is free of it now.

    glibc would give each thread its own (https://man7.org/linux/man-pages/man3/mallopt.3.html), for all that SQLite
    ever needed at once; under the interpreter's lock they seldom ask at the same time. And it would keep in a heap what
    is as large as something that was freed before, where all that is large goes back as it is freed. Others have no
    such functions.
    """
    with suppress(AttributeError, OSError):
        library = ctypes.CDLL(None)
        library.mallopt(M_ARENA_MAX, 1)
        library.mallopt(M_MMAP_THRESHOLD, LARGE)
        library.mallopt(M_TRIM_THRESHOLD, 2 * LARGE)
        library.malloc_trim(0)
