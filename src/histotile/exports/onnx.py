"""A trained model as one ONNX file."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histotile.inference.checkpoint import TrainedModel
from histotile.inference.engines.onnxruntime import OnnxRuntimeEngine
from histotile.inference.model_metadata import ONNX
from histotile.inference.onnx_export import write_onnx


def write(model: TrainedModel, folder: Path) -> None:
    """model.onnx, weights inside, as `train` writes it too.

    Input `tiles`: float32 RGB (N, 3, tile_px, tile_px) in 0-1, any N; the normalisation is part of
    the graph. Output `logits`: (N, C); what they mean by the task, whose kind and names
    stand, with tile_mpp and tile_px, in the metadata entry `histotile` (JSON). Output `features`:
    (N, D), by which `taught` in that entry tells slides unlike those taught on.
    """
    write_onnx(folder / ONNX, model.graph(), model.metadata())


def reload(folder: Path, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Logits (N, C) of uint8 NHWC tiles by the file alone, as ONNX Runtime loads it."""
    return OnnxRuntimeEngine(folder / ONNX)(tiles)
