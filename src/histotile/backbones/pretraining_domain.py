"""What a backbone's weights were learnt on."""

import re
from pathlib import PurePath
from typing import Literal

from histotile.config import Backbone

# Published models pre-trained on pathology, as their repositories and files call them.
_PATHOLOGY = (
    "conch|conchv1|ctranspath|gigapath|gpfm|h-?optimus|hoptimus[01]|h0|h0-?mini|hibou|hipt|kaiko"
    "|kimianet|lunit|midnight|midnight12k|openmidnight|pathdino|pathoduet|phikon|phikonv2|plip"
    "|quiltnet|remedis|retccl|uni|uni2|uni2h|virchow|virchow2"
)
_PATTERN = re.compile(rf"(?:^|-)(?:{_PATHOLOGY})(?:-|$)")
_PLAIN_NAMES = {"model", "pytorch_model"}  # of files; then the folder's name tells


def domain_of(backbone: Backbone) -> Literal["natural", "pathology"]:
    """`pathology` where the setting says so, or where `auto` meets a published model's name.

    Looked at are `backbone.name`, the repository on the hub, and the last part of a local path, as
    whole words. All else is `natural`, `shipped:histology` too: a small network of synthetic
    tissue, whose transfer is to be measured.
    """
    if backbone.domain != "auto":
        return backbone.domain
    names = (backbone.name, _called(backbone.weights))
    words = (re.sub(r"[^a-z0-9]+", "-", name.lower()) for name in names)
    return "pathology" if any(map(_PATTERN.search, words)) else "natural"


def _called(weights: str) -> str:
    if weights.startswith("hf-hub:"):
        return weights.removeprefix("hf-hub:")
    path = PurePath(weights.partition(":")[2] or weights)
    return path.parent.name if path.stem in _PLAIN_NAMES else path.name
