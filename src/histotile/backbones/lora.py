"""Low-rank adaptation: small additions to the attention projections learn in place of the weights.

Hu et al. 2021, arXiv 2106.09685. The additions parametrise the weights where they lie, so layers
that read their `weight` themselves, as some attention of timm does, are adapted like any.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from histotile.backbones.build import head
from histotile.errors import HistotileError

_QUERIES = {"qkv", "q", "q_proj", "wq"}  # what attention alone has
_PROJECTIONS = _QUERIES | {"k", "v", "kv", "k_proj", "v_proj", "wk", "wv", "proj", "out_proj"}


class LowRank(nn.Module):
    """A weight (out, in) plus the product of two thin matrices; at first their product is zero.

    Args:
        weight: That is adapted.
        rank: Of the product.
    """

    def __init__(self, weight: Tensor, rank: int) -> None:
        super().__init__()
        self.down = nn.Parameter(torch.empty(rank, weight.shape[1]))
        self.up = nn.Parameter(torch.zeros(weight.shape[0], rank))
        nn.init.kaiming_uniform_(self.down, a=5**0.5)

    def forward(self, weight: Tensor) -> Tensor:
        """The adapted weight."""
        return weight + self.up @ self.down


def adapt_attention(network: nn.Module, rank: int, weights: str) -> None:
    """Have low-rank additions to the attention projections learn, and the head; nothing else.

    Args:
        network: That is adapted.
        rank: Of the additions.
        weights: Where those of the network come from, as `backbone.weights` says.

    Raises:
        HistotileError: The network has no attention, or its weights are random: they would stay so.
    """
    if weights == "none":
        fact = "asks for LoRA, which freezes what was learnt before; backbone.weights is none"
        remedy = "name weights, or set lora_rank: 0 so that all layers learn"
        raise HistotileError("train.finetune.lora_rank", fact, remedy)
    found = _projections(network)
    if not found:
        fact = f"asks for LoRA, and {type(network).__name__} has no attention projections"
        remedy = "choose a transformer, e.g. vit_small_patch16_224, or set lora_rank: 0"
        raise HistotileError("train.finetune.lora_rank", fact, remedy)
    network.requires_grad_(False)
    for layer in found:
        parametrize.register_parametrization(layer, "weight", LowRank(layer.weight, rank))
    head(network).requires_grad_(True)


def _projections(network: nn.Module) -> list[nn.Linear]:
    found = []
    for module in network.modules():
        linear = {n: part for n, part in module.named_children() if isinstance(part, nn.Linear)}
        if _QUERIES & linear.keys():
            found += [part for name, part in linear.items() if name in _PROJECTIONS]
    return found


def merge(network: nn.Module) -> None:
    """Add what was learnt to the weights themselves; the network is then as timm builds it."""
    for module in list(network.modules()):
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)
