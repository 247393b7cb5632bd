"""What a training keeps for the case of an interruption, and whether it may go on from there."""

import hashlib
import json
import logging
import pickle
import shutil
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from histotile.backbones.build import digest_of
from histotile.data.packs.pack_file import read_pack_index
from histotile.data.packs.pack_reader import ENDING
from histotile.data.selection import Selection
from histotile.io.atomic import write_json
from histotile.io.digests import digest
from histotile.training.job import Job
from histotile.training.learning_curve import Point

STATE = "checkpoints"
LAST, BEST, START = "last.ckpt", "best.ckpt", "start.pth"
_ENDS = 1 << 16  # bytes of a slide's head and tail that stand for its pixels


def same_inputs(state: Path, job: Job, network: nn.Module) -> bool:
    """Whether the folder holds the state of this very training; other states are removed.

    The same are settings, code, the weights it starts from, tile tables with their labels, and
    pixels, each by its digest. A state that holds more than numbers and plain text is not read.

    Args:
        state: The folder.
        job: What is to be trained.
        network: As it is before training.
    """
    inputs = training_inputs(job, network)
    path = state / "inputs.json"
    if path.is_file() and _read(path) == inputs:
        if not (state / LAST).is_file():
            return False
        kept = (LAST, START) if job.settings.patience is None else (LAST, BEST, START)
        odd = [name for name in kept if not _is_plain(state / name)]
        if not odd:
            return True
        fact = "damaged, or more than the state of a training: training starts anew"
        logging.getLogger(__name__).warning("%s: %s is %s", state, " and ".join(odd), fact)
    shutil.rmtree(state, ignore_errors=True)
    write_json(path, inputs)
    return False


def training_inputs(job: Job, network: nn.Module) -> dict[str, Any]:
    """All that a training's result hangs on, ready for JSON; large things by their digests."""
    parts = (job.fold.train, job.fold.val)
    return {
        "strategy": [job.strategy, *job.stages],
        "backbone": job.backbone.model_dump(mode="json"),
        "settings": job.settings.model_dump(mode="json"),
        "devices": job.machine.devices,
        "slides": [[s.slide_id, s.patient_id, s.role] for s in job.fold.slides],
        "code": [digest("histotile.training.train_fold"), *map(version, ("torch", "timm"))],
        "weights": digest_of(network.state_dict()),
        "tables": _digest(s.tiles.read_bytes() for s in job.fold.slides),
        "tiles": [_digest(_tiles(part)) for part in parts],
        "pixels": [_digest(_pixels(part, job.machine.packs)) for part in parts],
    }


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return None


def _is_plain(file: Path) -> bool:
    """Whether the file can be loaded without running anything that stands in it."""
    try:
        torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError):
        return False
    return True


def _tiles(part: Selection) -> Iterator[bytes]:
    """Which tiles are chosen, and their labels."""
    yield repr((part.task, part.slide_ids, part.tile_mpp, part.tile_px)).encode()
    for values in (part.slide, part.tile_id, part.x, part.y, part.label):
        yield values.tobytes()


def _pixels(part: Selection, packs: Path | None) -> Iterator[bytes]:
    """What tells whether the pixels are the same: of packs all, of slides their two ends."""
    for number in sorted(set(part.slide.tolist())):
        name, path = part.slide_ids[number], part.paths[number]
        if packs is not None:
            index = read_pack_index(packs / f"{name}{ENDING}")
            if len(index):
                yield index.crc.tobytes() + index.tile_id.tobytes()
                continue
        if part.files is None:
            yield from _ends(path)
        else:
            for file in part.files[part.slide == number]:
                facts = Path(str(file)).stat()
                yield f"{file} {facts.st_size} {facts.st_mtime_ns}".encode()


def _ends(path: Path) -> Iterator[bytes]:
    """Size, head and tail of a slide, or of each file in its folder."""
    for file in sorted(path.iterdir()) if path.is_dir() else [path]:
        with file.open("rb") as handle:
            size = file.stat().st_size
            yield f"{file.name} {size}".encode() + handle.read(_ENDS)
            handle.seek(max(0, size - _ENDS))
            yield handle.read(_ENDS)


def _digest(parts: Iterator[bytes]) -> str:
    hasher = hashlib.sha256()
    for part in parts:
        hasher.update(len(part).to_bytes(8, "little") + part)
    return hasher.hexdigest()


def clear_state(folder: Path) -> None:
    """Remove what a finished training kept for the case of an interruption."""
    shutil.rmtree(folder / STATE, ignore_errors=True)


def kept_state(state: Path, best: Point, file: str) -> dict[str, Tensor]:
    """The network's weights at the kept point of its curve, in that file; epoch 0: the start."""
    if best.step == 0:
        start: dict[str, Tensor] = torch.load(state / START, weights_only=True)
        return start
    content = torch.load(state / file, map_location="cpu", weights_only=True)
    prefix = "network."
    weights: dict[str, Tensor] = content["state_dict"]
    return {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
