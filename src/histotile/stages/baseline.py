"""Hold the backbone against random weights, on a sample of tiles."""

from dataclasses import dataclass
from pathlib import Path

import click

from histotile.config import Backbone, Baseline
from histotile.io.progress import Progress
from histotile.splitting.fold_table import fold_rows
from histotile.stages.files import slide_places
from histotile.strategy.baselines.random_features import BaselineSlide, measure_baseline
from histotile.tasks.task import Task


@dataclass(frozen=True)
class Inputs:
    """The fold table, the folder of tile tables, and what says where the slides are.

    That is the cohort file and what comes before the paths in it, see `placed`; None: where they
    were tiled.
    """

    folds: Path
    tiles: Path
    cohort: Path | None = None
    prefix: str = ""


@dataclass(frozen=True)
class Outputs:
    """HDF5 of the sample of tiles, and their features by random weights."""

    baseline: Path


def run(
    inputs: Inputs,
    outputs: Outputs,
    settings: Baseline,
    task: Task,
    backbone: Backbone,
    threads: int,
) -> None:
    """Writes the features; slides of the fixed test set stay out."""
    roles: dict[tuple[str, str], set[str]] = {}
    for row in fold_rows(inputs.folds):
        roles.setdefault((row["slide_id"], row["patient_id"]), set()).add(row["role"])
    places = slide_places(inputs.cohort, inputs.prefix)
    slides = [
        BaselineSlide(s, patient, inputs.tiles / f"{s}.parquet", places.get(s))
        for (s, patient), found in roles.items()
        if found != {"test"}
    ]
    progress = Progress("baseline")
    found = measure_baseline(slides, task, backbone, settings, threads, progress)
    found.write(outputs.baseline)
    click.echo(f"{len(found.tile_ids)} tiles of {len(set(found.slide_ids))} slides")
