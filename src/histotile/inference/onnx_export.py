"""Writing networks as ONNX files, and checking that other engines say the same of them."""

import contextlib
import io
import json
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from histotile.backbones.build import Architecture
from histotile.inference.engines.engine import Engine
from histotile.inference.engines.hardware import installed
from histotile.inference.engines.onnxruntime import OnnxRuntimeEngine
from histotile.inference.engines.openvino import OpenVinoEngine
from histotile.inference.engines.torch import TorchEngine
from histotile.io.atomic import replacing
from histotile.io.tables import RESEARCH_USE

_ENGINES: dict[str, Callable[[Path], Engine]] = {
    "openvino": OpenVinoEngine,
    "onnxruntime": OnnxRuntimeEngine,
}
TOLERANCE = 1e-4  # of the largest output
_TILES = 3


@dataclass(frozen=True)
class Graph:
    """What is to be written: a network of normalised tiles, and what comes out of it.

    The network may give a tuple; `outputs` names what comes out. `groups` are the widths of columns
    of the first output that are compared on a scale of their own; () is all of them together.
    """

    network: nn.Module
    architecture: Architecture
    tile_px: int
    outputs: tuple[str, ...] = ("logits",)
    groups: tuple[int, ...] = ()


class _FromUnitRgb(nn.Module):
    """The network behind its own normalisation, so that no user can apply a wrong one."""

    mean: Tensor
    std: Tensor

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.network = graph.network
        self.register_buffer("mean", torch.tensor(graph.architecture.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(graph.architecture.std).view(1, 3, 1, 1))

    def forward(self, tiles: Tensor) -> Any:
        return self.network((tiles - self.mean) / self.std)


def write_onnx(path: Path, graph: Graph, facts: Mapping[str, Any]) -> None:
    """An ONNX file, weights inside; the same weights give the same bytes.

    Input `tiles`: float32 RGB (N, 3, tile_px, tile_px) in 0-1, any N; the normalisation is part of
    the graph. The outputs have the names that `graph` gives them; the first is (N, C). Metadata
    entry `histotile` (JSON): the facts.

    Raises:
        Exception: The network cannot be written as ONNX, or is larger than 2 GB.
    """
    with replacing(path) as temporary:
        _save(temporary, _exported(graph), facts)


def keep_onnx(path: Path, graph: Graph, facts: Mapping[str, Any]) -> str:
    """Writes an ONNX file that engines other than PyTorch may use, or one that says why not.

    Their outputs are compared with PyTorch's on tiles of noise.

    Returns:
        "" if the file holds the network; else the reason, which stands in its facts too.
    """
    with replacing(path) as temporary:
        try:
            _save(temporary, _exported(graph), facts)
            reason = _disagreement(temporary, graph)
        except Exception as error:  # noqa: BLE001 -- whatever fails there, PyTorch still works
            reason = f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"
        if reason:
            _save(temporary, _empty(), {**facts, "torch_only": reason})
    return reason


def _exported(graph: Graph) -> Any:
    example = torch.rand(2, 3, graph.tile_px, graph.tile_px)
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter prints its progress, and warns of its own
        program = torch.onnx.export(
            _FromUnitRgb(graph).eval().cpu(),
            (example,),
            dynamo=True,
            input_names=["tiles"],
            output_names=list(graph.outputs),
            dynamic_shapes=({0: torch.export.Dim("tiles_n", min=1, max=65536)},),
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export gave no program")
    return _bare(program.model_proto)


def _bare(model: Any) -> Any:
    """The model without what the exporter notes: paths and lines of code, names of classes."""
    graph = model.graph
    del graph.value_info[:]
    parts = [graph, *graph.node, *graph.input, *graph.output, *graph.initializer]
    for part in [*parts, *model.functions, *(n for f in model.functions for n in f.node)]:
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
    return model


def _empty() -> Any:
    from onnx import helper

    return helper.make_model(helper.make_graph([], "none", [], []))


def _save(path: Path, model: Any, facts: Mapping[str, Any]) -> None:
    import onnx

    noted = json.dumps({**facts, "notice": RESEARCH_USE})
    onnx.helper.set_model_props(model, {"histotile": noted})
    onnx.save(model, path, save_as_external_data=False)


def _disagreement(file: Path, graph: Graph) -> str:
    """Which engine gives other outputs than PyTorch; "" if none does."""
    shape = (_TILES, graph.tile_px, graph.tile_px, 3)
    tiles = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    mean, std = graph.architecture.mean, graph.architecture.std
    wanted = TorchEngine(graph.network, mean, std, device="cpu").outputs(tiles)
    network: Any = graph.network
    network.to(memory_format=torch.contiguous_format)  # as it was: safetensors takes no other
    for name, engine in _ENGINES.items():
        if not installed(name):
            continue
        found = engine(file).outputs(tiles)
        groups = (graph.groups, *((),) * (len(wanted) - 1))
        pairs = zip(found, wanted, groups, strict=True)
        difference = float(np.max([relative_difference(*each) for each in pairs]))
        if not difference <= TOLERANCE:
            return f"{name} differs from PyTorch by {difference:.1e} of the largest output"
    return ""


def relative_difference(
    found: NDArray[np.float32], wanted: NDArray[np.float32], groups: tuple[int, ...] = ()
) -> float:
    """Largest difference, in units of the largest value of its group of columns; NaN stays NaN.

    Args:
        found: (N, C).
        wanted: (N, C).
        groups: Widths that add up to C; () is one group.
    """
    if found.shape != wanted.shape:
        return float("inf")
    ends = np.cumsum(groups or found.shape[1])[:-1]
    pairs = zip(np.split(found, ends, axis=1), np.split(wanted, ends, axis=1), strict=True)
    return float(np.max([np.abs(a - b).max() / max(np.abs(b).max(), 1e-6) for a, b in pairs]))
