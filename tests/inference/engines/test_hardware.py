"""What the machine has, as PyTorch would say it, too."""

import ctypes
import platform
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from histotile.inference.engines.hardware import has_bf16, has_gpu, installed
from histotile.inference.engines.memory import keep_freed_memory


def test_a_gpu_is_found_where_pytorch_finds_one() -> None:
    assert has_gpu() or not torch.cuda.is_available()


def test_a_hidden_gpu_is_not_found() -> None:
    code = "from histotile.inference.engines.hardware import has_gpu; print(has_gpu())"
    environment = {"CUDA_VISIBLE_DEVICES": ""}
    words = [sys.executable, "-c", code]
    assert subprocess.check_output(words, env=environment, text=True).strip() == "False"


def test_bf16_is_found_where_openvino_has_kernels_for_it() -> None:
    from histotile.inference.engines.openvino import computes_in_bf16

    assert has_bf16() == computes_in_bf16()


def test_a_library_is_looked_for_without_importing_it() -> None:
    assert installed("numpy")
    assert not installed("histotile_of_another_world")


_FAULTS = """
import resource, sys
from histotile.inference.engines.memory import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
import numpy as np
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        np.empty(64 << 20, np.uint8).fill(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
"""
LIBRARY, VERSION = platform.libc_ver()


@pytest.mark.skipif(LIBRARY != "glibc", reason="other C libraries have no such settings")
def test_freed_memory_is_kept_for_the_next_batch() -> None:
    if [int(part) for part in VERSION.split(".")] < [2, 35]:
        pytest.skip("blocks of 64 MiB are beyond what this glibc keeps")
    kept, given_back = (
        int(subprocess.check_output([sys.executable, "-c", _FAULTS, how], text=True))
        for how in ("keep", "leave")
    )
    assert kept < given_back / 10


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (2**31, [(-3, 1 << 30), (-1, 1 << 30), (-2, 64 << 20)]),
        (32 << 20, [(-3, 32 << 20), (-1, 1 << 30), (-2, 64 << 20)]),  # glibc up to 2.34
        (0, []),
    ],
)
def test_memory_is_kept_as_far_as_the_library_takes_it(
    monkeypatch: pytest.MonkeyPatch, most: int, expected: list[tuple[int, int]]
) -> None:
    taken = []

    def mallopt(name: int, value: int) -> int:
        if name == -3 and value > most:
            return 0
        taken.append((name, value))
        return 1

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace(mallopt=mallopt))
    assert keep_freed_memory() == bool(expected)
    assert taken == expected
