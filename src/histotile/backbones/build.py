"""The network below the head: built from settings, with weights from wherever they lie."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm
import torch
from timm.data import resolve_model_data_config
from torch import nn

from histotile.backbones.foundation.recipe import spell_out
from histotile.backbones.sources import describe_weights, folder_of, source_of, unreachable
from histotile.backbones.stages import truncate
from histotile.backbones.weights import load_weights
from histotile.config import Backbone
from histotile.errors import HistotileError
from histotile.io.digests import find_weights


@dataclass(frozen=True)
class Architecture:
    """What is needed to build a network again without its weights.

    `name` is timm's; `arguments` go to `timm.create_model`; `mean` and `std` (per channel, 0-1)
    are the normalisation its weights were trained with. `stages`: those that the head sees; none:
    the network is whole.
    """

    name: str
    arguments: dict[str, Any]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    stages: tuple[int, ...] = ()


def build_network(backbone: Backbone, classes: int, tile_px: int) -> tuple[nn.Module, Architecture]:
    """A network with a new head of `classes` outputs, and how to build it again.

    Weights from a folder or the hub bring their own architecture; `backbone.name` must then be the
    same or `auto`, or name a published model (`foundation/models.py`). Networks made for one input
    size are built for `tile_px` (their position embedding is resampled).

    Raises:
        HistotileError: Unknown name, missing or unfitting weights, hub out of reach, or tiles too
            small for the network.
    """
    find_weights(backbone.weights)
    backbone = spell_out(backbone)
    folder = folder_of(backbone.weights)
    source = source_of(backbone, folder)
    arguments = dict(backbone.options)
    if (channels := arguments.get("in_chans", 3)) != 3:
        fact = f"in_chans is {channels}, but tiles have 3 channels, grey ones too"
        raise HistotileError("backbone.options", fact, "leave in_chans out")
    config = describe_weights(source, backbone, folder)
    if config.get("fixed_input_size") and not arguments.get("dynamic_img_size"):
        arguments.setdefault("img_size", tile_px)
    overlay = arguments.pop("pretrained_cfg_overlay", None)
    hub = backbone.weights == "imagenet" or source.startswith("hf-hub:")
    network = _create(source, backbone, hub, overlay, classes, arguments)
    if getattr(network, "global_pool", None) == "":
        fact = f"{source} hands out its tokens unpooled"
        raise HistotileError("backbone.options", fact, "say how, e.g. {global_pool: token}")
    if not hub and backbone.weights != "none":
        load_weights(network, _weights_file(backbone.weights, folder))
    stored = {k: v for k, v in (config.get("model_args") or {}).items() if k != "num_classes"}
    mean, std = normalisation(network)
    name = str(network.pretrained_cfg["architecture"])  # type: ignore[index]
    _check_tile(name, network, tile_px)
    return network, Architecture(name, stored | arguments, mean, std)


def rebuild(architecture: Architecture, classes: int) -> nn.Module:
    """The network of an architecture with random weights; needs neither hub nor folder."""
    overlay = {"mean": architecture.mean, "std": architecture.std}
    network: nn.Module = timm.create_model(
        architecture.name,
        pretrained=False,
        num_classes=classes,
        pretrained_cfg_overlay=overlay,
        **architecture.arguments,
    )
    if architecture.stages:
        return truncate(network, architecture.stages, classes)
    return network


def normalisation(network: nn.Module) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per channel (0-1) that the network's own config asks for."""
    config = resolve_model_data_config(network)
    return tuple(map(float, config["mean"])), tuple(map(float, config["std"]))


def head(network: nn.Module) -> nn.Linear:
    """The last linear layer: pooled features -> logits.

    Raises:
        HistotileError: The network ends in something else.
    """
    layer = network.get_classifier()  # type: ignore[operator]
    if not isinstance(layer, nn.Linear):
        name = type(network).__name__
        fact = f"{name} does not end in one linear layer but in {type(layer).__name__}"
        raise HistotileError("backbone.name", fact, "choose another network, e.g. resnet18")
    return layer


def body_digest(network: nn.Module) -> str:
    """12 hex digits of all weights below the head: which backbone made a set of features."""
    own = {id(t) for t in head(network).parameters()}
    tensors = network.state_dict(keep_vars=True).items()
    return digest_of({name: tensor for name, tensor in tensors if id(tensor) not in own})


def digest_of(state: dict[str, torch.Tensor]) -> str:
    """12 hex digits that name these weights."""
    hasher = hashlib.sha256()
    for name in sorted(state):
        hasher.update(name.encode())
        values = state[name].detach().cpu().contiguous().view(-1).view(torch.uint8)
        hasher.update(values.numpy().tobytes())
    return hasher.hexdigest()[:12]


def _create(
    source: str,
    backbone: Backbone,
    hub: bool,
    overlay: dict[str, Any] | None,
    classes: int,
    arguments: dict[str, Any],
) -> nn.Module:
    try:
        # Random weights are the same in every process and for any number of classes, so that
        # features of `none` can be cached too.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network: Any = timm.create_model(
                source,
                pretrained=hub,
                pretrained_cfg_overlay=overlay,
                num_classes=2,
                **arguments,
            )
            if classes != 2:
                network.reset_classifier(classes)
    except (AssertionError, TypeError, ValueError) as error:
        fact = f"{source} cannot be built with {arguments}: {error}"
        remedy = "change backbone.options or tile.tile_px"
        raise HistotileError("backbone", fact, remedy) from error
    except Exception as error:
        if not hub:
            raise
        raise unreachable(f"{backbone.name} ({backbone.weights})", error) from error
    module: nn.Module = network
    return module


def _weights_file(weights: str, folder: Path | None) -> Path:
    if folder is None:
        return Path(weights)
    names = ("model.safetensors", "pytorch_model.bin")
    found = next((folder / name for name in names if (folder / name).is_file()), None)
    if found is None:
        fact = f"there is no such file as {' or '.join(names)}"
        raise HistotileError(folder, fact, "give a folder in timm's layout, or the file itself")
    return found


def _check_tile(name: str, network: nn.Module, tile_px: int) -> None:
    info = getattr(network, "feature_info", None)
    stride = int(info[-1]["reduction"]) if info else 1
    fixed = network.pretrained_cfg.get("fixed_input_size")  # type: ignore[operator, union-attr]
    own = getattr(network, "least_px", None)  # of networks that take any size above it
    if fixed and own is None and tile_px % stride:
        fact = f"is {tile_px}; {name} takes multiples of {stride} px"
        remedy = f"use {tile_px // stride * stride + stride} or another backbone.name"
        raise HistotileError("tile.tile_px", fact, remedy)
    least = own or (stride if fixed else 2 * stride)
    if tile_px < least:
        fact = f"is {tile_px}; {name} shrinks its input and needs {least} px or more"
        raise HistotileError("tile.tile_px", fact, "use larger tiles or another backbone.name")
