"""Trained models to hand on."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from histotile.backbones.build import build_network
from histotile.backbones.stages import truncate
from histotile.config import Backbone
from histotile.inference.checkpoint import TrainedModel


@pytest.fixture
def make_model() -> Callable[..., TrainedModel]:
    """A model of three classes with random weights, by timm name; whole, or up to a stage."""

    def make(name: str, stage: int | None = None) -> TrainedModel:
        torch.manual_seed(0)
        backbone = Backbone(name=name, weights="none", domain="auto", options={})
        network, architecture = build_network(backbone, 3, 64)
        if stage is not None:
            network = truncate(network, (stage,), 3)
            architecture = replace(architecture, stages=(stage,))
        with torch.no_grad():  # spread the logits, so that probabilities differ visibly
            network.get_classifier().weight.mul_(20)  # type: ignore[operator]
        return TrainedModel(
            network=network.eval(),
            architecture=architecture,
            classes=("healthy", "tumour", "naïve ✓"),
            tile_mpp=0.5,
            tile_px=64,
            strategy="finetune",
            backbone=backbone.model_dump(),
            settings={"seed": 0},
        )

    return make


@pytest.fixture
def tiles() -> NDArray[np.uint8]:
    """Five smooth coloured tiles (5, 64, 64, 3)."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (5, 8, 8, 3), np.uint8)
    return np.ascontiguousarray(coarse.repeat(8, 1).repeat(8, 2))
