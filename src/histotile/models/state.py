"""What a training keeps for the case of an interruption, and whether it may go on from there."""

import json
import shutil
from pathlib import Path

import torch
from torch import Tensor

from histotile.models.curves import Point
from histotile.models.fold import Job
from histotile.tiles.pack import read_pack_index
from histotile.tiles.packed import ENDING
from histotile.writing import write_json

STATE = "checkpoints"


def same_inputs(state: Path, job: Job) -> bool:
    """Whether the folder holds the state of this very training; other states are removed."""
    fold = job.fold
    inputs = {
        "strategy": [job.strategy, job.stage],
        "backbone": job.backbone.model_dump(mode="json"),
        "settings": job.settings.model_dump(mode="json"),
        "slides": [[s.slide_id, s.patient_id, s.role] for s in fold.slides],
        "tiles": [[len(s), int(s.x.sum()), int(s.y.sum())] for s in (fold.train, fold.val)],
        "lossy": _lossy(job),
    }
    path = state / "inputs.json"
    if path.is_file() and json.loads(path.read_text(encoding="utf-8")) == inputs:
        return (state / "last.ckpt").is_file()
    shutil.rmtree(state, ignore_errors=True)
    write_json(path, inputs)
    return False


def _lossy(job: Job) -> dict[str, int]:
    """JPEG quality of the slides whose packs do not hold their very pixels."""
    folder = job.machine.packs
    if folder is None:
        return {}
    parts = (job.fold.train, job.fold.val)
    names = {part.slide_ids[number] for part in parts for number in set(part.slide.tolist())}
    indices = {name: read_pack_index(folder / f"{name}{ENDING}") for name in sorted(names)}
    found = {name: int(index.facts["settings"]["quality"]) for name, index in indices.items()}
    return {name: quality for name, quality in found.items() if quality and len(indices[name])}


def clear_state(folder: Path) -> None:
    """Remove what a finished training kept for the case of an interruption."""
    shutil.rmtree(folder / STATE, ignore_errors=True)


def best_state(state: Path, best: Point) -> dict[str, Tensor]:
    """The network's weights at a point of its curve; epoch 0 is the start."""
    if best.step == 0:
        start: dict[str, Tensor] = torch.load(state / "start.pth", weights_only=True)
        return start
    content = torch.load(state / "best.ckpt", map_location="cpu", weights_only=False)
    prefix = "network."
    weights: dict[str, Tensor] = content["state_dict"]
    return {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
