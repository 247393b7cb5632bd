"""Tensors in a file of weights, under the names they were saved by; nothing in it is run."""

import argparse
import contextlib
import pickle
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from histotile.errors import HistotileError

SAVE = "load it where it was made and save `model.state_dict()` alone, as .pth or .safetensors"
_OTHER_KINDS = {
    ".npz": "an archive of NumPy, as JAX writes it",
    ".onnx": "an ONNX file",
    ".h5": "an HDF5 file, as Keras writes it",
    ".msgpack": "a file of Flax",
}


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a .safetensors, .pth or like file, by their names joined with dots.

    {"state_dict": {"model.conv1.weight": t}} becomes {"state_dict.model.conv1.weight": t}.

    Raises:
        HistotileError: Not a file of weights, one that holds more than plain data, or damaged.
    """
    if kind := _OTHER_KINDS.get(path.suffix.lower()):
        raise HistotileError(path, f"{kind}, not of PyTorch", SAVE)
    try:
        content = load_file(path) if path.suffix == ".safetensors" else _load(path)
    except (pickle.UnpicklingError, SafetensorError, EOFError, RuntimeError, ValueError) as error:
        raise HistotileError(path, _why_not(path, error), SAVE) from error
    tensors = dict(_tensors(content, ""))
    if not tensors:
        raise HistotileError(path, f"holds no tensors by name but {type(content).__name__}", SAVE)
    return tensors


def roots(tensors: Mapping[str, Tensor], least: int) -> list[str]:
    """Beginnings of names, "" among them, under which at least so many tensors stand.

    Wrappers put such beginnings before a network's own names: `module.`, `teacher.backbone.`.
    """
    counts = Counter(
        ".".join(parts[:n]) + "."
        for parts in (name.split(".") for name in tensors)
        for n in range(1, len(parts))
    )
    return ["", *(root for root, count in counts.items() if count >= least)]


def _load(path: Path) -> Any:
    # Plain data that training scripts keep beside the weights: their options, and best scores.
    harmless = [argparse.Namespace, np.dtype, type(np.dtype("f8")), type(np.dtype("f4"))]
    scalar: Any = np.float64(0).__reduce__()[0]
    with torch.serialization.safe_globals([*harmless, scalar]):
        return torch.load(path, map_location="cpu", weights_only=True)


def _tensors(content: Any, name: str) -> Iterator[tuple[str, Tensor]]:
    if isinstance(content, Tensor):
        yield name, content
    elif isinstance(content, Mapping):
        for key, value in content.items():
            if isinstance(key, str):
                yield from _tensors(value, f"{name}.{key}" if name else key)


def _why_not(path: Path, error: Exception) -> str:
    objects = []
    with contextlib.suppress(pickle.UnpicklingError, EOFError, RuntimeError, ValueError, KeyError):
        objects = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    if objects:
        named = ", ".join(sorted(objects)[:5])
        return f"not a file of weights alone: it holds objects that would run code ({named})"
    return f"not a file of weights alone ({str(error).splitlines()[0] if str(error) else 'empty'})"
