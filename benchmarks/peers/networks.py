"""Networks for the benchmarks: random weights that still tell tiles apart.

A network of random weights says nearly the same of every tile, which would hide what a reader or an
engine changes. Here its batch-norm statistics are those of real tiles, and its head spreads their
logits by four, so that probabilities differ widely. The same seed gives the same weights.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from peers import mosaic
from torch import nn

from histotile.backbones.build import build_network, head
from histotile.config import Backbone
from histotile.exports.onnx import write as write_onnx
from histotile.inference.checkpoint import TrainedModel, load
from histotile.io.digests import digest
from histotile.slides.overview import read_overview
from histotile.slides.slide import Slide
from histotile.slides.tile_reader import read_tile

CLASSES = ("healthy", "tumour")
TILE_PX, MPP = 224, 0.5


def tissue_tiles(count: int) -> NDArray[np.uint8]:
    """Real tiles (count, TILE_PX, TILE_PX, 3)."""
    rng = np.random.default_rng(0)
    with Slide.open(mosaic.mosaic(mosaic.MIDDLE)) as opened:
        overview, downsample = read_overview(opened, mpp=MPP * TILE_PX)
        places = np.argwhere(overview.min(axis=2) < 200)
        chosen = places[rng.permutation(len(places))[:count]]
        corners = np.rint(chosen * downsample).astype(int)
        return np.stack([read_tile(opened, x, y, MPP, TILE_PX) for y, x in corners.tolist()])


def make_model(name: str) -> TrainedModel:
    """A model of this timm name, for tiles of TILE_PX at MPP."""
    torch.manual_seed(0)
    backbone = Backbone(name=name, weights="none", domain="auto", options={})
    network, architecture = build_network(backbone, len(CLASSES), TILE_PX)
    tiles = torch.tensor(tissue_tiles(48)).permute(0, 3, 1, 2) / 255
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (architecture.mean, architecture.std))
    _spread(network, (tiles - mean) / std)
    facts = (CLASSES, MPP, TILE_PX, "linear_probe", backbone.model_dump())
    return TrainedModel(network.eval(), architecture, *facts, settings={})


def _spread(network: nn.Module, tiles: torch.Tensor) -> None:
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = None
            if not layer.weight.any():
                nn.init.ones_(layer.weight)
    last = head(network)
    with torch.no_grad():
        network.train()(tiles)
        network.eval()
        nn.init.normal_(last.weight)
        nn.init.zeros_(last.bias)
        logits = network(tiles)
        last.weight.mul_(4 / logits.std(dim=0).view(-1, 1))
        last.bias.copy_(-network(tiles).mean(dim=0))


def model_folder(name: str) -> Path:
    """Folder with model.ckpt and model.onnx, made unless it is there."""
    folder = mosaic.BENCH / "models" / f"{name}_{_made_by()}"
    if not (folder / "model.onnx").exists():
        folder.mkdir(parents=True, exist_ok=True)
        model = make_model(name)
        model.save(folder / "model.ckpt")
        write_onnx(model, folder)
    return folder


def wsinfer_folder(name: str) -> Path:
    """Folder with the same network as WSInfer takes it: torchscript_model.pt and config.json."""
    folder = mosaic.BENCH / "models" / f"{name}_{_made_by()}_wsinfer"
    if not (folder / "config.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        model = load(model_folder(name) / "model.ckpt")
        jit: Any = torch.jit
        traced = jit.trace(model.network.eval(), torch.rand(1, 3, TILE_PX, TILE_PX))
        jit.save(traced, folder / "torchscript_model.pt")
        normalise = {"mean": list(model.mean), "std": list(model.std)}
        transform = [
            {"name": "Resize", "arguments": {"size": TILE_PX}},
            {"name": "ToTensor"},
            {"name": "Normalize", "arguments": normalise},
        ]
        config = {
            "spec_version": "1.0",
            "architecture": name,
            "num_classes": len(CLASSES),
            "class_names": list(CLASSES),
            "patch_size_pixels": TILE_PX,
            "spacing_um_px": MPP,
            "transform": transform,
        }
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def _made_by() -> str:
    """What a network's files depend on: the slide it was fitted to, and the code that writes."""
    slide = f"{mosaic.made_of().split()[0]}_v{mosaic.VERSION}"
    return f"{slide}_{digest('histotile.inference.onnx_export')}"
