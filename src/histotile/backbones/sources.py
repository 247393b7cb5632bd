"""Where a backbone comes from: the name, folder or repository that settings mean."""

import json
from pathlib import Path
from typing import Any

import timm

from histotile.backbones.foundation import network as foundation_network
from histotile.backbones.lecture import models as lecture_networks
from histotile.config import Backbone
from histotile.errors import HistotileError
from histotile.io.names import nearest

SHIPPED = Path(__file__).parent / "shipped"
OWN = (lecture_networks.default_cfgs, foundation_network.default_cfgs)  # now in timm's registry


def folder_of(weights: str) -> Path | None:
    """The folder that weights of `local-dir:` and `shipped:` name, which brings its network."""
    kind, _, rest = weights.partition(":")
    if kind == "local-dir":
        return Path(rest)
    return SHIPPED / rest if kind == "shipped" else None


def source_of(backbone: Backbone, folder: Path | None) -> str:
    """What timm builds the network from.

    Raises:
        HistotileError: The name is `auto`, and the weights bring no network.
    """
    if folder is not None:
        return f"local-dir:{folder}"
    if backbone.weights.startswith("hf-hub:"):
        return backbone.weights
    if backbone.name == "auto":
        fact = f"`auto` needs weights that bring their own network; {backbone.weights!r} do not"
        raise HistotileError("backbone.name", fact, "name a timm model, e.g. resnet18")
    return backbone.name


def describe_weights(source: str, backbone: Backbone, folder: Path | None) -> dict[str, Any]:
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
            raise _unknown(backbone.name)
        if backbone.weights == "imagenet" and not known.has_weights:
            fact = f"there are no published weights of {backbone.name}"
            raise HistotileError("backbone.weights", fact, "start at random: `weights: none`")
        return dict(known.to_dict())
    _check_name(backbone, str(data.get("architecture")))
    return {**data.get("pretrained_cfg", data), "model_args": data.get("model_args")}


def _unknown(name: str) -> HistotileError:
    """With the name of timm that was likely meant, or the tags there are of its weights."""
    network, _, tag = name.partition(".")
    tags = timm.list_models(f"{network}.*", pretrained=True) if tag else []
    meant = nearest(name, tags) or (tags[0] if tags else nearest(name, timm.list_models()))
    guess = f"did you mean {meant!r}? " if meant else ""
    remedy = f"{guess}timm.list_models() lists the names, with pretrained=True those with weights"
    return HistotileError("backbone.name", f"timm knows no {name!r}", remedy)


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
        raise unreachable(source, error) from error
    return _read_config(Path(path).parent)


def _check_name(backbone: Backbone, architecture: str) -> None:
    if backbone.name not in ("auto", architecture) and (
        backbone.name.partition(".")[0] != architecture.partition(".")[0]
    ):
        fact = f"is {backbone.name!r}, but {backbone.weights} holds a {architecture!r}"
        raise HistotileError("backbone.name", fact, f"write `name: auto` or `name: {architecture}`")


def unreachable(subject: str, error: Exception) -> HistotileError:
    """The error of weights that the hub does not give."""
    return HistotileError(
        subject,
        f"weights could not be had from the hub ({type(error).__name__}: {error})",
        "download them where there is network and give `weights: local-dir:/folder` or the file, "
        "or use `shipped:natural`",
    )
