"""A trained model as one ONNX file."""

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from histotile.models.checkpoint import TrainedModel
from histotile.tables import RESEARCH_USE, replacing

FILE = "model.onnx"


class _FromUnitRgb(nn.Module):
    """The network behind its own normalisation, so that no user can apply a wrong one."""

    mean: Tensor
    std: Tensor

    def __init__(self, model: TrainedModel) -> None:
        super().__init__()
        self.network = model.network
        self.register_buffer("mean", torch.tensor(model.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(model.std).view(1, 3, 1, 1))

    def forward(self, tiles: Tensor) -> Tensor:
        logits: Tensor = self.network((tiles - self.mean) / self.std)
        return logits


def write(model: TrainedModel, folder: Path) -> None:
    """model.onnx, weights inside.

    Input `tiles`: float32 RGB (N, 3, tile_px, tile_px) in 0-1, any N; the normalisation is part of
    the graph. Output `logits`: (N, C); softmax gives the probabilities of the classes, whose names
    stand, with tile_mpp and tile_px, in the metadata entry `histotile` (JSON).
    """
    import onnx

    example = torch.rand(2, 3, model.tile_px, model.tile_px)
    with contextlib.redirect_stdout(io.StringIO()):  # the exporter prints its progress
        program = torch.onnx.export(
            _FromUnitRgb(model).eval().cpu(),
            (example,),
            dynamo=True,
            input_names=["tiles"],
            output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("tiles_n", min=1, max=65536)},),
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export gave no program")
    proto = program.model_proto
    onnx.helper.set_model_props(
        proto, {"histotile": json.dumps({**model.facts(), "notice": RESEARCH_USE})}
    )
    with replacing(folder / FILE) as temporary:
        onnx.save(proto, temporary, save_as_external_data=False)


def reload(folder: Path, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Logits (N, C) of uint8 NHWC tiles by the file alone, as ONNX Runtime loads it."""
    import onnxruntime

    session = onnxruntime.InferenceSession(folder / FILE, providers=["CPUExecutionProvider"])
    batch = np.ascontiguousarray(tiles.transpose(0, 3, 1, 2), np.float32) / 255
    logits: NDArray[np.float32] = session.run(["logits"], {"tiles": batch})[0]
    return logits
