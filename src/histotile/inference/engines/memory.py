"""Memory that a process gives back to the system only to ask for it again."""

import ctypes
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # of mallopt, in malloc.h
_KEPT, _KEPT_BY_OLD = 1 << 30, 32 << 20  # glibc up to 2.34 takes no more
_STEP = 64 << 20


def keep_freed_memory() -> bool:
    """Whether the C library was told to keep freed memory for the next batch (Linux, glibc).

    PyTorch frees each layer's output. By default glibc returns such blocks to the system, which
    must fill them with zeros again. Where it does not take this, it stays as it was.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # another C library than glibc
        return False
    if not any(mallopt(_MMAP_THRESHOLD, most) == 1 for most in (_KEPT, _KEPT_BY_OLD)):
        return False  # the other settings alone would stop this one from growing as needed
    return all([mallopt(_TRIM_THRESHOLD, _KEPT) == 1, mallopt(_TOP_PAD, _STEP) == 1])
