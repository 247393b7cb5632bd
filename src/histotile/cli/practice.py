"""Verbs around a training: augment, find-lr and tune before it, runs behind several."""

from pathlib import Path
from typing import Any

import click

from histotile.cli.options import (
    FILE,
    FOLDER,
    PATH,
    output_option,
    section_option,
    slide_option,
    training_options,
    verb,
)
from histotile.config import Backbone, Split, Train, Tune


@verb("train")
@click.argument("fold")
@training_options
@click.option("--steps", type=click.IntRange(30), default=100, help="From lowest to highest rate.")
@output_option("Folder: find_lr.json, find_lr.svg.")
def find_lr(
    fold: str,
    folds: Path,
    decision: Path | None,
    tiles: Path,
    packs: Path | None,
    cohort: Path | None,
    prefix: str,
    steps: int,
    workers: int | None,
    output: Path,
    task: Any,
    backbone: Backbone,
    accept: dict[str, str],
    threads: int,
    settings: Train,
) -> None:
    """Suggest a learning rate for FOLD: the loss while the rate rises from step to step."""
    from histotile.stages import find_lr as stage
    from histotile.stages.folds import Inputs, Network
    from histotile.training.job import Machine

    inputs = Inputs(folds, fold, tiles, decision, None, cohort, prefix, accept=accept)
    machine = Machine(1, threads, workers, packs)
    network = Network(backbone, task)
    stage.run(inputs, stage.Outputs(output), settings, network, machine, steps)


@verb("tune")
@click.argument("fold")
@training_options
@click.option("--features", type=PATH, help="Folder of features, for trainings that give way.")
@section_option("train", "Section `train`: what is tuned; default: that in force.")
@section_option("split", "Section `split`: how patients are divided; default: that in force.")
@output_option("JSON of trials, gain and verdict; trials.journal beside it, to go on from.")
def tune(
    fold: str,
    folds: Path,
    decision: Path | None,
    tiles: Path,
    features: Path | None,
    packs: Path | None,
    cohort: Path | None,
    prefix: str,
    train: Train,
    split: Split,
    workers: int | None,
    output: Path,
    task: Any,
    backbone: Backbone,
    accept: dict[str, str],
    threads: int,
    settings: Tune,
) -> None:
    """Search settings for FOLD on its own training patients, and say whether they are worth it."""
    from histotile.stages import tune as stage
    from histotile.stages.folds import Inputs, Network
    from histotile.training.job import Machine

    inputs = Inputs(folds, fold, tiles, decision, features, cohort, prefix, accept=accept)
    outputs = stage.Outputs(output, output.with_name("trials.journal"))
    machine = Machine(1, threads, workers, packs)
    given, network = stage.Given(train, split), Network(backbone, task)
    stage.run(inputs, outputs, settings, given, network, machine)


@verb("train")
@click.argument("tiles", type=FILE)
@click.option("--tile", type=int, help="tile_id; default: a labelled one in the middle.")
@slide_option
@output_option("Sheet, .png or .jpg.")
def augment(
    tiles: Path, tile: int | None, slide: Path | None, output: Path, settings: Train
) -> None:
    """Show a tile of the table TILES under each random change of training and each strength."""
    from histotile.stages import augment as stage

    stage.run(stage.Inputs(tiles, slide, tile), stage.Outputs(output), settings)


@verb()
@click.argument("folder", type=FOLDER)
@click.option("-o", "--output", type=PATH, help="The table as .csv or .json, with all digits.")
def runs(folder: Path, output: Path | None) -> None:
    """Table the results below FOLDER side by side: differing settings, scores, time."""
    from histotile.stages import runs as stage

    click.echo(stage.run(folder, stage.Outputs(output)))


VERBS = (augment, find_lr, tune)
COMPARING = (runs,)
