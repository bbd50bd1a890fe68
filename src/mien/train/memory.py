"""Keeping freed memory for the next step; knows the C library's allocator, and no tensor.

glibc gives large blocks back to the system when they are freed, and each step of a training then waits for fresh pages
that the system has to clear: a quarter of the time of a small network on a CPU.
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4  # options of mallopt(3), as malloc.h numbers them
_KEEPING = {_TRIM_THRESHOLD: 2**31 - 1, _MMAP_MAX: 0}
_USUAL = {_TRIM_THRESHOLD: 2**26, _MMAP_THRESHOLD: 2**25, _MMAP_MAX: 65536}
"""What glibc itself comes to in a process that has freed large blocks."""


@contextmanager
def kept() -> Iterator[None]:
    """Within it freed memory stays with the process; afterwards it goes back. Without glibc nothing changes."""
    if platform.libc_ver()[0] != "glibc":
        yield
        return
    library = ctypes.CDLL(None)
    for option, value in _KEEPING.items():
        library.mallopt(option, value)
    try:
        yield
    finally:
        for option, value in _USUAL.items():
            library.mallopt(option, value)
        library.malloc_trim(0)
