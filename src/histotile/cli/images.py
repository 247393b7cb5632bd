"""Verbs for cohorts of ready-made tiles: collect, tile-images."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from histotile.cli.options import (
    PATH,
    accept_option,
    output_option,
    places,
    task_option,
    threads_option,
    verb,
)
from histotile.config import Tile

if TYPE_CHECKING:
    from histotile.tasks.task import Task


@verb()
@click.argument("cohort", type=PATH)
@output_option("Cohort file: one row per group of images.")
@accept_option
@task_option
def collect(cohort: Path, output: Path, accept: dict[str, str], task: "Task") -> None:
    """List the labelled images of COHORT: a folder per class, or a CSV of path and label."""
    from histotile.stages import collect as stage

    stage.run(stage.Inputs(cohort), stage.Outputs(output), task, accept)


@verb("tile")
@click.argument("cohort", type=PATH)
@click.argument("groups", metavar="GROUP...", nargs=-1, required=True)
@output_option("Parquet table of tiles: the files, never pixels; of several groups: a folder.")
@threads_option
@task_option
def tile_images(
    cohort: Path,
    groups: tuple[str, ...],
    output: Path,
    threads: int,
    task: "Task",
    settings: Tile,
) -> None:
    """Table the labelled images of each GROUP of COHORT (see `collect`): how good, what label."""
    from histotile.stages import tile_images as stage

    outputs = stage.Outputs(places(output, groups, ".parquet"))
    stage.run(stage.Inputs(cohort), outputs, settings, groups, task, threads)


VERBS = (collect, tile_images)
