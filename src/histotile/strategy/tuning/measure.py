"""Training with some settings on all inner folds, and what comes of it on unseen patients."""

import hashlib
import json
import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from histotile.backbones.build import build_network
from histotile.config import Backbone, Train
from histotile.io.digests import digest
from histotile.io.progress import Progress
from histotile.stats.auroc import mean_of_known
from histotile.strategy.tuning.record import Parameter, Trial
from histotile.strategy.tuning.space import changed
from histotile.strategy.verification.train_alternatives import compare
from histotile.tasks.task import Task, score
from histotile.training.job import FoldSlide, Job, Machine
from histotile.training.learning_curve import Point
from histotile.training.resume import training_inputs

Doubles = NDArray[np.float64]


class DivergenceError(Exception):
    """The loss is no number any more."""


@dataclass(frozen=True)
class Trainings:
    """What all trials share.

    Attributes:
        divisions: The slides of each inner fold of each division, with their roles; the first
            division is that of the search.
        backbone: The network below the head.
        task: What is learnt.
        settings: Section `train`, as it is in force.
        decided: The strategy, and the early stages by the decision.
        machine: What trains.
    """

    divisions: Sequence[Sequence[Sequence[FoldSlide]]]
    backbone: Backbone
    task: Task
    settings: Train
    decided: tuple[Any, tuple[int, ...]]
    machine: Machine

    @property
    def patients(self) -> list[str]:
        """Names of all patients, sorted."""
        return sorted({s.patient_id for division in self.divisions for s in division[0]})


def measure(
    trainings: Trainings, found: dict[str, Any], repeat: int, label: str
) -> tuple[Trial, list[dict[str, Any]]]:
    """The outcome of settings on all inner folds, and what their models say of the left out tiles.

    A training whose loss becomes NaN or infinite, or that outgrows the memory of the GPU, makes the
    trial a failed one; anything else that goes wrong is none of its settings' fault, and is raised.

    Args:
        trainings: What all trials share.
        found: The settings, as dotted keys of section `train`.
        repeat: Division; it also moves the seed of the training.
        label: Of the line of progress.
    """
    settings = changed(trainings.settings, found)
    settings = settings.model_copy(update={"seed": settings.seed + repeat})
    start, processor = time.monotonic(), _processor_s()
    task, decided = trainings.task, trainings.decided
    said: list[dict[str, Any]] = []
    reason = None
    for number, slides in enumerate(trainings.divisions[repeat]):
        machine = replace(
            trainings.machine,
            progress=Progress(f"{label}, inner fold {number + 1}", "steps"),
            show=_watch,
        )
        try:
            said.append(compare(slides, task, trainings.backbone, settings, decided, machine))
        except (DivergenceError, torch.OutOfMemoryError) as error:
            reason = f"inner fold {number + 1}: {error}"
            break
    folds = [_score(task, one) for one in said]
    mean = float(mean_of_known(np.array([math.nan if f is None else f for f in folds] or [0.0])))
    if reason is None and not math.isfinite(mean):
        reason = "no inner fold has a score: too few left out tiles"
    trial = Trial(
        settings=found,
        score=None if reason else mean,
        folds=folds,
        gave_way=sum(one["gave_way"] for one in said),
        reason=reason,
        seconds=time.monotonic() - start,
        processor_seconds=_processor_s() - processor,
    )
    return trial, said


def name_search(job: Job, trainings: Trainings, space: Sequence[Parameter], seed: int) -> str:
    """16 hex digits that change with all that the trials hang on, but not with their number."""
    network, _ = build_network(job.backbone, job.task.outputs, job.fold.train.tile_px)
    inputs = {
        **training_inputs(job, network),
        "code": [digest("histotile.strategy.tuning.measure"), version("torch"), version("timm")],
        "space": [parameter.model_dump() for parameter in space],
        "inner": [[s.slide_id, s.role] for fold in trainings.divisions[0] for s in fold],
        "seed": seed,
    }
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]


def _watch(curve: Sequence[Point], _: str) -> None:
    point = curve[-1]
    if not math.isfinite(point.val_loss):
        raise DivergenceError(f"the loss on val was {point.val_loss} after {point.step:g} epochs")


def _score(task: Task, said: dict[str, Any]) -> float | None:
    return score(task, _values(task, said), said["label"])


def _values(task: Task, said: dict[str, Any]) -> Doubles:
    return np.stack([said[name] for name in task.columns], axis=1)


def weighted_scores(
    task: Task, said: Sequence[dict[str, Any]], patients: Sequence[str], weights: Doubles
) -> Doubles:
    """(B,) mean score over inner folds when patients count as often as each row of weights says.

    Args:
        task: What was learnt.
        said: Of each inner fold, as `measure` gives it.
        patients: All, sorted.
        weights: (B, P).
    """
    names = np.array(patients)
    each = [
        task.scores(
            _values(task, one), one["label"], np.searchsorted(names, one["patient_id"]), weights
        )
        for one in said
    ]
    return mean_of_known(np.stack(each, axis=1))


def _processor_s() -> float:
    """Processor time of this process and of all that it has waited for, s."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
