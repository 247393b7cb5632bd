"""Training one fold: tiles in; a model, its learning curve and a summary out."""

import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from histotile.backbones.drop_out import drops
from histotile.config import Backbone, Train
from histotile.errors import HistotileError
from histotile.inference.checkpoint import TrainedModel
from histotile.inference.model_metadata import CHECKPOINT, ONNX
from histotile.inference.onnx_export import keep_onnx
from histotile.io.atomic import write_json
from histotile.tasks.registry import options_of
from histotile.tasks.task import Task
from histotile.training.diagnosis import Diagnosis, diagnose, independent_samples
from histotile.training.familiarity import remember
from histotile.training.job import FoldSlide, FoldTiles, Job, Outcome, Run, Strategy, gather_tiles
from histotile.training.learning_curve import (
    X_OF_HEADS,
    X_OVER_EPOCHS,
    draw_curve,
    write_curve,
    write_tensorboard,
)
from histotile.training.probe_instead import probe_instead, told
from histotile.training.strategies.approach import Approach, approach_of
from histotile.training.strategies.early_probe import train_truncated
from histotile.training.strategies.linear_probe import train_fixed
from histotile.trust.taught import Taught


def train_fold(
    folder: Path,
    slides: Sequence[FoldSlide],
    task: Task,
    backbone: Backbone,
    settings: Train,
    run: Run | None = None,
) -> dict[str, Any]:
    """Trains a fold and gives its summary; the folder receives all there is to keep.

    Writes model.ckpt (the best state), curves.csv, curves.svg and summary.json; with `tensorboard`
    also logs. Strategies that learn by gradients keep their state in checkpoints/ until they are
    done, and go on from there after an interruption.

    Args:
        folder: Of this fold.
        slides: Of roles train and val; test slides are never given.
        task: What is learnt.
        backbone: The network below the head.
        settings: Section `train`.
        run: Devices, what was decided, and whether the model is to be used elsewhere.

    Raises:
        HistotileError: Too few labelled tiles, a class without any, unfitting features, or no
            decision where one is needed.
    """
    start = time.monotonic()
    run = run or Run()
    if run.machine.threads is not None:
        torch.set_num_threads(run.machine.threads)
    strategy, stages = chosen_strategy(settings, run.decided)
    fold = gather_tiles(slides, task, settings.max_tiles_per_slide, settings.seed)
    job = Job(folder, fold, backbone, settings, run.machine, strategy, stages)
    _check_tensorboard(settings)
    approach = approach_of(job)
    tried = _train(job, approach)
    if not tried.over_epochs and run.machine.show is not None:
        for number in range(1, len(tried.curve) + 1):
            run.machine.show(tried.curve[:number], X_OF_HEADS)
    seconds = time.monotonic() - start
    early = run.decided[1] if run.decided else ()
    diagnosis = _diagnosis(job, tried, approach)
    job, outcome = probe_instead(job, tried, early) or (job, tried)
    kept = outcome.primary and run.portable
    taught, forgotten = remember(job, outcome) if kept else (None, "it was not asked for")
    model = _model(job, outcome, taught)
    instead = None
    if outcome is not tried:
        diagnosis, instead = told(diagnosis, strategy, seconds)
    summary = _summary(model, fold, outcome, diagnosis) | _budget(outcome, fold, run.icc)
    summary |= {"seconds": time.monotonic() - start}
    summary |= {"points": len(tried.curve), "best": asdict(tried.best), "instead_of": instead}
    summary["taught"] = taught.summary() if taught else forgotten
    if kept:
        summary["torch_only"] = keep_onnx(folder / ONNX, model.graph(), model.metadata())
    if outcome.primary:
        _write(folder, model, tried, summary)
    return summary


def _diagnosis(job: Job, tried: Outcome, approach: Approach | None) -> Diagnosis:
    blind = job.task.blind_error(job.fold.train.label)
    if approach is None:
        return diagnose(tried.curve, tried.best, blind, job.strategy)
    softened = options_of(job.task).keys() & {"smoothing", "focal_gamma"}
    comparable = not (softened or drops(tried.network) or approach.recipe.mixup)
    return diagnose(tried.curve, tried.best, blind, job.strategy, approach.section, comparable)


def _check_tensorboard(settings: Train) -> None:
    if settings.tensorboard and find_spec("tensorboard") is None:
        fact = "needs the package tensorboard, which is not installed"
        remedy = "pip install tensorboard, or set train.tensorboard: false"
        raise HistotileError("train.tensorboard", fact, remedy)


def _budget(outcome: Outcome, fold: FoldTiles, icc: float | None) -> dict[str, Any]:
    """How many weights learn from how many independent samples."""
    train = fold.train
    strata = train.task.stratum(train.label)
    samples = independent_samples(strata, fold.patients(train), icc)
    ratio = outcome.trained_weights / samples
    return {"independent_samples": samples, "icc": icc, "weights_per_sample": ratio}


def chosen_strategy(
    settings: Train, decided: tuple[Strategy, tuple[int, ...]] | None
) -> tuple[Strategy, tuple[int, ...]]:
    """What is trained, and the stages under its head if some are early ones.

    Raises:
        HistotileError: Only a decision could tell, and there is none.
    """
    if settings.strategy in ("auto", "early_probe") and decided is None:
        fact = f"`{settings.strategy}` needs a decision, and there is none for this fold"
        remedy = "run `histotile decide`, or set linear_probe, finetune or retrain"
        raise HistotileError("train.strategy", fact, remedy)
    strategy = settings.strategy
    if strategy == "auto":
        assert decided is not None
        strategy = decided[0]
    return strategy, decided[1] if decided and strategy == "early_probe" else ()


def _model(job: Job, outcome: Outcome, taught: Taught | None) -> TrainedModel:
    return TrainedModel(
        network=outcome.network,
        architecture=outcome.architecture,
        classes=job.task.names,
        kind=job.task.kind,
        options=options_of(job.task),
        tile_mpp=job.fold.train.tile_mpp,
        tile_px=job.fold.train.tile_px,
        strategy=job.strategy,
        backbone=job.backbone.model_dump(mode="json"),
        settings=job.settings.model_dump(mode="json"),
        taught=taught,
    )


def _train(job: Job, approach: Approach | None) -> Outcome:
    """By the job's strategy; those that learn heads alone do not wait for Lightning's import."""
    if approach is not None:
        from histotile.training.fit import learn

        return learn(job, approach)
    return train_fixed(job) if job.strategy == "linear_probe" else train_truncated(job)


def _write(folder: Path, model: TrainedModel, tried: Outcome, summary: dict[str, Any]) -> None:
    model.save(folder / CHECKPOINT)
    write_curve(folder / "curves.csv", tried.curve)
    xlabel = X_OVER_EPOCHS if tried.over_epochs else X_OF_HEADS
    draw_curve(folder / "curves.svg", tried.curve, tried.best, xlabel, model.task)
    write_json(folder / "summary.json", summary)
    if model.settings["tensorboard"]:
        told = "{verdict}: {reason}".format(**summary["diagnosis"])
        logs = folder / "tensorboard"
        if not tried.over_epochs:
            shutil.rmtree(logs, ignore_errors=True)  # of an earlier probe
        write_tensorboard(logs, () if tried.over_epochs else tried.curve, told)
    if tried.over_epochs:
        from histotile.training.resume import clear_state

        clear_state(folder)


def _summary(
    model: TrainedModel, fold: FoldTiles, outcome: Outcome, diagnosis: Diagnosis
) -> dict[str, Any]:
    weights = sum(p.numel() for p in outcome.network.parameters())
    return {
        **model.metadata(),
        "sizes": fold.sizes(),
        "stages": list(outcome.stages),
        "weights": weights,
        "trained_weights": outcome.trained_weights,
        "frozen_weights": weights - outcome.trained_weights,
        "dropped_weights": outcome.dropped_weights,
        "diagnosis": asdict(diagnosis),
        "torch": torch.__version__,
        **outcome.facts,
    }
