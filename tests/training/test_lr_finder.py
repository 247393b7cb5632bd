"""Range tests: what curves say, and that nothing of the network is changed."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

from histotile.backbones.build import head
from histotile.config import Backbone, Train
from histotile.tasks.registry import make_task
from histotile.training.datamodule import TileDataModule
from histotile.training.job import FoldSlide, Job, Machine, gather_tiles
from histotile.training.lr_finder import (
    HIGHEST,
    LOWEST,
    RangeTest,
    draw_range_test,
    judge,
    range_test,
)
from histotile.training.start import begin, make_module
from histotile.training.strategies.approach import Approach

TASK = make_task(("healthy", "tumour"))
RATES = np.geomspace(LOWEST, HIGHEST, 100)


def curve(fall: float, noise: float, seed: int = 0, blows_up_at: float = 1.0) -> list[float]:
    """Losses that fall steepest at 1e-3 and rise again from 1e-1; then they explode."""
    exponents = np.log10(RATES)
    losses = 0.7 - fall / (1 + np.exp(-3 * (exponents + 3)))
    losses += np.where(exponents > -1, 4 * (exponents + 1), 0)
    losses += np.random.default_rng(seed).normal(0, noise, len(losses))
    return [float(loss) for loss in losses[: int((blows_up_at >= RATES).sum())]]


@pytest.mark.parametrize("noise", [0.0, 0.02, 0.05])
def test_the_steepest_descent_and_a_tenth_of_the_least_loss(noise: float) -> None:
    losses = curve(0.5, noise)
    found = judge(RATES[: len(losses)], losses)
    assert found.suggestion is not None and found.second_opinion is not None
    assert abs(np.log10(found.suggestion) + 3) < 0.6
    assert -2.8 < np.log10(found.second_opinion) < -1.8


@pytest.mark.parametrize("seed", range(40))
def test_a_loss_that_never_falls_gets_no_suggestion(seed: int) -> None:
    losses = curve(0, 0.1, seed)
    found = judge(RATES[: len(losses)], losses)
    assert found.suggestion is found.second_opinion is None
    assert "never fell" in found.reason


def test_a_loss_that_ends_as_no_number_is_read_up_to_there() -> None:
    losses = [*curve(0.5, 0.01), math.nan]
    found = judge(RATES[: len(losses)], losses)
    assert found.suggestion is not None
    assert np.isfinite(found.smoothed).all()


def test_a_loss_that_is_no_number_from_the_start_is_told(tmp_path: Path) -> None:
    found = judge(RATES[:3], [math.nan] * 3)
    assert found.suggestion is None and "no number at the lowest rates" in found.reason
    draw_range_test(tmp_path / "drawn.svg", found, 1e-3)
    assert (tmp_path / "drawn.svg").stat().st_size > 1000


def sweep(
    slides: list[FoldSlide], backbone: Backbone, settings: Train, blind: bool = False
) -> tuple[RangeTest, dict[str, Any], dict[str, Any]]:
    """A test of 60 steps, and the network's weights before and after.

    With `blind` the bias of the head learns alone, and balanced classes leave it nothing to learn.
    """
    fold = gather_tiles(slides, TASK, 16, 0)
    job = Job(Path(), fold, backbone, settings, Machine(), "finetune", ())
    approach = Approach("finetune", settings.finetune, lambda network: [])
    torch.manual_seed(0)
    module, data = make_module(job, approach)
    begin(module, data, job, approach)
    if blind:
        module.network.requires_grad_(False)
        last = head(module.network)
        torch.nn.init.zeros_(last.weight)
        torch.nn.init.zeros_(last.bias)
        last.bias.requires_grad_(True)
    before = {name: value.clone() for name, value in module.network.state_dict().items()}
    found = range_test(module, data.train_dataloader(), 60, data.plan.portions)
    return found, before, dict(module.network.state_dict())


@pytest.mark.parametrize("batch_size", [16, "all"])
def test_it_suggests_a_rate_and_leaves_the_network_as_it_was(
    fold: list[FoldSlide],
    tiny_backbone: Backbone,
    make_settings: Callable[..., Train],
    batch_size: Any,
    tmp_path: Path,
) -> None:
    settings = make_settings(batch_size=batch_size)
    found, before, after = sweep(fold, tiny_backbone, settings)
    assert found.suggestion is not None
    assert 1e-5 < found.suggestion < 0.3
    assert all(torch.equal(before[name], after[name]) for name in before)
    draw_range_test(tmp_path / "a.svg", found, 1e-3)
    ElementTree.parse(tmp_path / "a.svg")


def test_a_network_that_has_nothing_to_learn_gets_no_suggestion(
    fold: list[FoldSlide], tiny_backbone: Backbone, make_settings: Callable[..., Train]
) -> None:
    found, _, _ = sweep(fold, tiny_backbone, make_settings(), blind=True)
    assert found.suggestion is None


def test_the_order_and_the_changes_of_tiles_are_others_in_each_pass(
    fold: list[FoldSlide], tiny_backbone: Backbone, make_settings: Callable[..., Train]
) -> None:
    tiles = gather_tiles(fold, TASK, 4, 0)
    feeds = [TileDataModule(tiles, make_settings(), Machine()).train_dataloader() for _ in "ab"]
    seen = [[batch for _ in range(2) for batch in feed] for feed in feeds]
    numbers = [number for batch in seen[0] for number in batch[2].tolist()]
    one, other = numbers[: len(numbers) // 2], numbers[len(numbers) // 2 :]
    assert set(one) == set(other) and one != other
    pixels: dict[int, list[torch.Tensor]] = {}
    for batch in seen[0]:
        for tile, number in zip(batch[0], batch[2].tolist(), strict=True):
            pixels.setdefault(number, []).append(tile)
    twice = [pair for pair in pixels.values() if len(pair) > 1]
    assert twice and sum(torch.equal(*pair) for pair in twice) < len(twice) / 2
    assert all(torch.equal(a[0], b[0]) for a, b in zip(*seen, strict=True))  # and again the same


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_layers_keep_their_shares_of_the_rate_and_gradients_are_clipped(
    fold: list[FoldSlide],
    tiny_backbone: Backbone,
    make_settings: Callable[..., Train],
    optimizer: Any,
) -> None:
    settings = make_settings()
    changes = {"optimizer": optimizer, "layer_decay": 0.5, "clip": 1e-3}
    recipe = settings.finetune.model_copy(update=changes)
    steps: list[tuple[list[tuple[int, float]], float]] = []

    def note(stepped: torch.optim.Optimizer, *_: Any) -> None:
        groups = stepped.param_groups
        grads = [p.grad for group in groups for p in group["params"] if p.grad is not None]
        norm = torch.stack([grad.norm() for grad in grads]).norm()
        steps.append(([(group["layer"], group["lr"]) for group in groups], float(norm)))

    hook = register_optimizer_step_pre_hook(note)
    try:
        sweep(fold, tiny_backbone, settings.model_copy(update={"finetune": recipe}))
    finally:
        hook.remove()
    assert len(steps) > 20
    for (rates, norm), peak in zip(steps, np.geomspace(LOWEST, HIGHEST, 60), strict=False):
        deepest = max(layer for layer, _ in rates)
        assert len({layer for layer, _ in rates}) > 3
        assert [rate for _, rate in rates] == pytest.approx(
            [peak * 0.5 ** (deepest - layer) for layer, _ in rates]
        )
        assert norm < 1.001e-3
    assert steps[0][1] == pytest.approx(1e-3, rel=1e-3)
