"""Train one strategy, or colour alone, on a fold, and judge it on the tiles the fold tests."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from histotile.config import Train
from histotile.io.tables import comparison_schema, write_table
from histotile.stages.folds import Inputs, Network, fold_slides
from histotile.strategy.leakage.follow import follow
from histotile.strategy.record import Strategy
from histotile.strategy.verification.baselines import RANDOM_WEIGHTS, SKLEARN
from histotile.strategy.verification.train_alternatives import compare
from histotile.strategy.verification.train_baselines import (
    compare_colour,
    compare_random,
    compare_sklearn,
)
from histotile.training.job import Machine


@dataclass(frozen=True)
class Outputs:
    """Parquet: labelled test tiles of the fold with prob_<class>."""

    comparison: Path


def run(
    inputs: Inputs,
    outputs: Outputs,
    settings: Train,
    network: Network,
    strategy: Strategy | Literal["colour", "random_weights", "sklearn"],
    machine: Machine,
) -> None:
    """Writes what a model trained by this strategy says of the tiles its fold tests.

    Args:
        inputs: What a fold learns from; with a decision.
        outputs: What is written.
        settings: Section `train`.
        network: What is trained.
        strategy: How; `colour`: no network, colour alone; `random_weights`: a linear probe on the
            features of the baseline; `sklearn`: plain scikit-learn on the cached features.
        machine: What trains.
    """
    assert inputs.decision is not None, "comparisons are of a decision"
    decision = follow(inputs.decision, inputs.accept)
    slides = [*fold_slides(inputs, ("train", "val")), *fold_slides(inputs, ("test",))]
    task = network.task
    if strategy == "colour":
        found = compare_colour(slides, task, settings)
    elif strategy == RANDOM_WEIGHTS:
        stage = decision.similarity.best_random_stage
        found = compare_random(slides, task, settings, inputs.baseline_file, stage)
    elif strategy == SKLEARN:
        found = compare_sklearn(slides, task, settings, decision.similarity.best_stage)
    else:
        stages = tuple(decision.of_fold(inputs.fold).early_stages)
        body = network.backbone
        found = compare(slides, task, body, settings, (strategy, stages), machine)
    footer: dict[str, Any] = {"fold": inputs.fold, "strategy": strategy, **task.metadata()}
    footer |= {"seconds": found.pop("seconds"), "gave_way": found.pop("gave_way", False)}
    footer |= {"trains_layers": found.pop("trains_layers", False)}
    found.pop("kept", None)
    if found["label"].ndim > 1:
        found["label"] = task.texts(found["label"])
    write_table(outputs.comparison, found, comparison_schema(task.columns, task.label_type), footer)
