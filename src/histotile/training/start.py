"""A network that is ready to learn: built, frozen where it must not move, its head begun."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from histotile.backbones.batch_norm import batch_norms
from histotile.backbones.build import build_network, head
from histotile.config import Backbone
from histotile.errors import HistotileError
from histotile.tasks.probe import Features, fit_probe
from histotile.training.datamodule import TileDataModule
from histotile.training.job import Job
from histotile.training.lightning_module import Objective, TileModule
from histotile.training.strategies.approach import Approach


def make_module(job: Job, approach: Approach) -> tuple[TileModule, TileDataModule]:
    """The network as it comes, under a head of random weights, and its tiles.

    Raises:
        HistotileError: The network has no drop-out that is asked for, or cannot learn from batches
            of one tile.
    """
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
    if data.plan.least(len(job.fold.train)) == 1:
        _check_norms(module, job.fold.train.tile_px)
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


def _check_norms(module: TileModule, tile_px: int) -> None:
    """Batch norm learns nothing from a batch that has one value of each channel."""
    alone: list[nn.Module] = []

    def see(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if inputs[0].numel() == inputs[0].shape[1]:
            alone.append(layer)

    learning = [layer for layer in batch_norms(module.network) if layer not in module.still]
    hooks = [layer.register_forward_pre_hook(see) for layer in learning]
    module.eval()
    with torch.no_grad():
        module(torch.zeros(1, 3, tile_px, tile_px, dtype=torch.uint8))
    module.train()
    for hook in hooks:
        hook.remove()
    if alone:
        fact = f"gives a batch of 1 tile, of which {len(alone)} layers of batch norm see one value"
        remedy = "set it to 2 or more, or choose a backbone without batch norm"
        raise HistotileError("train.batch_size", fact, remedy)


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
