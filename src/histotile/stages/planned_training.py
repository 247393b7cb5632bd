"""The training that `train` would do of a fold, for verbs that look ahead of it."""

from collections.abc import Sequence
from pathlib import Path

from histotile.config import Train
from histotile.stages.folds import Inputs, Network
from histotile.strategy.leakage.follow import follow
from histotile.training.job import FoldSlide, Job, Machine, gather_tiles
from histotile.training.train_fold import chosen_strategy


def planned_job(
    inputs: Inputs,
    settings: Train,
    network: Network,
    machine: Machine,
    slides: Sequence[FoldSlide],
    folder: Path = Path(),
) -> Job:
    """By the settings, or by the decision where these leave it to that.

    Its stages are those of the decision, whatever the strategy: a training that gives way needs
    them, too.

    Raises:
        HistotileError: A leak stops it, only a decision could tell the strategy, or as `train`.
    """
    found = follow(inputs.decision, inputs.accept).of_fold(inputs.fold) if inputs.decision else None
    decided = (found.strategy, tuple(found.early_stages)) if found else None
    strategy, _ = chosen_strategy(settings, decided)
    fold = gather_tiles(slides, network.task, settings.max_tiles_per_slide, settings.seed)
    stages = decided[1] if decided else ()
    return Job(folder, fold, network.backbone, settings, machine, strategy, stages)
