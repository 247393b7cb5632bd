"""Settings that name a published model, spelt out as those of an ordinary network."""

from pathlib import Path
from typing import Any

from histotile.backbones.foundation.lookup import by_name, by_weights
from histotile.backbones.foundation.models import Foundation
from histotile.backbones.sources import unreachable
from histotile.config import Backbone
from histotile.errors import HistotileError

FILES = ("model.safetensors", "pytorch_model.bin")


def spell_out(backbone: Backbone) -> Backbone:
    """The same backbone by timm's name, its arguments, and the file its weights lie in.

    What `options` say goes before what the registry says. Settings that mean no published model
    come back as they are, and so do those of models that timm builds by itself.

    Raises:
        HistotileError: A model that histotile does not build, weights of another one, or weights
            that the hub does not give.
    """
    named, found = by_name(backbone.name), by_weights(backbone.weights)
    if named and found and named != found:
        fact = f"is {backbone.name!r}, but {backbone.weights} is called as {found.name} is"
        raise HistotileError("backbone.name", fact, "make them agree, or write `name: auto`")
    model = named or (found if backbone.name == "auto" else None)
    by_its_config = found and not backbone.weights.startswith("hf-hub:") and not found.own
    if model is None or (model is not named and by_its_config):
        return backbone
    if model.unbuilt:
        fact = f"histotile does not build {model.name}: {model.unbuilt}"
        remedy = "choose another one (docs/networks.md lists them)"
        raise HistotileError("backbone.name", fact, remedy)
    if not model.architecture:
        return _read_by_timm(backbone, model)
    options: dict[str, Any] = dict(model.arguments)
    if model.mean:
        options["pretrained_cfg_overlay"] = {"mean": model.mean, "std": model.std}
    return Backbone(
        name=model.architecture,
        weights=_file(backbone.weights, model),
        domain=backbone.domain,
        options=options | backbone.options,
    )


def _read_by_timm(backbone: Backbone, model: Foundation) -> Backbone:
    """A model whose config.json tells all; a lone file does not."""
    if not backbone.weights.startswith(("hf-hub:", "local-dir:")):
        fact = f"is {backbone.weights}; {model.name} is built as its config.json says"
        raise HistotileError("backbone.weights", fact, f"give hf-hub:{model.hub_id} or local-dir:")
    return backbone.model_copy(update={"name": "auto"})


def _file(weights: str, model: Foundation) -> str:
    """Where the weights lie; those of the hub are fetched, and read from its cache later on."""
    kind, _, rest = weights.partition(":")
    if weights == "imagenet" or kind == "shipped":
        fact = f"is {weights}, which holds no weights of {model.name}"
        remedy = f"give hf-hub:{model.hub_id}, local-dir:/folder or the file"
        raise HistotileError("backbone.weights", fact, remedy)
    if kind == "local-dir":
        return str(_in_folder(Path(rest)))
    return _fetch(rest) if kind == "hf-hub" else weights


def _in_folder(folder: Path) -> Path:
    found = next((folder / name for name in FILES if (folder / name).is_file()), None)
    if found is None:
        fact = f"there is no such file as {' or '.join(FILES)}"
        raise HistotileError(folder, fact, "give the folder that was downloaded, or the file")
    return found


def _fetch(source: str) -> str:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    repository, _, revision = source.partition("@")
    problems: list[Exception] = []
    for name in FILES:
        try:
            return str(hf_hub_download(repository, name, revision=revision or None))
        except (OSError, EntryNotFoundError) as error:  # the other may be there, or in the cache
            problems.append(error)
        except Exception as error:
            raise unreachable(f"hf-hub:{source}", error) from error
    raise unreachable(f"hf-hub:{source}", problems[-1]) from problems[-1]
