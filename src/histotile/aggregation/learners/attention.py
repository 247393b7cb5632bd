"""Gated attention over the tiles of a slide (Ilse et al., 2018, arXiv 1802.04712)."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from histotile.aggregation.learners.bags import Answer, Bags, Learner
from histotile.config import Attention
from histotile.stats.crossvalidation import Integers
from histotile.tasks.task import Task

BATCH = 8  # slides of an optimisation step


class GatedAttention(nn.Module):
    """Logits of a bag: a linear head on the mean of its tiles, each weighed by its attention."""

    def __init__(self, shift: Tensor, scale: Tensor, outputs: int, settings: Attention) -> None:
        """Standardises features (D,) by shift and scale; the head gives `outputs` logits."""
        super().__init__()
        self.shift: Tensor
        self.scale: Tensor
        hidden = settings.hidden
        self.register_buffer("shift", shift)
        self.register_buffer("scale", scale)
        drop = nn.Dropout(settings.dropout)
        self.embed = nn.Sequential(nn.Linear(len(shift), hidden), nn.ReLU(), drop)
        self.see = nn.Sequential(nn.Linear(hidden, hidden // 2), nn.Tanh(), drop)
        self.gate = nn.Sequential(nn.Linear(hidden, hidden // 2), nn.Sigmoid(), drop)
        self.weigh = nn.Linear(hidden // 2, 1)
        self.head = nn.Linear(hidden, outputs)

    def forward(self, tiles: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, outputs) and attention (B, N) of tiles (B, N, D) of which `there` (B, N) are.

        Attention sums to 1 over the tiles of a bag.
        """
        hidden = self.embed((tiles - self.shift) / self.scale)
        told = self.weigh(self.see(hidden) * self.gate(hidden))[..., 0]
        attention = told.masked_fill(~there, -torch.inf).softmax(dim=1)
        return self.head(torch.einsum("bn,bnh->bh", attention, hidden)), attention


def attention_learner(bags: Bags, task: Task, settings: Attention) -> Learner:
    """Gated attention, the mean of networks from several seeds.

    They run their planned course. Stopped at the least loss of left-out patients, a network on few
    slides stops before it has found rare tiles: until then its loss only rises (docs/slides.md).
    """

    def learn(taught: Integers, asked: Integers, seed: int) -> Answer:
        with torch.random.fork_rng(devices=[]):
            each = [
                _apply(_train(bags, task, settings, taught, seed + s), bags, asked)
                for s in range(settings.seeds)
            ]
        values = np.mean([task.activate(logits) for logits, _ in each], axis=0)
        of_slides = zip(*(attention for _, attention in each), strict=True)
        return Answer(values, [np.mean(of_seeds, axis=0) for of_seeds in of_slides])

    return learn


def _train(
    bags: Bags, task: Task, settings: Attention, taught: Integers, seed: int
) -> GatedAttention:
    torch.manual_seed(seed)
    generator = np.random.default_rng(seed)
    weights = torch.from_numpy(task.weights(bags.labels[taught], True)).float()
    shift, scale = _spread([bags.features[row] for row in taught])
    network = GatedAttention(shift, scale, task.outputs, settings)
    steps = math.ceil(len(taught) / BATCH)
    epochs = max(settings.epochs, math.ceil(settings.min_steps / steps))
    optimizer = torch.optim.AdamW(
        network.parameters(), settings.lr, weight_decay=settings.weight_decay
    )
    course = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.lr, epochs * steps)
    for _ in range(epochs):
        for rows in _batches(generator.permutation(taught)):
            logits, _ = network(*_stacked(bags, rows, settings.instances, generator))
            loss = task.loss(logits, torch.from_numpy(bags.labels[rows]), weights)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            course.step()
    return network


def _spread(features: Sequence[NDArray[np.floating]]) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each feature over the tiles of these slides, every slide alike."""
    firsts, squares = [], []
    for tiles in features:
        values = tiles.astype(np.float32)
        firsts.append(values.mean(axis=0))
        squares.append(np.square(values).mean(axis=0))
    mean = np.mean(firsts, axis=0, dtype=np.float64)
    scale = np.sqrt(np.maximum(np.mean(squares, axis=0, dtype=np.float64) - mean**2, 0))
    scale[scale < 1e-4] = 1.0  # dead features stay dead
    return torch.from_numpy(mean).float(), torch.from_numpy(scale).float()


def _batches(rows: Integers) -> Iterator[Integers]:
    yield from np.array_split(rows, math.ceil(len(rows) / BATCH))


def _stacked(
    bags: Bags, rows: Integers, most: int = 0, generator: np.random.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Tiles (B, N, D) of bags, all or at most so many drawn, and (B, N) which are there."""
    drawn = []
    for row in rows:
        tiles = bags.features[row]
        if generator and len(tiles) > most:
            tiles = tiles[np.sort(generator.choice(len(tiles), most, replace=False))]
        drawn.append(torch.from_numpy(np.array(tiles, np.float32)))
    there = [torch.ones(len(tiles), dtype=torch.bool) for tiles in drawn]
    pad = nn.utils.rnn.pad_sequence
    return pad(drawn, batch_first=True), pad(there, batch_first=True)


def _apply(
    network: GatedAttention, bags: Bags, rows: Integers
) -> tuple[NDArray[np.float64], list[NDArray[np.float32]]]:
    """Logits (S, outputs) of slides, and the attention of each to all its tiles."""
    network.eval()
    logits, attention = [], []
    with torch.inference_mode():
        for row in rows:
            tiles, there = _stacked(bags, np.array([row]))
            told, weights = network(tiles, there)
            logits.append(told[0].double().numpy())
            attention.append(weights[0].numpy())
    return np.array(logits), attention
