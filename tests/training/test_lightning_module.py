"""The LightningModule: what moves while training, and what must not."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from histotile.backbones.build import Architecture
from histotile.config import Train
from histotile.tasks.registry import make_task
from histotile.training.datamodule import MEASURED, TileDataModule
from histotile.training.job import FoldSlide, Machine, gather_tiles
from histotile.training.lightning_module import Objective, TileModule

CLASSES = ("healthy", "tumour")
TASK = make_task(CLASSES)


def normalising(mean: Sequence[float] = (0.5,) * 3, std: Sequence[float] = (0.5,) * 3) -> Any:
    return Architecture("none", {}, tuple(mean), tuple(std))


def test_still_modules_stay_in_evaluation(make_settings: Callable[..., Train]) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout())
    recipe = make_settings().finetune
    module = TileModule(network, normalising(), Objective(TASK, [1, 1]), recipe, [network[1]])
    module.train()
    assert network[2].training
    assert not network[1].training
    module.eval()
    assert not network[2].training


def test_tiles_are_normalised_as_in_prediction(make_settings: Callable[..., Train]) -> None:
    architecture = normalising((0.7, 0.6, 0.5), (0.2, 0.1, 0.3))
    objective = Objective(TASK, [1, 1])
    module = TileModule(nn.Identity(), architecture, objective, make_settings().finetune)
    tiles = torch.randint(0, 256, (2, 3, 4, 4), dtype=torch.uint8)
    mean, std = torch.tensor([0.7, 0.6, 0.5]), torch.tensor([0.2, 0.1, 0.3])
    expected = (tiles / 255 - mean.view(3, 1, 1)) / std.view(3, 1, 1)
    torch.testing.assert_close(module(tiles), expected)


def test_only_training_tiles_change_and_the_epoch_keeps_its_size(
    fold: list[FoldSlide], make_settings: Callable[..., Train]
) -> None:
    tiles = gather_tiles(fold, TASK, 16, 0)
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


def test_a_round_of_several_passes_holds_every_tile_as_often(
    fold: list[FoldSlide], make_settings: Callable[..., Train]
) -> None:
    tiles = gather_tiles(fold, TASK, 2, 0)  # 20 tiles in batches of 10
    data = TileDataModule(tiles, make_settings(epochs=100), Machine())
    assert (data.plan.passes, data.plan.rounds, data.plan.batches.size) == (4, 25, 10)
    seen = torch.cat([numbers for _, _, numbers in data.train_dataloader()]).tolist()
    passes = [seen[start : start + 20] for start in (0, 20, 40, 60)]
    assert all(sorted(one) == list(range(20)) for one in passes)
    assert passes[0] != passes[1] != passes[2] != passes[3]


def test_mixed_batches_are_of_many_slides(
    fold: list[FoldSlide], make_settings: Callable[..., Train]
) -> None:
    tiles = gather_tiles(fold, TASK, 16, 0)
    data = TileDataModule(tiles, make_settings(), Machine())
    batches = [numbers.numpy() for _, _, numbers in data.mixed_dataloader()]
    assert sorted(np.concatenate(batches).tolist()) == list(range(160))
    assert all(len(np.unique(tiles.train.slide[numbers])) >= 3 for numbers in batches)


def test_steps_over_the_whole_set_see_each_tile_once(
    fold: list[FoldSlide], make_settings: Callable[..., Train]
) -> None:
    tiles = gather_tiles(fold, TASK, 16, 0)
    settings = make_settings(batch_size="all", epochs=50)
    data = TileDataModule(tiles, settings, Machine())
    assert (data.plan.passes, data.plan.portions) == (2, 3)
    feed = data.train_dataloader()
    batches = [numbers.tolist() for _, _, numbers in feed]
    assert len(batches) == len(feed) == 6
    assert {len(batch) for batch in batches} == {53, 54}
    for of_pass in (batches[:3], batches[3:]):
        assert sorted(n for batch in of_pass for n in batch) == list(range(160))


def test_mixup_blends_tiles_and_losses_in_the_same_shares(
    make_settings: Callable[..., Train],
) -> None:
    seen: list[torch.Tensor] = []

    class Watched(nn.Module):
        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            seen.append(pixels)
            return pixels.mean((2, 3))[:, :2] * 3

    recipe = make_settings().finetune.model_copy(update={"mixup": 1.0})
    module = TileModule(Watched(), normalising(), Objective(TASK, [1, 3]), recipe)
    dark, bright = torch.full((1, 3, 4, 4), 10), torch.full((1, 3, 4, 4), 210)
    tiles, labels = torch.cat([dark, bright]).byte(), torch.tensor([0, 1])
    swapped = False
    for seed in range(8):
        torch.manual_seed(seed)
        loss = module.training_step((tiles, labels, labels), 0)
        blended = ((seen[-1] * 0.5 + 0.5) * 255)[:, 0, 0, 0]
        share = float((blended[0] - 210) / -200)
        is_swapped = bool(blended[0] > 10.01)
        swapped |= is_swapped
        assert 0 <= share <= 1
        logits = Watched()(seen[-1])
        one = TASK.loss(logits, labels, torch.tensor([1.0, 3.0]))
        two = TASK.loss(logits, labels.flip(0), torch.tensor([1.0, 3.0]))
        expected = share * one + (1 - share) * two if is_swapped else one
        torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-4)
    assert swapped


def _by_number(batches: object) -> list[tuple[int, torch.Tensor]]:
    return [
        (int(number), tile)
        for tiles, _, numbers in batches  # type: ignore[attr-defined]
        for number, tile in zip(numbers, tiles, strict=True)
    ]
