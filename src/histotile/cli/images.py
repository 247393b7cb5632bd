"""Verbs for cohorts of ready-made tiles: collect, tile-images."""

from pathlib import Path

import click

from histotile.cli.options import (
    PATH,
    accept_option,
    classes_option,
    output_option,
    places,
    threads_option,
    verb,
)
from histotile.config import Tile


@verb()
@click.argument("cohort", type=PATH)
@output_option("Cohort file: one row per group of images.")
@accept_option
@classes_option
def collect(cohort: Path, output: Path, accept: dict[str, str], classes: tuple[str, ...]) -> None:
    """List the labelled images of COHORT: a folder per class, or a CSV of path and label."""
    from histotile.stages import collect as stage

    stage.run(stage.Inputs(cohort), stage.Outputs(output), classes, accept)


@verb("tile")
@click.argument("cohort", type=PATH)
@click.argument("groups", metavar="GROUP...", nargs=-1, required=True)
@output_option("Parquet table of tiles: the files, never pixels; of several groups: a folder.")
@threads_option
@classes_option
def tile_images(
    cohort: Path,
    groups: tuple[str, ...],
    output: Path,
    threads: int,
    classes: tuple[str, ...],
    settings: Tile,
) -> None:
    """Table the labelled images of each GROUP of COHORT (see `collect`): how good, what label."""
    from histotile.stages import tile_images as stage

    outputs = stage.Outputs(places(output, groups, ".parquet"))
    stage.run(stage.Inputs(cohort), outputs, settings, groups, classes, threads)


VERBS = (collect, tile_images)
