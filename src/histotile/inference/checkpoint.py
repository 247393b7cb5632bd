"""Trained models as files: self-contained, safe to load, alone or as an ensemble of folds."""

import json
import pickle
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import timm
import torch
from torch import nn

from histotile import __version__
from histotile.backbones.build import Architecture, digest_of, rebuild
from histotile.backbones.foundation.lookup import licence_of
from histotile.backbones.stages import WithFeatures
from histotile.errors import HistotileError
from histotile.inference.model_metadata import (
    CHECKPOINT,
    TRAIN,
    check_agreement,
    find_models,
    parse_strategy,
    parse_taught,
    read_metadata,
)
from histotile.inference.onnx_export import Graph
from histotile.io.atomic import replacing
from histotile.tasks.registry import AUTO, make_task, options_of, read_task
from histotile.tasks.task import Task
from histotile.trust.taught import Taught


@dataclass(frozen=True)
class TrainedModel:
    """A network that gives the logits of a task for a tile, and the tiles it was trained on.

    `classes` are the names of its task, which is of that `kind` with these
    `options`; tiles measure `tile_px` pixels at `tile_mpp` um/px.
    `backbone` and `settings` are the configuration sections it was made by, `strategy` how.
    `taught` is what recognises slides unlike those trained on. `model_id` names the weights.
    """

    network: nn.Module
    architecture: Architecture
    classes: tuple[str, ...]
    tile_mpp: float
    tile_px: int
    strategy: str
    backbone: Mapping[str, Any]
    settings: Mapping[str, Any]
    taught: Taught | None = None
    kind: str = AUTO
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def task(self) -> Task:
        """What it has learnt."""
        return make_task(self.classes, self.kind, self.options)

    @property
    def mean(self) -> tuple[float, ...]:
        """Of the three channels (0-1), subtracted before the network."""
        return self.architecture.mean

    @property
    def std(self) -> tuple[float, ...]:
        """Of the three channels (0-1), divided by before the network."""
        return self.architecture.std

    @property
    def model_id(self) -> str:
        """12 hex digits that name the weights."""
        return digest_of(self.network.state_dict())

    def metadata(self) -> dict[str, Any]:
        """Everything but the weights, ready for JSON."""
        licence = licence_of(*(str(self.backbone.get(key, "")) for key in ("name", "weights")))
        bound = {"backbone_licence": licence} if licence else {}
        return bound | {
            "histotile": __version__,
            "model_id": self.model_id,
            **self.task.metadata(),
            "tile_mpp": self.tile_mpp,
            "tile_px": self.tile_px,
            "strategy": self.strategy,
            "architecture": asdict(self.architecture),
            "backbone": dict(self.backbone),
            "settings": dict(self.settings),
            "taught": self.taught.to_json() if self.taught else None,
        }

    def graph(self) -> Graph:
        """What is to be written as ONNX."""
        outputs = ("logits", "features")
        return Graph(WithFeatures(self.network), self.architecture, self.tile_px, outputs)

    def save(self, path: Path) -> None:
        """Write facts and weights into one file; it holds no pickled code."""
        content = {"facts": json.dumps(self.metadata()), "state_dict": self.network.state_dict()}
        # Given a name, PyTorch would write that of the temporary file into it.
        with replacing(path) as temporary, temporary.open("wb") as file:
            torch.save(content, file)


def load(path: Path) -> TrainedModel:
    """The model in a .ckpt file, rebuilt without hub or network.

    Raises:
        HistotileError: The file is missing, damaged or no model of histotile.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        facts, state = json.loads(content["facts"]), content["state_dict"]
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise HistotileError(path, f"not a readable model ({error})", TRAIN) from error
    except (KeyError, TypeError, ValueError) as error:
        raise HistotileError(path, "histotile did not write this model", TRAIN) from error
    network = rebuild(_architecture(facts), read_task(facts).outputs)
    network.load_state_dict(state)
    return _model(network, facts)


def load_timm_folder(folder: Path) -> TrainedModel:
    """The model in an exported timm folder: config.json with a `histotile` section + weights.

    Raises:
        HistotileError: Files are missing, or the folder was not exported by histotile.
    """
    facts = read_metadata(folder)
    network = timm.create_model(f"local-dir:{folder}", pretrained=True)
    return _model(network, facts)


def load_model(path: Path) -> TrainedModel:
    """The model in a .ckpt file or a timm folder.

    Raises:
        HistotileError: It is damaged, or an ONNX file.
    """
    if path.suffix == ".onnx":
        fact = "an ONNX file holds no network of PyTorch"
        raise HistotileError(path, fact, f"give the {CHECKPOINT} it was made from")
    return load_timm_folder(path) if path.is_dir() else load(path)


def load_ensemble(path: Path) -> list[TrainedModel]:
    """All models below a path: a folder of folds, one fold's folder, its file, or a timm folder.

    Raises:
        HistotileError: No model there, or members that differ in classes, tile_mpp or tile_px.
    """
    found = find_models(path)
    models = [load_model(file) for file in found]
    check_agreement(models, [str(file) for file in found])
    return models


def _architecture(facts: Mapping[str, Any]) -> Architecture:
    entry = facts["architecture"]
    return Architecture(
        name=entry["name"],
        arguments=entry["arguments"],
        mean=tuple(entry["mean"]),
        std=tuple(entry["std"]),
        stages=tuple(entry.get("stages") or filter(None, [entry.get("stage")])),  # as of old
    )


def _model(network: nn.Module, facts: Mapping[str, Any]) -> TrainedModel:
    task = read_task(facts)
    return TrainedModel(
        network=network.eval(),
        architecture=_architecture(facts),
        classes=task.names,
        kind=task.kind,
        options=options_of(task),
        tile_mpp=float(facts["tile_mpp"]),
        tile_px=int(facts["tile_px"]),
        strategy=parse_strategy(facts),
        backbone=facts["backbone"],
        settings=facts["settings"],
        taught=parse_taught(facts),
    )
