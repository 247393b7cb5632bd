"""The recipe of the shipped backbones: a small residual network taught on pictures made here.

No picture of the world and no slide of a patient is used, so the weights are free of others'
rights, and anyone can make them again: `histotile pretrain natural OUT/`.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from histotile.config import Pretrain
from histotile.synthetic.pretraining import natural_images
from histotile.synthetic.pretraining.shipped_backbones import (
    MEAN,
    STD,
    Pretraining,
    new_network,
    write_backbone,
)
from histotile.tasks.multiclass import class_loss

Kind = Literal["natural", "histology"]
Progress = Callable[[int, int, float], None]  # pictures seen, pictures in all, loss

HELD_OUT = 1_000_000  # number of the round kept for measuring; no training round reaches it


class Source(NamedTuple):
    """Where pictures come from: a function of seed, count, px; and what is asked of them."""

    draw: Callable[[int, int, int], tuple[NDArray[np.uint8], NDArray[np.int64]]]
    questions: dict[str, tuple[str, ...]]


def pretrain(
    kind: Kind, folder: Path, settings: Pretrain, progress: Progress | None = None
) -> Pretraining:
    """A backbone taught on generated pictures, in timm's folder layout.

    1. Pictures are drawn in rounds by another process, while the network learns the round before.
    2. One linear head per question stands on the pooled features; the losses are added.
    3. The network with the head of the first question is written to `folder` (config.json,
       model.safetensors), with pretraining.json saying how it was made and README.md.

    Args:
        kind: `natural`: heaps of textured leaves. `histology`: tiles of synthetic H&E of organs
            other than the demo's.
        folder: Where to write; made if missing.
        settings: Section `pretrain`.
        progress: Called after each round.
    """
    start = time.monotonic()
    torch.manual_seed(settings.seed)
    source = SOURCES[kind]()
    sizes = [len(answers) for answers in source.questions.values()]
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = _Questioned(new_network(kind), sizes).to(device)
    model.to(memory_format=torch.channels_last)
    curve = list(_learn(model, source, settings, progress))
    accuracy = _measure(model, source, settings)
    result = Pretraining(
        kind=kind,
        pictures=settings.rounds * settings.passes * settings.round_pictures,
        seconds=round(time.monotonic() - start, 1),
        curve=[round(loss, 4) for loss in curve],
        accuracy=accuracy,
        chance={name: round(1 / len(named), 4) for name, named in source.questions.items()},
    )
    write_backbone(folder, model.answering_first().cpu(), source.questions, result, settings)
    return result


def _natural() -> Source:
    return Source(natural_images.draw_pictures, natural_images.questions())


def _histology() -> Source:
    from histotile.synthetic import tiles

    return Source(tiles.draw_tiles, tiles.questions())


SOURCES: dict[Kind, Callable[[], Source]] = {"natural": _natural, "histology": _histology}


class _Questioned(nn.Module):
    """A network with one linear head per question."""

    def __init__(self, network: nn.Module, sizes: list[int]) -> None:
        super().__init__()
        self.network = network
        width = int(network.num_features)  # type: ignore[arg-type]
        self.heads = nn.ModuleList(nn.Linear(width, size) for size in sizes)

    def answering_first(self) -> nn.Module:
        """The network with the head of the first question as its classifier."""
        first = self.heads[0]
        self.network.reset_classifier(first.out_features)  # type: ignore[operator]
        self.network.get_classifier().load_state_dict(first.state_dict())  # type: ignore[operator]
        return self.network

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Logits (N, answers) per question of uint8 pictures (N, 3, px, px)."""
        mean = torch.tensor(MEAN, device=pictures.device).view(3, 1, 1)
        std = torch.tensor(STD, device=pictures.device).view(3, 1, 1)
        features = self.network((pictures.float() / 255 - mean) / std)
        return [head(features) for head in self.heads]


def _learn(
    model: _Questioned, source: Source, settings: Pretrain, progress: Progress | None
) -> Iterator[float]:
    """Mean loss of each round, as the rounds are learnt."""
    steps = settings.rounds * settings.passes * (settings.round_pictures // settings.batch_size)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=settings.lr, weight_decay=settings.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.lr, steps, pct_start=0.1)
    rng = np.random.default_rng(settings.seed)
    model.train()
    for number, (pictures, answers) in enumerate(_rounds(source, settings), start=1):
        losses = []
        for _ in range(settings.passes):
            for chosen in _batches(rng, len(pictures), settings.batch_size):
                batch, asked = _turned(rng, pictures[chosen]), torch.from_numpy(answers[chosen])
                loss = _loss(model, batch, asked, settings)
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
                losses.append(loss.item())
        mean_loss = float(np.mean(losses))
        if progress is not None:
            seen = settings.passes * settings.round_pictures
            progress(number * seen, settings.rounds * seen, mean_loss)
        yield mean_loss


def _rounds(
    source: Source, settings: Pretrain
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int64]]]:
    """Pictures and answers of one round after another, the next one drawn meanwhile."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as painter:

        def order(number: int) -> Any:
            seed = settings.seed * HELD_OUT * 10 + number
            return painter.submit(source.draw, seed, settings.round_pictures, settings.tile_px)

        coming = order(0)
        for number in range(1, settings.rounds + 1):
            ready = coming.result()
            if number < settings.rounds:
                coming = order(number)
            yield ready


def _batches(rng: np.random.Generator, count: int, size: int) -> Iterator[NDArray[np.int64]]:
    order = rng.permutation(count)
    for start in range(0, count - size + 1, size):
        yield order[start : start + size]


def _turned(rng: np.random.Generator, pictures: NDArray[np.uint8]) -> Tensor:
    """The batch (N, 3, px, px) in one of its 8 mirror images and quarter turns."""
    turned = np.rot90(pictures, int(rng.integers(4)), axes=(1, 2))
    mirrored = turned[:, ::-1] if rng.random() < 0.5 else turned
    return torch.from_numpy(np.ascontiguousarray(mirrored)).permute(0, 3, 1, 2)


def _loss(model: _Questioned, batch: Tensor, asked: Tensor, settings: Pretrain) -> Tensor:
    device = next(model.parameters()).device
    asked = asked.to(device)
    with torch.autocast(device.type, torch.bfloat16, enabled=settings.precision == "bf16"):
        logits = model(batch.to(device))
    losses = [class_loss(scores.float(), asked[:, k]) for k, scores in enumerate(logits)]
    return torch.stack([loss for loss in losses if loss.isfinite()]).sum()


def _measure(model: _Questioned, source: Source, settings: Pretrain) -> dict[str, float]:
    """Balanced accuracy per question on pictures of a seed that training never used."""
    seed = settings.seed * HELD_OUT * 10 + HELD_OUT
    pictures, answers = source.draw(seed, settings.round_pictures, settings.tile_px)
    device = next(model.parameters()).device
    model.eval()
    chosen: list[list[Tensor]] = []
    with torch.inference_mode():
        for start in range(0, len(pictures), 64):
            batch = torch.from_numpy(pictures[start : start + 64]).permute(0, 3, 1, 2)
            chosen.append([scores.argmax(1).cpu() for scores in model(batch.to(device))])
    given = [torch.cat(parts).numpy() for parts in zip(*chosen, strict=True)]
    return {
        name: round(_balanced(answers[:, k], given[k]), 4)
        for k, name in enumerate(source.questions)
    }


def _balanced(right: NDArray[np.int64], given: NDArray[np.int64]) -> float:
    asked = np.unique(right[right >= 0])
    return float(np.mean([(given[right == answer] == answer).mean() for answer in asked]))
