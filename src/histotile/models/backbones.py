"""The network below the head: built from settings, with weights from wherever they lie."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm
import torch
from timm.data import resolve_model_data_config
from torch import nn

from histotile.config import Backbone
from histotile.errors import HistotileError
from histotile.models.stages import truncate
from histotile.models.weights import load_weights
from histotile.names import nearest

SHIPPED = Path(__file__).parent / "backbones_shipped"


@dataclass(frozen=True)
class Architecture:
    """What is needed to build a network again without its weights.

    `name` is timm's; `arguments` go to `timm.create_model`; `mean` and `std` (per channel, 0-1)
    are the normalisation its weights were trained with. `stage`: the network ends there, under
    its head; None: it is whole.
    """

    name: str
    arguments: dict[str, Any]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    stage: int | None = None


def build_network(backbone: Backbone, classes: int, tile_px: int) -> tuple[nn.Module, Architecture]:
    """A network with a new head of `classes` outputs, and how to build it again.

    Weights from a folder or the hub bring their own architecture; `backbone.name` must then be the
    same or `auto`. Networks made for one input size are built for `tile_px` (their position
    embedding is resampled).

    Raises:
        HistotileError: Unknown name, missing or unfitting weights, hub out of reach, or tiles too
            small for the network.
    """
    folder = _folder(backbone.weights)
    source = _source(backbone, folder)
    arguments = dict(backbone.options)
    config = _config(source, backbone, folder)
    if config.get("fixed_input_size") and not arguments.get("dynamic_img_size"):
        arguments.setdefault("img_size", tile_px)
    overlay = arguments.pop("pretrained_cfg_overlay", None)
    hub = backbone.weights == "imagenet" or source.startswith("hf-hub:")
    network = _create(source, backbone, hub, overlay, classes, arguments)
    if not hub and backbone.weights != "none":
        load_weights(network, _weights_file(backbone.weights, folder), classes)
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
    if architecture.stage is not None:
        return truncate(network, architecture.stage, classes)
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


def _folder(weights: str) -> Path | None:
    kind, _, rest = weights.partition(":")
    if kind == "local-dir":
        return Path(rest)
    return SHIPPED / rest if kind == "shipped" else None


def _source(backbone: Backbone, folder: Path | None) -> str:
    if folder is not None:
        return f"local-dir:{folder}"
    if backbone.weights.startswith("hf-hub:"):
        return backbone.weights
    if backbone.name == "auto":
        fact = f"`auto` needs weights that bring their own network; {backbone.weights!r} do not"
        raise HistotileError("backbone.name", fact, "name a timm model, e.g. resnet18")
    return backbone.name


def _config(source: str, backbone: Backbone, folder: Path | None) -> dict[str, Any]:
    """Timm's description of the pretrained weights, with `model_args` where a folder has them."""
    if folder is not None:
        data = _read_config(folder)
    elif source.startswith("hf-hub:"):
        data = _hub_config(source)
    else:
        try:
            known = timm.get_pretrained_cfg(backbone.name)
        except RuntimeError:
            known = None
        if known is None:
            near = nearest(backbone.name, timm.list_models())
            fact = f"timm knows no {backbone.name!r}"
            fact += f"; did you mean `{near}`?" if near else ""
            remedy = "see timm.list_models() for the names"
            raise HistotileError("backbone.name", fact, remedy)
        return dict(known.to_dict())
    _check_name(backbone, str(data.get("architecture")))
    return {**data.get("pretrained_cfg", data), "model_args": data.get("model_args")}


def _read_config(folder: Path) -> dict[str, Any]:
    try:
        data: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        remedy = "give a folder with config.json and model.safetensors in timm's layout"
        raise HistotileError(folder, f"no timm model folder ({error})", remedy) from error
    return data


def _hub_config(source: str) -> dict[str, Any]:
    from huggingface_hub import hf_hub_download

    repository, _, revision = source.removeprefix("hf-hub:").partition("@")
    try:
        path = hf_hub_download(repository, "config.json", revision=revision or None)
    except Exception as error:
        raise _unreachable(source, error) from error
    return _read_config(Path(path).parent)


def _check_name(backbone: Backbone, architecture: str) -> None:
    if backbone.name not in ("auto", architecture) and (
        backbone.name.partition(".")[0] != architecture.partition(".")[0]
    ):
        fact = f"is {backbone.name!r}, but {backbone.weights} holds a {architecture!r}"
        raise HistotileError("backbone.name", fact, f"write `name: auto` or `name: {architecture}`")


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
        raise _unreachable(f"{backbone.name} ({backbone.weights})", error) from error
    module: nn.Module = network
    return module


def _unreachable(subject: str, error: Exception) -> HistotileError:
    return HistotileError(
        subject,
        f"weights could not be had from the hub ({type(error).__name__}: {error})",
        "download them where there is network and give `weights: local-dir:/folder` or the file, "
        "or use `shipped:natural`",
    )


def _weights_file(weights: str, folder: Path | None) -> Path:
    if folder is None:
        return Path(weights)
    names = ("model.safetensors", "pytorch_model.bin")
    found = next((folder / name for name in names if (folder / name).is_file()), None)
    return found or folder / names[0]


def _check_tile(name: str, network: nn.Module, tile_px: int) -> None:
    info = getattr(network, "feature_info", None)
    stride = int(info[-1]["reduction"]) if info else 1
    fixed = network.pretrained_cfg.get("fixed_input_size")  # type: ignore[operator, union-attr]
    if fixed and tile_px % stride:
        fact = f"is {tile_px}; {name} takes multiples of {stride} px"
        remedy = f"use {tile_px // stride * stride + stride} or another backbone.name"
        raise HistotileError("tile.tile_px", fact, remedy)
    least = stride if fixed else 2 * stride
    if tile_px < least:
        fact = f"is {tile_px}; {name} shrinks its input {stride}-fold and needs {least} px or more"
        raise HistotileError("tile.tile_px", fact, "use larger tiles or another backbone.name")
