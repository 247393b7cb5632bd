"""How long a network learns, in which batches, and at which rate each of its layers."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from histotile.backbones.batch_norm import batch_norms
from histotile.backbones.stages import layer_groups
from histotile.config import Recipe, Train

FINAL = 0.01  # learning rate at the end, relative to the peak
ADAMW_LR = {True: 1e-3, False: 3e-4}  # of networks with batch norm, and of others
VALIDATIONS = 25  # at most, however many epochs there are


@dataclass(frozen=True)
class Batches:
    """How a number of tiles is dealt out: all batches of one size, or the last one smaller."""

    size: int
    drop_last: bool


@dataclass(frozen=True)
class Plan:
    """The course of a training.

    A round is as many epochs (`passes` over the training tiles) as lie between two measurements on
    val: one, unless the cohort is so small that measuring would take longer than learning. A step
    is of one batch, or of all `portions` of a pass.
    """

    batches: Batches
    passes: int
    rounds: int
    patience: int | None
    portions: int = 1

    @property
    def epochs(self) -> int:
        """Planned passes over the training tiles."""
        return self.passes * self.rounds

    def least(self, tiles: int) -> int:
        """Tiles of the smallest batch of a pass over so many."""
        if self.portions > 1:
            return tiles // self.portions
        left = tiles * self.passes % self.batches.size
        return self.batches.size if self.batches.drop_last or not left else left


def deal(tiles: int, batch_size: int, passes: int = 1) -> Batches:
    """Batches of nearly equal size, at most `batch_size`; two at least where 4 tiles allow it.

    Asked for one tile, batches are of one.

    A remainder of less than half a batch is left out: its gradient, and its batch statistics,
    would be noise.
    """
    number = max(math.ceil(tiles / batch_size), 2 if tiles >= 4 else 1)
    size = max(min(2, batch_size), math.ceil(tiles / number))
    left = tiles * passes % size
    return Batches(size, drop_last=tiles * passes >= 2 * size and left <= size / 2)


def plan(tiles: int, settings: Train) -> Plan:
    """The course of a training on so many tiles (of one device)."""
    size = deal(tiles, settings.at_once).size
    whole = settings.batch_size == "all"
    steps = 1.0 if whole else tiles / size  # of a pass
    epochs = max(settings.epochs, math.ceil(settings.min_steps / steps))
    passes = math.ceil(epochs / VALIDATIONS)
    rounds = math.ceil(epochs / passes)
    return Plan(
        batches=Batches(size, False) if whole else deal(tiles, settings.at_once, passes),
        passes=passes,
        rounds=rounds,
        patience=settings.patience and max(1, round(settings.patience * rounds / settings.epochs)),
        portions=math.ceil(tiles / size) if whole else 1,
    )


def make_optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimizer; each layer group at its own peak rate."""
    groups = parameter_groups(network, recipe)
    match recipe.optimizer:
        case "sgd":
            return torch.optim.SGD(groups, momentum=recipe.momentum, nesterov=recipe.momentum > 0)
        case "adam":
            return torch.optim.Adam(groups)
        case "adamw":
            return torch.optim.AdamW(groups)


def parameter_groups(network: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """Parameters that learn, as PyTorch's optimizers want them; shallow to deep.

    The rate of a group is `layer_decay` times that of the next deeper one; the deepest is the
    classifier. It stands in `lr` itself, where every scheduler starts from. (timm's own groups
    carry it as `lr_scale`, which PyTorch's and Lightning's schedulers never read.) There is no
    weight decay on vectors, nor on what the network exempts, e.g. position embeddings.
    """
    adamw_lr = recipe.adamw_lr or ADAMW_LR[bool(batch_norms(network))]
    peak, decay = {
        "sgd": (recipe.sgd_lr, recipe.sgd_weight_decay),
        "adam": (adamw_lr, 0.0),
        "adamw": (adamw_lr, recipe.adamw_weight_decay),
    }[recipe.optimizer]
    parameters = dict(network.named_parameters())
    exempt = set(network.no_weight_decay()) if hasattr(network, "no_weight_decay") else set()  # type: ignore[operator]
    groups: list[dict[str, Any]] = []
    layers = layer_groups(network)
    for number, names in enumerate(layers):
        rate = peak * recipe.layer_decay ** (len(layers) - 1 - number)
        learning = [n for n in names if parameters[n].requires_grad]
        plain = {n for n in learning if parameters[n].ndim <= 1 or n in exempt}
        for chosen, amount in (([n for n in learning if n not in plain], decay), (plain, 0.0)):
            members = [parameters[n] for n in learning if n in chosen]
            if members:
                groups.append(
                    {"params": members, "lr": rate, "weight_decay": amount, "layer": number}
                )
    return groups


def rates(network: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """Peak rate and number of trained weights of each layer group, shallow to deep, for JSON."""
    found: dict[int, dict[str, Any]] = {}
    for group in parameter_groups(network, recipe):
        entry = found.setdefault(group["layer"], {"lr": group["lr"], "weights": 0})
        entry["weights"] += sum(p.numel() for p in group["params"])
    return list(found.values())


def rate_factor(step: int, steps: int, warm_up: float) -> float:
    """Learning rate at a step, relative to its peak: linear warm-up, then half a cosine.

    Args:
        step: Counted from 0.
        steps: In all.
        warm_up: Share of them in which the rate rises; one step at least.
    """
    warm = max(1, round(warm_up * steps))
    if step < warm:
        return (step + 1) / warm
    share = min(1.0, (step - warm) / max(1, steps - warm))
    return FINAL + (1 - FINAL) * 0.5 * (1 + math.cos(math.pi * share))
