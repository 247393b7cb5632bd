"""Batch norm: statistics measured anew on other tiles, or given back where they were folded."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

Norm = nn.modules.batchnorm._BatchNorm
_NEARLY = 2e-3  # more than the eps of any batch norm in use


def batch_norms(network: nn.Module) -> list[Norm]:
    """Layers with running statistics of their inputs."""
    return [m for m in network.modules() if isinstance(m, Norm) and m.running_mean is not None]


def are_folded(network: nn.Module) -> bool:
    """Whether the statistics were worked into the weights: all means 0, all variances 1.

    So after conversion for inference. The layers still scale and shift, but what they normalise by
    is lost: in training mode such a network computes something else than it was trained to.
    (Converters write 1 less eps for 1.)
    """
    layers = batch_norms(network)
    return bool(layers) and all(
        bool((mean.abs() < _NEARLY).all() and ((variance - 1).abs() < _NEARLY).all())
        for mean, variance in ((layer.running_mean, layer.running_var) for layer in layers)
        if mean is not None and variance is not None
    )


def adapt(network: nn.Module, run: Callable[[], object]) -> None:
    """Running statistics become those of other tiles (AdaBN, Li et al. 2016, arXiv 1603.04779).

    Args:
        network: Its weights stay; it is left in evaluation.
        run: Passes those tiles through the network, in batches of mixed slides: the statistics
            are the plain average over these batches, each normalised by its own.
    """
    network.eval()
    layers = batch_norms(network)
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # PyTorch's way to ask for the cumulative average
        layer.train()
    run()
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    network.eval()


def unfold(network: nn.Module, run: Callable[[], object]) -> None:
    """Statistics become those of the tiles, and weight and bias make up for it.

    The network computes the same as before, now also (nearly) in training mode.

    Args:
        network: As `are_folded` finds it; it is left in evaluation.
        run: Passes the tiles through the network.
    """
    network.eval()
    layers = [layer for layer in batch_norms(network) if layer.affine]
    moments = [_Moments(layer.num_features) for layer in layers]
    hooks = [
        layer.register_forward_pre_hook(found) for layer, found in zip(layers, moments, strict=True)
    ]
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    with torch.no_grad():
        for layer, found in zip(layers, moments, strict=True):
            _renormalise(layer, *found.mean_and_variance())


class _Moments:
    """Sums over everything that enters a layer, per channel (dimension 1)."""

    def __init__(self, channels: int) -> None:
        self.count = 0
        self.sums = torch.zeros(2, channels, dtype=torch.float64)

    def __call__(self, _: nn.Module, inputs: tuple[Any, ...]) -> None:
        values = inputs[0].detach().double().transpose(0, 1).flatten(1).cpu()
        self.count += values.shape[1]
        self.sums += torch.stack([values.sum(1), values.square().sum(1)])

    def mean_and_variance(self) -> tuple[Tensor, Tensor]:
        mean, square = self.sums / self.count
        return mean, (square - mean.square()).clamp(min=0)


def _renormalise(layer: Norm, mean: Tensor, variance: Tensor) -> None:
    """While m and v change, weight * (x - m) / sqrt(v + eps) + bias stays the same."""
    assert layer.running_mean is not None
    assert layer.running_var is not None
    old = (layer.running_var.double().cpu() + layer.eps).sqrt()
    slope = layer.weight.double().cpu() / old
    bias = layer.bias.double().cpu() + slope * (mean - layer.running_mean.double().cpu())
    layer.weight.copy_(slope * (variance + layer.eps).sqrt())
    layer.bias.copy_(bias)
    layer.running_mean.copy_(mean)
    layer.running_var.copy_(variance)
