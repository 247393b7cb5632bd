"""How far tiles lie from what a network's batch norm was learnt on, without the source's images.

Each batch-norm layer keeps mean and variance of its input over the source (ImageNet, say). Tiles
go through the network in evaluation, so that every layer sees inputs normalised by the source,
and their mean and variance are held against the stored ones. (Kept as a drift alarm in
arXiv 2107.00191.)

What it says and what not:

- It measures appearance, not use: shifted features can still tell classes apart.
- Numbers of different networks do not compare, and not even the source lies at 0: stored variances
  were averaged under augmentation, at another size of image. Hence the ruler.
- Sampling error: its standard deviation is 0.007 with 128 tiles, and 0.03 with 8 to 16 tiles, whose
  distance is also 0.03 too large. Give 256 tiles or more, patients weighing the same.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from histotile.backbones.stages import (
    parameters_up_to,
    stages_of,
)
from histotile.inference.engines.torch import TorchEngine
from histotile.io.features import BnShift

Floats = NDArray[np.float64]
Weighted = tuple[NDArray[np.uint8], Floats]  # tiles (N, px, px, 3); weights (N, groups)
Shifts = tuple[BnShift, ...]
_FOLDED = 1e-3  # how near to 1 a stored variance is that was folded into the layer before


def measure_bn_shift(
    network: nn.Module, engine: TorchEngine, batches: Iterable[Weighted]
) -> list[Shifts]:
    """For each group of tiles the shift at every stage that has batch norm, shallow to deep.

    Squared Hellinger distance and shift of every channel; mean and median over the channels of a
    layer (mean over layers) and of a stage. A layer belongs to the first stage that needs it.
    There is no group if the network has no batch norm, or its statistics say nothing: random
    weights, or layers folded into those before (all means 0, all variances 1).

    Args:
        network: Of timm, with its pre-trained weights.
        engine: Runs all stages of this network.
        batches: Tiles and how much each weighs in each group; weights need not sum to 1.
    """
    layers = telling(network)
    if not layers:
        return []
    watches = {name: _Watch(layer) for name, layer in layers.items()}
    total: Any = 0.0
    for tiles, weights in batches:
        for watch in watches.values():
            watch.weights = weights
        engine(tiles)
        total += weights.sum(axis=0)
    for watch in watches.values():
        watch.remove()
    distances = {name: watch.distances(total) for name, watch in watches.items()}
    stages = _first_needed(network, list(layers))
    return [_shifts(stages, distances, group) for group in range(len(total))]


def batch_norms(network: nn.Module) -> dict[str, Any]:
    """The layers of a network that keep mean and variance of their input, by name."""
    return {
        name: layer
        for name, layer in network.named_modules()
        if isinstance(layer, _BatchNorm) and layer.running_mean is not None
    }


def telling(network: nn.Module) -> dict[str, Any]:
    """The batch-norm layers whose stored statistics tell something of the source, by name."""
    return {name: bn for name, bn in batch_norms(network).items() if not _says_nothing(bn)}


def hellinger2(mean: Floats, variance: Floats, mean0: Floats, variance0: Floats) -> Floats:
    """Squared Hellinger distance, 0 to 1, of normal distributions; variances above 0.

    1 - sqrt(2 s s0 / (s^2 + s0^2)) exp(-(m - m0)^2 / (4 (s^2 + s0^2))).
    """
    both = variance + variance0
    overlap = np.sqrt(2 * np.sqrt(variance) * np.sqrt(variance0) / both)
    distance: Floats = 1 - overlap * np.exp(-((mean - mean0) ** 2) / (4 * both))
    return np.clip(distance, 0, 1)


def shift_in_sd(mean: Floats, variance: Floats, mean0: Floats, variance0: Floats) -> Floats:
    """Shift of mean and standard deviation together, in standard deviations of the source."""
    deviation = np.sqrt(variance) - np.sqrt(variance0)
    shift: Floats = np.sqrt(((mean - mean0) ** 2 + deviation**2) / variance0)
    return shift


class _Watch:
    """Weighted moments of what enters a batch-norm layer, per group of tiles."""

    def __init__(self, layer: Any) -> None:
        self.weights: Floats = np.zeros((0, 0))
        self._mean0 = layer.running_mean.double().cpu().numpy()
        self._variance0 = layer.running_var.double().cpu().numpy()
        self._eps = float(layer.eps)  # keeps channels that are always off comparable
        self._first: Any = 0.0  # (groups, channels), of the input less the stored mean
        self._second: Any = 0.0
        self._hook = layer.register_forward_pre_hook(self._add)

    def remove(self) -> None:
        """Look no more."""
        self._hook.remove()

    def distances(self, total: Floats) -> tuple[Floats, Floats]:
        """Squared Hellinger distance and shift (SDs), (groups, channels), for weights in all."""
        first = self._first / total[:, None]
        variance = np.maximum(self._second / total[:, None] - first**2, 0) + self._eps
        arguments = (self._mean0 + first, variance, self._mean0, self._variance0 + self._eps)
        return hellinger2(*arguments), shift_in_sd(*arguments)

    def _add(self, _: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        values = inputs[0].detach().float().flatten(2)
        variance, mean = torch.var_mean(values, dim=2, correction=0)
        centred = mean.double().cpu().numpy() - self._mean0
        self._first += self.weights.T @ centred
        self._second += self.weights.T @ (variance.double().cpu().numpy() + centred**2)


def _first_needed(network: nn.Module, layers: list[str]) -> dict[int, list[str]]:
    """Stage -> the layers among these that it needs and no earlier one does."""
    left, found = list(layers), {}
    for stage in stages_of(network):
        needed = parameters_up_to(network, stage.number)
        found[stage.number] = [name for name in left if f"{name}.running_mean" in needed]
        left = [name for name in left if name not in found[stage.number]]
    return found


def _shifts(
    stages: dict[int, list[str]], distances: dict[str, tuple[Floats, Floats]], group: int
) -> Shifts:
    return tuple(
        BnShift(
            stage=stage,
            hellinger=float(np.mean([distances[name][0][group].mean() for name in layers])),
            shift_sd=float(np.median(np.concatenate([distances[n][1][group] for n in layers]))),
        )
        for stage, layers in stages.items()
        if layers
    )


def _says_nothing(layer: Any) -> bool:
    variance = layer.running_var + layer.eps
    return bool((layer.running_mean == 0).all() and ((variance - 1).abs() < _FOLDED).all())
