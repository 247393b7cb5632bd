"""What a network is made of by depth: found by running it, not by the names of its layers."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from timm.models import get_model_input_config
from torch import Tensor, nn

from histotile.errors import HistotileError

MOST_STAGES = 6  # of networks that have a map per block, such as vision transformers


@dataclass(frozen=True)
class Anatomy:
    """For each stage: its width, the parameters and the modules that take part in it."""

    widths: tuple[int, ...]
    parameters: tuple[frozenset[str], ...]
    modules: tuple[frozenset[str], ...]


def dissect(network: nn.Module) -> Anatomy:
    """What each stage is made of, from passes through a copy without numbers (meta device).

    Autograd's graph tells the parameters, whatever the family; hooks tell the modules.

    Raises:
        HistotileError: The network has no intermediate maps.
    """
    shadow = _shadow(network)
    size = get_model_input_config(network)["input_size"]
    tiles = torch.empty(2, *size, device="meta")
    names = {id(values): name for name, values in shadow.named_parameters()}
    widths, parameters, modules = [], [], []
    run: set[str] = set()
    for name, module in shadow.named_modules():
        module.register_forward_hook(lambda *_, name=name: run.add(name))
    *early, _ = stage_indices(network)
    with torch.enable_grad():
        for index in early:
            run.clear()
            (found,) = stage_maps(shadow, tiles, [index])
            widths.append(2 * found.shape[1])
            parameters.append(frozenset(names[key] for key in _leaves(found)))
            modules.append(frozenset(run | {""}))
        last = last_and_maps(shadow, tiles, [])[0]
    widths.append(last.shape[1])
    parameters.append(frozenset(names[key] for key in _leaves(last)))
    modules.append(frozenset(run | {""}))
    return Anatomy(tuple(widths), tuple(parameters), tuple(modules))


def _shadow(network: nn.Module) -> nn.Module:
    """A copy in evaluation on the meta device, which holds shapes and no numbers."""
    memo: dict[int, Any] = {}
    for weights in network.parameters():
        memo[id(weights)] = nn.Parameter(torch.empty_like(weights, device="meta"))
    for buffer in network.buffers():
        memo[id(buffer)] = torch.empty_like(buffer, device="meta")
    return copy.deepcopy(network, memo).eval()


def _leaves(result: Tensor) -> set[int]:
    """The ids of the parameters that a tensor was computed from."""
    found, seen, todo = set(), set(), [result.grad_fn]
    while todo:
        node: Any = todo.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            found.add(id(node.variable))
        todo += [before for before, _ in node.next_functions]
    return found


def stage_indices(network: Any) -> list[int]:
    """Which of the intermediate maps are stages, shallow to deep.

    Raises:
        HistotileError: The network has no intermediate maps.
    """
    total = len(getattr(network, "feature_info", None) or ())
    if not total or not hasattr(network, "forward_intermediates"):
        fact = f"{type(network).__name__} does not hand out its intermediate maps"
        raise HistotileError("backbone.name", fact, "choose another network, e.g. resnet18")
    kept = min(total, MOST_STAGES)
    return [round((k + 1) * total / kept) - 1 for k in range(kept)]


def stage_maps(network: Any, tiles: Tensor, indices: Sequence[int]) -> Sequence[Tensor]:
    """Intermediate maps (N, C, height, width) of normalised tiles; nothing deeper runs."""
    found: Sequence[Tensor] = network.forward_intermediates(
        tiles, indices=list(indices), stop_early=True, intermediates_only=True
    )
    return found


def last_and_maps(
    network: Any, tiles: Tensor, early: Sequence[int]
) -> tuple[Tensor, Sequence[Tensor]]:
    """What the head sees (N, D), and the maps with these indices on the way there."""
    maps: list[Tensor] = []
    if early:
        last, maps = network.forward_intermediates(tiles, indices=list(early), stop_early=False)
    else:
        last = network.forward_features(tiles)
    return network.forward_head(last, pre_logits=True).flatten(1), maps
