"""Memory that a process gives back to the system only to ask for it again."""

import ctypes
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # of mallopt, in malloc.h
_KEPT = 1 << 30
_STEP = 64 << 20


def keep_freed_memory() -> bool:
    """Whether the C library was told to keep freed memory for the next batch (Linux, glibc).

    PyTorch frees each layer's output. By default glibc returns such blocks to the system, which
    must fill them with zeros again: a quarter of the time of ResNet-18 on a processor. The most
    memory that is held stays the same.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # another C library than glibc
        return False
    settings = ((_MMAP_THRESHOLD, _KEPT), (_TRIM_THRESHOLD, _KEPT), (_TOP_PAD, _STEP))
    return all([mallopt(name, value) == 1 for name, value in settings])
