"""Tiny networks and tables for the models room."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from histotile.config import Backbone
from histotile.models.backbones import build_network
from histotile.models.checkpoint import TrainedModel


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.fixture
def tiny_backbone() -> Backbone:
    """A timm network of 100,000 random weights."""
    return Backbone(name="test_efficientnet", weights="none", options={})


@pytest.fixture
def make_model(tiny_backbone: Backbone) -> Callable[..., TrainedModel]:
    """Trained models with random weights; keywords replace fields."""

    def make(seed: int = 0, **fields: object) -> TrainedModel:
        torch.manual_seed(seed)
        network, architecture = build_network(tiny_backbone, 2, 64)
        with torch.no_grad():  # spread the logits, so that probabilities differ visibly
            network.get_classifier().weight.mul_(20)  # type: ignore[operator]
        plain: dict[str, object] = {
            "classes": ("healthy", "tumour"),
            "tile_mpp": 0.5,
            "tile_px": 64,
            "strategy": "fixed",
            "backbone": tiny_backbone.model_dump(),
            "settings": {"seed": 0},
        }
        return TrainedModel(network.eval(), architecture, **(plain | fields))  # type: ignore[arg-type]

    return make


@pytest.fixture
def saved(tmp_path: Path, make_model: Callable[..., TrainedModel]) -> Path:
    """A model.ckpt file."""
    path = tmp_path / "saved" / "model.ckpt"
    make_model().save(path)
    return path
