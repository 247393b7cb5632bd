"""Which published model a setting means, and what its user has to know of it."""

import re
from pathlib import PurePath

from histotile.backbones.foundation.models import MODELS, Foundation
from histotile.config import Backbone

NEAR = 0.2  # how far tiles may be from a scale of pre-training, as a share of it
_PLAIN = {"model", "pytorchmodel"}  # files of any model; then the folder's name tells


def by_name(name: str) -> Foundation | None:
    """The model of this name, in any spelling of case, spaces and dashes."""
    wanted = _letters(name)
    return next((model for model in MODELS if wanted == _letters(model.name)), None)


def by_weights(weights: str) -> Foundation | None:
    """The model whose repository, folder or file this is, as far as its name tells."""
    kind, _, rest = weights.partition(":")
    if kind == "hf-hub":
        found = rest.partition("@")[0].lower()
        return next((model for model in MODELS if model.hub_id.lower() == found), None)
    path = PurePath(rest if kind == "local-dir" else weights)
    stem = path.stem if path.suffix in (".bin", ".pth", ".pt", ".safetensors") else path.name
    word = path.parent.name if _letters(stem) in _PLAIN else stem
    repositories = {_letters(model.hub_id.rpartition("/")[2]): model for model in MODELS}
    return by_name(word) or (repositories.get(_letters(word)) if _letters(word) else None)


def find(name: str, weights: str) -> Foundation | None:
    """The model meant by the settings `backbone.name` and `backbone.weights`."""
    return by_name(name) or by_weights(weights)


def licence_of(name: str, weights: str) -> str | None:
    """Licence of the weights, and what follows for models trained on them; None: unknown."""
    model = find(name, weights)
    if model is None:
        return None
    return f"{model.licence}: {model.terms}" if model.terms else model.licence


def doubts(backbone: Backbone, tile_mpp: float) -> dict[str, str]:
    """Setting -> what to mind of it: terms of the licence, another scale than that of pre-training.

    Args:
        backbone: The settings.
        tile_mpp: Of the tiles that it will see (um/px).
    """
    model = find(backbone.name, backbone.weights)
    if model is None:
        return {}
    found = {}
    if model.terms:
        found["backbone"] = f"{model.name} is under {model.licence}: {model.terms}"
    if all(abs(tile_mpp - mpp) > NEAR * mpp for mpp in model.mpp):
        scales = " or ".join(f"{mpp:g}" for mpp in model.mpp)
        seen = f"{model.name} was trained on {model.tile_px} px at {scales} um/px"
        found["tile.mpp"] = f"is {tile_mpp:g}, but {seen}"
    return found


def _letters(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())
