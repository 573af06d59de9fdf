"""What the C library does with the memory that tensors give back."""

import ctypes
import os
import sys

TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3  # of `mallopt`, by malloc.h of glibc
KEPT = {
    MMAP_THRESHOLD: 32 << 20,
    TRIM_THRESHOLD: 2**31 - 1,
    TOP_PAD: 64 << 20,
}  # bytes; the first is the most that glibc takes


def keep_freed_memory() -> bool:
    """Have glibc keep freed memory for the next tensors; whether it does.

    By itself it gives the memory of large tensors back to the system, which hands it out again page by page, each of them filled with
    zeros: a fifth to a quarter of the time of networks whose tensors have some megabytes. Memory stays with the process until it ends.
    Environment variables of glibc (``MALLOC_TRIM_THRESHOLD_`` and the like) come first.
    """
    if not sys.platform.startswith("linux") or any(name.startswith("MALLOC_") for name in os.environ):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    return mallopt is not None and all(mallopt(option, size) for option, size in KEPT.items())
