"""Verbs of the decision table: baseline, decide, compare, verify."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from histotile.cli.options import (
    FILE,
    FOLDER,
    PATH,
    accept_option,
    backbone_option,
    output_option,
    slides_options,
    task_option,
    threads_option,
    verb,
)
from histotile.cli.settings import partial_section
from histotile.config import Backbone, Baseline, Decide, Train, Verify
from histotile.io.progress import Progress

FOLDS_FILE = click.option("--folds", type=FILE, required=True, help="Fold table.")
TILES = click.option("--tiles", type=FOLDER, required=True, help="Folder of tile tables.")
DECISION = click.option("--decision", type=FILE, required=True, help="decision.json.")

if TYPE_CHECKING:
    from histotile.tasks.task import Task


@verb("baseline")
@click.argument("folds", type=FILE)
@TILES
@output_option("HDF5: the sample of tiles, and their features by random weights.")
@slides_options
@task_option
@backbone_option
@threads_option
def baseline(
    folds: Path,
    tiles: Path,
    output: Path,
    cohort: Path | None,
    prefix: str,
    task: "Task",
    backbone: Backbone,
    threads: int,
    settings: Baseline,
) -> None:
    """Compute features of the same network with random weights, on tiles of the slides in FOLDS."""
    from histotile.stages import baseline as stage

    inputs, outputs = stage.Inputs(folds, tiles, cohort, prefix), stage.Outputs(output)
    stage.run(inputs, outputs, settings, task, backbone, threads)


@verb("decide")
@click.argument("cohort", type=FILE)
@FOLDS_FILE
@click.option("--features", type=FOLDER, required=True, help="Folder of features.")
@click.option("--baseline", type=FILE, required=True, help="What `baseline` wrote.")
@TILES
@click.option("--inspections", type=PATH, help="Folder of inspections: file formats and mpp.")
@click.option("--train", metavar="JSON", help="Of section `train`: strategy and recipes.")
@output_option(
    "decision.json (fields: strategy/decision.schema.json of the package), groups.csv beside it."
)
@task_option
def decide(
    cohort: Path,
    folds: Path,
    features: Path,
    baseline: Path,
    tiles: Path,
    inspections: Path | None,
    train: str | None,
    output: Path,
    task: "Task",
    settings: Decide,
) -> None:
    """Choose the strategy of transfer learning for COHORT, and say why."""
    from histotile.stages import decide as stage

    inputs = stage.Inputs(cohort, folds, features, baseline, tiles, inspections)
    given: Train = partial_section("train", train)
    outputs = stage.Outputs(output, output.with_name("groups.csv"))
    stage.run(inputs, outputs, settings, given, task)


@verb("train")
@click.argument("fold")
@click.argument(
    "strategy",
    type=click.Choice(
        [
            *("linear_probe", "early_probe", "finetune", "retrain"),
            *("colour", "random_weights", "sklearn"),
        ]
    ),
)
@FOLDS_FILE
@DECISION
@TILES
@click.option("--features", type=PATH, help="Folder of features.")
@click.option("--packs", type=PATH, help="Folder of packs, to read instead of the slides.")
@click.option("--baseline", type=FILE, help="What `baseline` wrote, for `random_weights`.")
@slides_options
@accept_option
@output_option("Parquet: labelled test tiles of the fold with prob_<class>.")
@task_option
@backbone_option
@threads_option
def compare(
    fold: str,
    strategy: Any,
    folds: Path,
    decision: Path,
    tiles: Path,
    features: Path | None,
    packs: Path | None,
    baseline: Path | None,
    cohort: Path | None,
    prefix: str,
    accept: dict[str, str],
    output: Path,
    task: "Task",
    backbone: Backbone,
    threads: int,
    settings: Train,
) -> None:
    """Train STRATEGY (or a baseline) on FOLD's patients; judge it on its test tiles."""
    from histotile.stages import compare as stage
    from histotile.stages.folds import Inputs, Network
    from histotile.training.job import Machine

    inputs = Inputs(folds, fold, tiles, decision, features, cohort, prefix, baseline, accept)
    progress = Progress(f"{fold} {strategy}", "steps")
    machine = Machine(1, threads, packs=packs, progress=progress)
    network, outputs = Network(backbone, task), stage.Outputs(output)
    stage.run(inputs, outputs, settings, network, strategy, machine)


@verb("verify")
@click.argument("comparisons", type=FOLDER)
@DECISION
@accept_option
@output_option("verification.json: scores, regret, verdict.")
def verify(
    comparisons: Path, decision: Path, accept: dict[str, str], output: Path, settings: Verify
) -> None:
    """Compare the chosen strategy with every strategy in COMPARISONS: regret, interval, verdict."""
    from histotile.stages import verify as stage

    stage.run(stage.Inputs(decision, comparisons), stage.Outputs(output), settings, accept)


VERBS = (baseline, decide, compare, verify)
