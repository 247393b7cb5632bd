"""A network that is ready to learn."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

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


@pytest.mark.parametrize(
    ("name", "options", "batch_size", "still", "told"),
    [
        ("lenet5", {"batch_norm": True}, 1, False, "2 layers of batch norm see one value"),
        ("lenet5", {"batch_norm": True}, 2, False, ""),
        ("lenet5", {}, 1, False, ""),
        ("test_resnet", {}, 1, False, ""),  # 2 x 2 places are four values
        ("mobilenetv4_conv_small_050", {}, 1, False, "layers of batch norm see one value"),
        ("mobilenetv4_conv_small_050", {}, 1, True, ""),
    ],
)
def test_batch_norm_that_would_see_one_value_is_refused(
    make_slide: Callable[..., Path],
    make_settings: Callable[..., Train],
    name: str,
    options: dict[str, Any],
    batch_size: int,
    still: bool,
    told: str,
) -> None:
    slides = [
        FoldSlide(f"s{n}", f"p{n}", "val" if n else "train", make_slide(f"s{n}")) for n in (0, 1)
    ]
    fold = gather_tiles(slides, TASK, 4, 0)
    settings = make_settings(batch_size=batch_size)
    backbone = Backbone(name=name, weights="none", domain="auto", options=options)
    job = Job(Path(), fold, backbone, settings, Machine(), "finetune", ())
    approach = Approach("finetune", settings.finetune, lambda n: [*_norms(n)] if still else [])
    if told:
        with pytest.raises(HistotileError, match=f"train.batch_size(.|\n)*{told}"):
            make_module(job, approach)
        return
    module, _ = make_module(job, approach)
    assert module.training
    tiles = torch.zeros(batch_size, 3, 64, 64, dtype=torch.uint8)
    module(tiles).sum().backward()
