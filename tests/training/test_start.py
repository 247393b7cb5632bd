"""A network that is ready to learn."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from histotile.config import Backbone, Train
from histotile.errors import HistotileError
from histotile.tasks.registry import make_task
from histotile.training.job import FoldSlide, Job, Machine, gather_tiles
from histotile.training.start import make_module
from histotile.training.strategies.approach import Approach

TASK = make_task(("healthy", "tumour"))


@pytest.mark.parametrize("name", ["test_efficientnet", "test_vit"])
def test_features_are_dropped_while_training_alone(
    fold: list[FoldSlide], make_settings: Callable[..., Train], name: str
) -> None:
    settings = make_settings()
    recipe = settings.finetune.model_copy(update={"dropout": 0.5})
    backbone = Backbone(name=name, weights="none", domain="auto", options={})
    tiles = gather_tiles(fold, TASK, 4, 0)
    job = Job(Path(), tiles, backbone, settings, Machine(), "finetune", ())
    module, _ = make_module(job, Approach("finetune", recipe, lambda network: [*_norms(network)]))
    pixels = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    module.train()
    assert not torch.equal(module(pixels), module(pixels))
    module.eval()
    assert torch.equal(module(pixels), module(pixels))


def _norms(network: nn.Module) -> list[nn.Module]:
    return [part for part in network.modules() if isinstance(part, nn.BatchNorm2d)]


def test_a_network_that_would_drop_nothing_is_refused(
    fold: list[FoldSlide],
    make_settings: Callable[..., Train],
    tiny_backbone: Backbone,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("histotile.training.start._with_dropout", lambda backbone, share: backbone)
    settings = make_settings()
    recipe = settings.finetune.model_copy(update={"dropout": 0.5})
    tiles = gather_tiles(fold, TASK, 4, 0)
    job = Job(Path(), tiles, tiny_backbone, settings, Machine(), "finetune", ())
    with pytest.raises(HistotileError, match="no drop-out"):
        make_module(job, Approach("finetune", recipe, lambda network: []))
