from collections.abc import Callable

import numpy as np
import torch

from histotile.aggregation.learners.attention import GatedAttention, attention_learner
from histotile.aggregation.learners.bags import Bags
from histotile.config import LearnSlides
from histotile.stats.auroc import auroc
from histotile.tasks.registry import make_task
from histotile.tasks.task import Task, score

Plant = Callable[..., tuple[Bags, list[np.ndarray]]]


def test_attention_learns_every_task(task: Task, planted: Plant, learning: LearnSlides) -> None:
    bags, _ = planted(task, 96, 0.1)
    rows = np.arange(96)
    answer = attention_learner(bags, task, learning.attention)(rows[:72], rows[72:], 0)
    assert answer.values.shape == (24, len(task.names))
    assert (score(task, answer.values, bags.labels[72:]) or 0) > 0.8


def test_attention_finds_the_tiles_that_carry_the_label(
    planted: Plant, learning: LearnSlides
) -> None:
    task = make_task(("a", "b"))
    bags, carriers = planted(task, 60, 0.05)
    rows = np.arange(60)
    answer = attention_learner(bags, task, learning.attention)(rows[:40], rows[40:], 0)
    found = [
        auroc(carriers[row], weights)
        for row, weights in zip(rows[40:], answer.attention, strict=True)
        if carriers[row].any()
    ]
    assert np.mean(found) > 0.9
    assert all(abs(weights.sum() - 1) < 1e-5 for weights in answer.attention)


def test_padding_changes_nothing_and_seeds_repeat(planted: Plant, learning: LearnSlides) -> None:
    torch.manual_seed(0)
    network = GatedAttention(torch.zeros(12), torch.ones(12), 2, learning.attention).eval()
    tiles = torch.randn(1, 5, 12)
    padded = torch.cat([tiles, torch.full((1, 3, 12), 100.0)], 1)
    there = torch.arange(8)[None] < 5
    alone = network(tiles, torch.ones(1, 5, dtype=torch.bool))
    torch.testing.assert_close(network(padded, there)[0], alone[0])
    task = make_task(("a", "b"))
    bags, _ = planted(task, 24, 0.2)
    rows = np.arange(24)
    quick = learning.attention.model_copy(update={"epochs": 2, "min_steps": 1})
    state = torch.random.get_rng_state()
    once, again = (attention_learner(bags, task, quick)(rows[:16], rows[16:], 3) for _ in "ab")
    np.testing.assert_array_equal(once.values, again.values)
    assert torch.equal(state, torch.random.get_rng_state())
