"""Train one strategy, or colour alone, on a fold, and judge it on the tiles the fold tests."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from histotile.config import Train
from histotile.io.tables import comparison_schema, write_table
from histotile.stages.folds import Inputs, Network, fold_slides
from histotile.strategy.follow import follow
from histotile.strategy.record import Strategy
from histotile.strategy.verification.train_alternatives import compare, compare_colour
from histotile.tasks.registry import make_task
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
    strategy: Strategy | Literal["colour"],
    machine: Machine,
) -> None:
    """Writes what a model trained by this strategy says of the tiles its fold tests.

    Args:
        inputs: What a fold learns from; with a decision.
        outputs: What is written.
        settings: Section `train`.
        network: What is trained.
        strategy: How, or `colour`: no network, colour alone.
        machine: What trains.
    """
    assert inputs.decision is not None, "comparisons are of a decision"
    early = follow(inputs.decision, inputs.accept).of_fold(inputs.fold).early_stage
    slides = [*fold_slides(inputs, ("train", "val")), *fold_slides(inputs, ("test",))]
    task = make_task(network.classes)
    if strategy == "colour":
        found = compare_colour(slides, task, settings)
    else:
        found = compare(slides, task, network.backbone, settings, (strategy, early), machine)
    seconds = found.pop("seconds")
    footer: dict[str, Any] = {"fold": inputs.fold, "strategy": strategy, **task.metadata()}
    footer |= {"seconds": seconds}
    write_table(outputs.comparison, found, comparison_schema(task.columns, task.label_type), footer)
