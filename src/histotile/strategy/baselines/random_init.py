"""What a network's features are worth: the same network with random weights, as a baseline."""

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from histotile.backbones.batch_norm import batch_norms
from histotile.backbones.build import Architecture, body_digest, rebuild
from histotile.inference.engines.torch import TorchEngine


def random_twin(network: nn.Module, architecture: Architecture, seed: int) -> nn.Module:
    """The network with random weights, never the very ones it has (backbone.weights `none`).

    Batch norms that start at 0, as if the branch they end were not there, start at 1: the branch
    belongs to the architecture. The seed gives the same weights in every process.
    """
    own = body_digest(network)
    while True:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            twin = rebuild(architecture, 2)
        if body_digest(twin) != own:
            break
        seed += 1
    for layer in batch_norms(twin):
        if layer.affine and not layer.weight.any():
            nn.init.ones_(layer.weight)
    return twin.eval()


def calibrate(
    network: nn.Module, engine: TorchEngine, batches: Iterable[NDArray[np.uint8]]
) -> None:
    """Set the batch norms of a network to the mean and variance of these tiles.

    Without it random weights would be judged with statistics that are not theirs: activations fade
    or grow from layer to layer. Every batch counts the same; a batch should hold tiles of many
    slides, and at least two. Nothing happens to networks without batch norm.

    Args:
        network: In evaluation, and left so.
        engine: Runs all of this network.
        batches: Tiles, (N, px, px, 3).
    """
    layers = batch_norms(network)
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # the average of all batches
        layer.training = True
    for tiles in batches:
        engine(tiles)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
        layer.training = False
