"""Layers of the lectures' networks, with each activation that lectures compare."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "maxout": lambda: Maxout(),
}
PIECES = 2  # layers that a maxout takes the larger of


class Maxout(nn.Module):
    """The larger of two channels that stand side by side: (N, 2 C, ...) -> (N, C, ...).

    Its layer has twice the weights (Goodfellow et al. 2013, arXiv 1302.4389).
    """

    def forward(self, values: Tensor) -> Tensor:
        """The larger values."""
        return torch.maximum(values[:, ::PIECES], values[:, 1::PIECES])


class Layers:
    """Makes layers that learn, each with what follows it: batch norm if wanted, the activation.

    Weights start as the activation asks for: Xavier's for `sigmoid` and `tanh`, He's else.

    Args:
        act_layer: A name of `ACTIVATIONS`.
        batch_norm: Whether each layer is normalised.

    Raises:
        ValueError: No such activation.
    """

    def __init__(self, act_layer: str, batch_norm: bool) -> None:
        if act_layer not in ACTIVATIONS:
            raise ValueError(f"act_layer {act_layer!r} is none of {', '.join(ACTIVATIONS)}")
        self.act_layer, self.batch_norm = act_layer, batch_norm

    def conv(self, inputs: int, outputs: int, kernel: int, **how: Any) -> list[nn.Module]:
        """A convolution."""
        return self._with(nn.BatchNorm2d, nn.Conv2d, inputs, outputs, kernel, **how)

    def linear(self, inputs: int, outputs: int) -> list[nn.Module]:
        """A dense layer."""
        return self._with(nn.BatchNorm1d, nn.Linear, inputs, outputs)

    def _with(
        self, norm: type, layer: type, inputs: int, outputs: int, *rest: Any, **how: Any
    ) -> list[nn.Module]:
        channels = outputs * (PIECES if self.act_layer == "maxout" else 1)
        made = layer(inputs, channels, *rest, **how)
        if self.act_layer in ("sigmoid", "tanh"):
            nn.init.xavier_uniform_(made.weight, 5 / 3 if self.act_layer == "tanh" else 1)
        else:
            nn.init.kaiming_normal_(made.weight, nonlinearity="relu")
        nn.init.zeros_(made.bias)
        norms = [norm(channels)] if self.batch_norm else []
        return [made, *norms, ACTIVATIONS[self.act_layer]()]
