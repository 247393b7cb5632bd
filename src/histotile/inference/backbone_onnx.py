"""A backbone as an ONNX file of all its stages' features, written once for all slides."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from histotile import __version__
from histotile.backbones.pretraining_domain import domain_of
from histotile.config import Backbone
from histotile.errors import HistotileError
from histotile.inference.onnx_metadata import read_onnx_metadata


def write_backbone(path: Path, backbone: Backbone, tile_px: int) -> str:
    """Writes the ONNX file; gives "" or, if PyTorch alone can run this network, the reason.

    Output `features`: (N, D) of all stages, shallow to deep, as `StageFeatures` gives them. The
    file says which backbone it is and what the columns are; with a reason it says that instead.

    Raises:
        HistotileError: The backbone cannot be built, or has no stages.
    """
    from histotile.backbones.build import body_digest, build_network
    from histotile.backbones.stages import StageFeatures
    from histotile.inference.onnx_export import Graph, keep_onnx

    network, architecture = build_network(backbone, 2, tile_px)
    staged = StageFeatures(network)
    widths = tuple(stage.width for stage in staged.stages)
    facts = {
        "histotile": __version__,
        "backbone": backbone.model_dump(mode="json"),
        "backbone_id": body_digest(network),
        "domain": domain_of(backbone),
        "tile_px": tile_px,
        "stages": [vars(stage) for stage in staged.stages],
        "architecture": asdict(architecture),
    }
    return keep_onnx(path, Graph(staged, architecture, tile_px, ("features",), widths), facts)


def read_backbone(path: Path, backbone: Backbone, tile_px: int) -> dict[str, Any]:
    """What the file says of itself.

    Raises:
        HistotileError: It is no such file, or of another backbone or tile size.
    """
    facts = read_onnx_metadata(path)
    wanted = {"backbone": json.loads(backbone.model_dump_json()), "tile_px": tile_px}
    for name, value in wanted.items():
        if facts.get(name) != value:
            fact = f"holds {name} {facts.get(name)}, asked for is {value}"
            raise HistotileError(path, fact, "make it again with `histotile backbone`")
    return facts
