"""The LightningModule: what moves while training, and what must not."""

import itertools
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from histotile.config import Backbone, Train
from histotile.models.backbones import build_network
from histotile.models.checkpoint import load
from histotile.models.datamodule import MEASURED, TileDataModule
from histotile.models.fold import FoldSlide, Machine, gather_tiles
from histotile.models.module import TileClassifier, rate_factor
from histotile.models.training import train_fold

CLASSES = ("healthy", "tumour")


def test_statistics_that_came_with_weights_stay_while_weights_move(
    tmp_path: Path, fold: list[FoldSlide], make_settings: Callable[..., Train]
) -> None:
    plain = Backbone(name="test_efficientnet", weights="none", options={})
    source, _ = build_network(plain, 2, 64)
    for name, buffer in source.named_buffers():
        if name.endswith("running_mean"):
            buffer.uniform_(-0.1, 0.1)
    torch.save(source.state_dict(), tmp_path / "w.pth")
    backbone = Backbone(name="test_efficientnet", weights=str(tmp_path / "w.pth"), options={})
    settings = make_settings(strategy="finetune", epochs=3, learning_rate=1e-4)
    summary = train_fold(tmp_path / "f", fold, CLASSES, backbone, settings)
    assert summary["best"]["step"] > 0
    after = load(tmp_path / "f" / "model.ckpt").network
    for (name, before), (_, now) in zip(source.named_buffers(), after.named_buffers(), strict=True):
        assert torch.equal(before, now), name
    moved = [
        not torch.equal(a, b) for a, b in zip(source.parameters(), after.parameters(), strict=True)
    ]
    assert np.mean(moved) > 0.9
    assert summary["trained_weights"] == summary["weights"]


def test_frozen_modules_stay_in_evaluation() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout())
    module = TileClassifier(network, [0.5] * 3, [0.5] * 3, [1, 1], 0.1, 0.0, [network[1]])
    module.train()
    assert network[2].training
    assert not network[1].training
    module.eval()
    assert not network[2].training


def test_tiles_are_normalised_as_in_prediction() -> None:
    module = TileClassifier(nn.Identity(), (0.7, 0.6, 0.5), (0.2, 0.1, 0.3), [1, 1], 0.1, 0.0)
    tiles = torch.randint(0, 256, (2, 3, 4, 4), dtype=torch.uint8)
    mean, std = torch.tensor([0.7, 0.6, 0.5]), torch.tensor([0.2, 0.1, 0.3])
    expected = (tiles / 255 - mean.view(3, 1, 1)) / std.view(3, 1, 1)
    torch.testing.assert_close(module(tiles), expected)


def test_learning_rate_warms_up_and_falls_per_step() -> None:
    factors = [rate_factor(step, 200) for step in range(201)]
    assert factors[:10] == pytest.approx([(i + 1) / 10 for i in range(10)])
    assert all(a >= b for a, b in itertools.pairwise(factors[10:]))
    assert factors[105] == pytest.approx(0.505)
    assert factors[200] == pytest.approx(0.01)
    assert all(math.isfinite(rate_factor(s, 1)) for s in range(3))


def test_only_training_tiles_change_and_the_epoch_keeps_its_size(
    fold: list[FoldSlide], make_settings: Callable[..., Train]
) -> None:
    tiles = gather_tiles(fold, CLASSES, 16, 0)
    data = TileDataModule(tiles, make_settings(), Machine())
    batches = list(data.train_dataloader())
    seen = torch.cat([numbers for _, _, numbers in batches])
    assert sorted(seen.tolist()) == list(range(160))
    assert seen.tolist() != sorted(seen.tolist())
    plain = {n: tile for n, tile in _by_number(data.probe_dataloader())}
    changed = [not torch.equal(plain[n], tile) for n, tile in _by_number(batches)]
    assert np.mean(changed) > 0.9
    for loader in data.val_dataloader():
        first, second = (list(_by_number(loader)) for _ in range(2))
        for (a, one), (b, two) in zip(first, second, strict=True):
            assert a == b
            assert torch.equal(one, two)
    assert MEASURED >= 160


def _by_number(batches: object) -> list[tuple[int, torch.Tensor]]:
    return [
        (int(number), tile)
        for tiles, _, numbers in batches  # type: ignore[attr-defined]
        for number, tile in zip(numbers, tiles, strict=True)
    ]
