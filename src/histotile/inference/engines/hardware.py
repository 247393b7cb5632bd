"""What this machine has to compute with, asked without importing a deep-learning library."""

import ctypes
import importlib.util
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any


@cache
def has_gpu() -> bool:
    """Whether an NVIDIA driver offers a GPU to this process (CUDA_VISIBLE_DEVICES counts)."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    number = ctypes.c_int(0)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(number)):
        return False
    return number.value > 0


@cache
def has_bf16() -> bool:
    """Whether the processor multiplies 16-bit brain floats (AVX512-BF16 or AMX)."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    lines = (line for line in text.splitlines() if line.startswith("flags"))
    flags = set(next(lines, "").split())
    return not flags.isdisjoint({"avx512_bf16", "amx_bf16"})


def installed(module: str) -> bool:
    """Whether a library is there; it is not imported."""
    return importlib.util.find_spec(module) is not None


def engine_words(timing: Mapping[str, Any]) -> str:
    """What computed, by the facts in a timing, e.g. "openvino on cpu, float32"."""
    return f"{timing['engine']} on {timing['device']}, {timing['precision']}"
