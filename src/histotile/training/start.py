"""A network that is ready to learn: built, frozen where it must not move, its head begun."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from histotile.backbones.build import build_network, head
from histotile.config import Backbone, Recipe
from histotile.errors import HistotileError
from histotile.tasks.probe import Features, fit_probe
from histotile.training.datamodule import TileDataModule
from histotile.training.job import Job
from histotile.training.lightning_module import Objective, TileModule


@dataclass(frozen=True)
class Approach:
    """How one strategy has a network learn.

    `freeze` takes `requires_grad` from what must not move and names the modules that stay in
    evaluation; `prepare` readies the network before the linear probe; `finish` makes it one that
    timm builds, where `freeze` put something in.
    """

    recipe: Recipe
    freeze: Callable[[nn.Module], Sequence[nn.Module]]
    prepare: Callable[[TileModule, TileDataModule], None] | None = None
    finish: Callable[[nn.Module], None] = lambda network: None


def make_module(job: Job, approach: Approach) -> tuple[TileModule, TileDataModule]:
    """The network as it comes, under a head of random weights, and its tiles."""
    backbone = _with_dropout(job.backbone, approach.recipe.dropout)
    network, architecture = build_network(backbone, job.task.outputs, job.fold.train.tile_px)
    _check_dropout(network, approach.recipe.dropout)
    data = TileDataModule(job.fold, job.settings, job.machine)
    weights = job.task.weights(job.fold.train.label, job.settings.class_weights)
    module = TileModule(
        network,
        architecture,
        Objective(job.task, weights.tolist()),
        approach.recipe,
        approach.freeze(network),
        data.plan.passes,
    )
    return module, data


def _with_dropout(backbone: Backbone, share: float) -> Backbone:
    if not share:
        return backbone
    return backbone.model_copy(update={"options": backbone.options | {"drop_rate": share}})


def _check_dropout(network: nn.Module, share: float) -> None:
    """Some networks take the argument and drop nothing."""
    layers = [module.p for module in network.modules() if isinstance(module, nn.Dropout)]
    if share and share not in (getattr(network, "drop_rate", None), *layers):
        fact = f"is {share:g}, and {type(network).__name__} has no drop-out before its head"
        raise HistotileError("dropout", fact, "set it to 0, or choose another backbone.name")


def can_drop(job: Job) -> bool:
    """Whether the job's network can drop features out before its head."""
    share = 0.5
    try:
        backbone = _with_dropout(job.backbone, share)
        network, _ = build_network(backbone, job.task.outputs, job.fold.train.tile_px)
        _check_dropout(network, share)
    except HistotileError:
        return False
    return True


def begin(module: TileModule, data: TileDataModule, job: Job, approach: Approach) -> None:
    """Ready the network as its strategy wants it, then its head by a linear probe.

    Random weights have no features worth a probe.
    """
    if approach.prepare is not None:
        approach.prepare(module, data)
    if not job.untaught:
        _start_head(module, data, job)


def passed_through(
    module: TileModule, batches: Iterable[tuple[Tensor, Tensor, Tensor]]
) -> tuple[Any, Any]:
    """What the head sees of each tile, and the tile's number; layers keep their modes."""
    seen: list[Tensor] = []
    hook = head(module.network).register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    module.to(device)
    numbers = []
    with torch.no_grad():
        for tiles, _, indices in batches:
            module(tiles.to(device))
            numbers.append(indices)
    hook.remove()
    module.to("cpu")
    return torch.cat([s.flatten(1).cpu() for s in seen]).numpy(), torch.cat(numbers).numpy()


def _start_head(module: TileModule, data: TileDataModule, job: Job) -> None:
    """A linear head on features of training tiles as they are, put into the network."""
    module.eval()
    values, numbers = passed_through(module, data.probe_dataloader())
    selection = data.probed.selection
    groups = job.fold.patients(selection)[numbers]
    seen = Features(values, selection.label[numbers], groups)
    if not job.task.lacking(seen.labels):
        probe = fit_probe(job.task, seen, job.settings.class_weights, job.settings.seed)
        probe.fill(head(module.network))
