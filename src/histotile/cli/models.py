"""Verbs that make models and hand them on: split, train, export, pretrain."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from histotile.cli.inference import backbone, embed, predict
from histotile.cli.options import (
    FILE,
    FOLDER,
    PATH,
    accept_option,
    output_option,
    slides_options,
    task_option,
    training_options,
    verb,
)
from histotile.config import Backbone, Export, Pretrain, Split, Train
from histotile.io.progress import Progress

if TYPE_CHECKING:
    from histotile.tasks.task import Task


@verb("split")
@click.argument("cohort", type=FILE)
@click.option("--triage", type=FILE, help="Ledger; its quarantined slides are left out.")
@output_option("CSV of folds: the role of each slide in each fold.")
@accept_option
@task_option
def split(
    cohort: Path,
    triage: Path | None,
    output: Path,
    accept: dict[str, str],
    task: "Task",
    settings: Split,
) -> None:
    """Divide the patients of COHORT into folds; no patient stands in two."""
    from histotile.stages import split as stage

    stage.run(stage.Inputs(cohort, triage), stage.Outputs(output), settings, task, accept)


@verb("train")
@click.argument("fold")
@training_options
@click.option("--features", type=PATH, help="Folder of features (frozen strategies).")
@click.option("--devices", type=click.IntRange(1), default=1, help="GPUs, or CPU processes.")
@output_option("Folder: model.ckpt, model.onnx, curves.csv, curves.svg, summary.json.")
def train(
    fold: str,
    folds: Path,
    decision: Path | None,
    tiles: Path,
    features: Path | None,
    packs: Path | None,
    cohort: Path | None,
    prefix: str,
    devices: int,
    workers: int | None,
    output: Path,
    task: "Task",
    backbone: Backbone,
    accept: dict[str, str],
    threads: int,
    settings: Train,
) -> None:
    """Train FOLD (fold0, fold1, ...) on its training patients; validate on its val patients."""
    from histotile.stages import train as stage
    from histotile.stages.folds import Inputs, Network
    from histotile.training.job import Machine

    inputs = Inputs(folds, fold, tiles, decision, features, cohort, prefix, accept=accept)
    machine = Machine(devices, threads, workers, packs, progress=Progress(fold, "steps"))
    network = Network(backbone, task)
    stage.run(inputs, stage.Outputs(output), settings, network, machine)


@verb("export")
@click.argument("model", type=click.Path(exists=True, path_type=Path))
@click.option("--tiles", type=FOLDER, required=True, help="Folder of tile tables to compare on.")
@output_option("Folder: one folder per format, and parity.json.")
@slides_options
def export(
    model: Path,
    tiles: Path,
    output: Path,
    cohort: Path | None,
    prefix: str,
    settings: Export,
) -> None:
    """Write MODEL for other programs, and check on real tiles that each says the same."""
    from histotile.stages import export as stage

    inputs = stage.Inputs(model, sorted(tiles.glob("*.parquet")), cohort, prefix)
    stage.run(inputs, stage.Outputs(output), settings)


@verb()
@click.argument("features", type=FOLDER)
@click.option("--tiles", type=FOLDER, required=True, help="Folder of their tile tables.")
@click.option("--layout", type=click.Choice(["clam", "trident", "stamp"]), required=True)
@click.option("--stage", type=click.IntRange(1), help="Depth, 1 is the shallowest; default: last.")
@output_option("Folder that the other program reads.")
def export_features(
    features: Path, tiles: Path, layout: Any, stage: int | None, output: Path
) -> None:
    """Write the files of the folder FEATURES as CLAM, TRIDENT or STAMP read them, float32."""
    from histotile.stages import export_features as stages

    inputs = stages.Inputs(sorted(features.glob("*.h5")), tiles)
    stages.run(inputs, stages.Outputs(output), layout, stage)


@verb("pretrain")
@click.argument("kind", type=click.Choice(["natural", "histology"]))
@click.argument("output", type=PATH)
def pretrain(kind: Any, output: Path, settings: Pretrain) -> None:
    """Make a small backbone again: on procedural pictures, or on synthetic H&E of other organs."""
    from histotile.synthetic.pretraining.pretrain import pretrain as teach

    progress = Progress(kind, "pictures")
    found = teach(kind, output, settings, lambda done, total, _: progress(done, total))
    click.echo(f"{output}: {found.accuracy} (by chance {found.chance}), {found.seconds:.0f} s")


BEFORE_DECIDING = (split, backbone, embed)
VERBS = (train, predict, export, export_features, pretrain)
