"""glibc's allocator, told to keep the memory that a network gives back: the next picture takes it again.

By default it maps every large piece anew, and the kernel clears each of its pages at the first touch. That takes more
time than the arithmetic of a small network (benchmarks/any_size.py).
"""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
NEVER = 2**31 - 1
FROM_THE_HEAP = (2**30, 2**25)  # bytes: only what is larger is mapped on its own; older glibc takes the second at most
STEP = 64 * 2**20  # bytes that the heap grows by


def keep_memory() -> None:
    """Set it for this process, before torch is loaded; nothing happens where the allocator is another one."""
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    if not any(mallopt(M_MMAP_THRESHOLD, size) for size in FROM_THE_HEAP):
        return  # the others alone would freeze a threshold that is far too low
    mallopt(M_TRIM_THRESHOLD, NEVER)
    mallopt(M_TOP_PAD, STEP)
