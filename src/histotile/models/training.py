"""Training one fold: tiles in; a model, its learning curve and a summary out."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from histotile.config import Backbone, Train
from histotile.models.checkpoint import FILE, TrainedModel
from histotile.models.curves import Diagnosis, diagnose, draw_curve, write_curve
from histotile.models.fold import FoldSlide, FoldTiles, Machine, Outcome, gather_tiles
from histotile.tables import write_json


def train_fold(
    folder: Path,
    slides: Sequence[FoldSlide],
    classes: Sequence[str],
    backbone: Backbone,
    settings: Train,
    machine: Machine | None = None,
) -> dict[str, Any]:
    """Trains a fold and gives its summary; the folder receives all there is to keep.

    Writes model.ckpt (the best state), curves.csv, curves.svg and summary.json; with `tensorboard`
    also logs. `finetune` keeps its state in checkpoints/ until it is done and goes on from there
    after an interruption.

    Args:
        folder: Of this fold.
        slides: Of roles train and val; test slides are never given.
        classes: In the order of the logits.
        backbone: The network below the head.
        settings: Section `train`.
        machine: Devices, threads and the like; None is one device.

    Raises:
        HistotileError: Too few labelled tiles, a class without any, or unfitting features.
    """
    start = time.monotonic()
    machine = machine or Machine()
    if machine.threads is not None:
        torch.set_num_threads(machine.threads)
    fold = gather_tiles(slides, classes, settings.max_tiles_per_slide, settings.seed)
    outcome = _train(folder, fold, backbone, settings, machine)
    model = TrainedModel(
        network=outcome.network,
        architecture=outcome.architecture,
        classes=tuple(classes),
        tile_mpp=fold.train.tile_mpp,
        tile_px=fold.train.tile_px,
        strategy=settings.strategy,
        backbone=backbone.model_dump(mode="json"),
        settings=settings.model_dump(mode="json"),
    )
    diagnosis = diagnose(outcome.curve, outcome.best, len(classes), settings.strategy)
    summary = _summary(model, fold, outcome, diagnosis) | {"seconds": time.monotonic() - start}
    if outcome.primary:
        _write(folder, model, outcome, summary)
    return summary


def _train(
    folder: Path, fold: FoldTiles, backbone: Backbone, settings: Train, machine: Machine
) -> Outcome:
    """By the strategy of the settings; `fixed` does not wait for Lightning's import."""
    if settings.strategy == "fixed":
        from histotile.models.fixed import train_fixed

        return train_fixed(fold, backbone, settings)
    from histotile.models.finetune import train_finetune

    return train_finetune(folder, fold, backbone, settings, machine)


def _write(folder: Path, model: TrainedModel, outcome: Outcome, summary: dict[str, Any]) -> None:
    model.save(folder / FILE)
    write_curve(folder / "curves.csv", outcome.curve)
    xlabel = "L2 strength" if model.strategy == "fixed" else "epoch"
    draw_curve(folder / "curves.svg", outcome.curve, outcome.best, xlabel)
    write_json(folder / "summary.json", summary)
    if model.strategy == "finetune":
        from histotile.models.finetune import clear_state

        clear_state(folder)


def _summary(
    model: TrainedModel, fold: FoldTiles, outcome: Outcome, diagnosis: Diagnosis
) -> dict[str, Any]:
    weights = sum(p.numel() for p in outcome.network.parameters())
    return {
        **model.facts(),
        "sizes": fold.sizes(),
        "weights": weights,
        "trained_weights": outcome.trained_weights,
        "points": len(outcome.curve),
        "best": asdict(outcome.best),
        "diagnosis": asdict(diagnosis),
        "torch": torch.__version__,
        **outcome.facts,
    }
