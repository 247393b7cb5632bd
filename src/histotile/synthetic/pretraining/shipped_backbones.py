"""A pre-trained backbone as a folder: the network in timm's layout, and how it came about."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import timm
import torch
from timm.models import save_for_hf
from torch import nn

from histotile.config import Pretrain
from histotile.io import tables
from histotile.io.atomic import write_json, write_text

ARCHITECTURE = "resnet18"
NETWORK: dict[str, Any] = {
    "layers": [1, 2, 2, 1],
    "channels": [32, 64, 112, 160],
    "stem_type": "deep",
    "stem_width": 16,
}
MEAN = STD = (0.5, 0.5, 0.5)


def new_network(kind: str) -> nn.Module:
    """The network to be pre-trained, with random weights and no head."""
    about = {
        "architecture": ARCHITECTURE,
        "tag": f"histotile_{kind}",
        "mean": MEAN,
        "std": STD,
        "crop_pct": 1.0,
        "interpolation": "bilinear",
        "first_conv": "conv1.0",
        "classifier": "fc",
        "license": "apache-2.0",
    }
    network: nn.Module = timm.create_model(
        ARCHITECTURE, pretrained_cfg=about, num_classes=0, **NETWORK
    )
    return network


@dataclass(frozen=True)
class Pretraining:
    """What a pre-training run came to.

    Attributes:
        kind: natural or histology.
        pictures: Pictures seen, repeats counted.
        seconds: Wall time.
        curve: Mean loss per round.
        accuracy: Balanced accuracy of each question on pictures never trained on.
        chance: The same by guessing.
    """

    kind: str
    pictures: int
    seconds: float
    curve: list[float]
    accuracy: dict[str, float]
    chance: dict[str, float]


def write_backbone(
    folder: Path,
    network: nn.Module,
    questions: dict[str, tuple[str, ...]],
    result: Pretraining,
    settings: Pretrain,
) -> None:
    """Writes config.json and model.safetensors (timm's layout), pretraining.json and README.md.

    Args:
        folder: Where; made if missing.
        network: A network of `ARCHITECTURE` and `NETWORK` whose head answers the first question.
        questions: What was asked in training, with the possible answers.
        result: What the run came to.
        settings: Section `pretrain`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    save_for_hf(
        network.float().to(memory_format=torch.contiguous_format),
        str(folder),
        model_config={"label_names": list(next(iter(questions.values())))},
        model_args=NETWORK,
        safe_serialization=True,
        data_config={"input_size": (3, settings.tile_px, settings.tile_px)},
    )
    facts = {**asdict(result), "questions": questions, "settings": settings.model_dump()}
    write_json(folder / "pretraining.json", facts)
    write_text(folder / "README.md", _page(result, settings))


def _page(result: Pretraining, settings: Pretrain) -> str:
    taught = {
        "natural": "procedural pictures (heaps of textured leaves under random colours)",
        "histology": "tiles of synthetic H&E of organs that the demo does not use",
    }[result.kind]
    rows = "\n".join(
        f"| {name} | {value:.3f} | {result.chance[name]:.3f} |"
        for name, value in result.accuracy.items()
    )
    return f"""# Backbone `shipped:{result.kind}`

timm's {ARCHITECTURE} with layers {NETWORK["layers"]} and channels {NETWORK["channels"]}, taught by
histotile itself on {result.pictures} {taught}. No photograph and no patient's slide was used.

| question | balanced accuracy, held out | chance |
|---|---|---|
{rows}

Input: {settings.tile_px} px RGB, mean and deviation {MEAN[0]}. Made in {result.seconds:.0f} s by
`histotile pretrain {result.kind} OUT/` with seed {settings.seed}; loss curve and all settings are
in pretraining.json. Licence: Apache-2.0, as histotile.

{tables.RESEARCH_USE}
"""
