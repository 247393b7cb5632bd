"""Networks by depth: features of every stage, and networks cut off or frozen after one of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from timm.models import group_parameters
from torch import Tensor, nn

from histotile.backbones.tracing import dissect, last_and_maps, stage_indices, stage_maps
from histotile.errors import HistotileError
from histotile.io.features import Stage

_LARGEST = 65504.0  # of 16 bit floats, in which features are kept


class StageFeatures(nn.Module):
    """Features of all stages of a network in one pass: (N, sum of widths), shallow to deep.

    The early stages are maps of `forward_intermediates`, as mean and standard deviation over the
    positions (of patch tokens alone where there are others); the last stage is the network's own
    pooled features, which its head would see.

    Attributes:
        stages: What the columns are; `of_stages` parts them.

    Args:
        network: Of timm, with any head; it stays as it is.

    Raises:
        HistotileError: The network has no intermediate maps.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network: Any = network
        self.stages = stages_of(network)
        self._early = stage_indices(network)[:-1]

    def forward(self, tiles: Tensor) -> Tensor:
        """Features of normalised NCHW tiles."""
        last, maps = last_and_maps(self.network, tiles, self._early)
        return torch.cat([*map(_mean_and_deviation, maps), _clipped(last)], dim=1)

    def of_stages(self, features: NDArray[np.floating]) -> list[NDArray[np.floating]]:
        """The columns (N, width) of each stage."""
        ends = np.cumsum([stage.width for stage in self.stages])
        return np.split(features, ends[:-1], axis=1)


class Truncated(nn.Module):
    """The part of a network that computes some stages, under one linear head on all of them.

    `body` holds nothing deeper; its parameters keep their names. Like networks of timm it has
    `get_classifier`, `pretrained_cfg` and `feature_info`.

    Args:
        body: Computes the stages.
        indices: Of the maps of early stages, shallow to deep.
        deepest: Whether the last stage is seen, too.
        width: Of all these stages together.
        classes: Outputs of the head.
    """

    def __init__(
        self, body: nn.Module, indices: Sequence[int], deepest: bool, width: int, classes: int
    ) -> None:
        super().__init__()
        self.body: Any = body
        self.head = nn.Linear(width, classes)
        whole: Any = body
        self.pretrained_cfg = {**whole.pretrained_cfg, "classifier": "head"}
        self.feature_info = list(whole.feature_info)[: None if deepest else indices[-1] + 1]
        self._indices, self._deepest = list(indices), deepest

    def forward_features(self, tiles: Tensor) -> Tensor:
        """Features (N, width) of normalised NCHW tiles."""
        if not self._deepest:
            maps = stage_maps(self.body, tiles, self._indices)
            return torch.cat([_mean_and_deviation(found) for found in maps], dim=1)
        last, maps = last_and_maps(self.body, tiles, self._indices)
        return torch.cat([*map(_mean_and_deviation, maps), _clipped(last)], dim=1)

    def forward_head(self, features: Tensor, pre_logits: bool = False) -> Tensor:
        """Logits (N, classes) of these features, or with `pre_logits` the features, as in timm."""
        return features if pre_logits else self.head(features)

    def forward(self, tiles: Tensor) -> Tensor:
        """Logits (N, classes) of normalised NCHW tiles."""
        return self.forward_head(self.forward_features(tiles))

    def get_classifier(self) -> nn.Module:
        """The linear head."""
        return self.head


class WithFeatures(nn.Module):
    """A network that gives logits (N, classes), and the features (N, D) that its head sees.

    Args:
        network: Of timm, or `Truncated`; it stays as it is.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network: Any = network

    def forward(self, tiles: Tensor) -> tuple[Tensor, Tensor]:
        """Both, of normalised NCHW tiles."""
        maps = self.network.forward_features(tiles)
        seen = self.network.forward_head(maps, pre_logits=True)
        return self.network.forward_head(maps), _clipped(seen.flatten(1))


def stages_of(network: nn.Module) -> tuple[Stage, ...]:
    """The depths of a network, shallow to deep; at most 6, evenly spaced, the last one included."""
    anatomy = dissect(network)
    sizes = {name: values.numel() for name, values in network.named_parameters()}
    info = network.feature_info
    return tuple(
        Stage(
            number=number,
            name=str(info[index]["module"]),  # type: ignore[index]
            width=width,
            weights=sum(sizes[name] for name in names),
        )
        for number, (index, width, names) in enumerate(
            zip(stage_indices(network), anatomy.widths, anatomy.parameters, strict=True), 1
        )
    )


def truncate(network: nn.Module, stages: Sequence[int], classes: int) -> nn.Module:
    """What computes these stages, under a new linear head; the last one alone: the whole network.

    The network given is taken apart: use the result alone.

    Args:
        network: Of timm.
        stages: Ascending; 1 is the shallowest.
        classes: Outputs of the head.

    Raises:
        HistotileError: There is no such stage.

    Example:
        Stages 3 and 5 of five: a head on the mean and deviation of the maps of stage 3 and on the
        network's own pooled features.
    """
    whole: Any = network
    anatomy = dissect(network)
    last, deepest = len(anatomy.widths), stages[-1]
    for stage in stages:
        _check_stage(network, stage, last)
    if list(stages) == [last]:
        whole.reset_classifier(classes)
        return network
    if deepest == last:
        whole.reset_classifier(0)
    else:
        needed = anatomy.modules[deepest - 1] | {
            name.rpartition(".")[0] for name in anatomy.parameters[deepest - 1]
        }
        _remove(network, needed, anatomy.parameters[deepest - 1])
    indices = [stage_indices(network)[stage - 1] for stage in stages if stage < last]
    width = sum(anatomy.widths[stage - 1] for stage in stages)
    return Truncated(network, indices, deepest == last, width, classes)


def parameters_up_to(network: nn.Module, stage: int) -> frozenset[str]:
    """Names of the parameters and buffers that compute a stage: what freezing it means.

    Later layers and the head are never among them, not even for the last stage.

    Raises:
        HistotileError: There is no such stage.
    """
    anatomy = dissect(network)
    _check_stage(network, stage, len(anatomy.widths))
    run = anatomy.modules[stage - 1]
    buffers = {n for n, _ in network.named_buffers() if n.rpartition(".")[0] in run}
    return frozenset(anatomy.parameters[stage - 1] | buffers)


def layer_groups(network: nn.Module) -> list[list[str]]:
    """Names of the parameters by depth, shallow to deep; the head is the last group, alone.

    The groups are timm's coarse ones. Its last group also holds layers before the head (a final
    norm, the last convolution of MobileNets): they make a group of their own here.

    Raises:
        HistotileError: The network does not tell its groups.
    """
    whole: Any = network
    if not hasattr(network, "group_matcher"):
        fact = f"{type(network).__name__} does not tell how deep its layers lie"
        raise HistotileError("backbone.name", fact, "choose another network, e.g. resnet18")
    own = {id(values) for values in whole.get_classifier().parameters()}
    head = [name for name, values in network.named_parameters() if id(values) in own]
    found = group_parameters(network, whole.group_matcher(coarse=True))
    body = [[name for name in found[key] if name not in head] for key in sorted(found)]
    return [*filter(None, body), head]


def _check_stage(network: nn.Module, stage: int, total: int) -> None:
    if not 1 <= stage <= total:
        fact = f"{type(network).__name__} has stages 1 to {total}"
        raise HistotileError(f"stage {stage}", fact, "name one of them")


def _mean_and_deviation(found: Tensor) -> Tensor:
    """(N, 2 C) of maps (N, C, height, width); in two passes, so that nothing cancels."""
    values = found.float().flatten(2)
    mean = values.mean(dim=2)
    variance = (values - mean.unsqueeze(2)).square_().mean(dim=2)
    return _clipped(torch.cat([mean, (variance + 1e-12).sqrt()], dim=1))


def _clipped(features: Tensor) -> Tensor:
    return features.float().clamp(-_LARGEST, _LARGEST)


def _remove(network: nn.Module, needed: frozenset[str], parameters: frozenset[str]) -> None:
    """Put nothing in the place of modules, and of parameters, that take no part."""
    for name, module in list(network.named_modules()):
        for child, part in list(module.named_children()):
            path = f"{name}.{child}" if name else child
            inside = any(f"{other}.".startswith(f"{path}.") for other in needed)
            list_like = isinstance(part, nn.Sequential | nn.ModuleList)  # it may be sliced
            if not inside and not list_like and any(True for _ in part.parameters()):
                setattr(module, child, nn.Identity())
        for own, _ in list(module.named_parameters(recurse=False)):
            if (f"{name}.{own}" if name else own) not in parameters:
                module.register_parameter(own, None)
