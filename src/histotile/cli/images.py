"""Verbs for cohorts of ready-made tiles: collect, tile-images."""

from pathlib import Path

import click

from histotile.cli.options import (
    FILE,
    PATH,
    Progress,
    classes_option,
    output_option,
    threads_option,
    verb,
)
from histotile.config import Tile


@verb()
@click.argument("cohort", type=PATH)
@output_option("Cohort file: one row per group of images.")
@click.option("--images", type=PATH, required=True, help="Table of the images to write.")
@classes_option
def collect(cohort: Path, output: Path, images: Path, classes: tuple[str, ...]) -> None:
    """List the labelled images of COHORT: a folder per class, or a CSV of path and label."""
    from histotile import tables
    from histotile.cohort import cohort_csv
    from histotile.tiles.listing import list_images

    found = list_images(cohort, classes)
    columns = {
        "slide_id": [image.group for image in found.images],
        "file": [image.file for image in found.images],
        "label": [image.label for image in found.images],
    }
    tables.write_table(images, columns, tables.IMAGES, {"cohort": str(cohort)})
    tables.write_text(output, cohort_csv(found.cohort))
    click.echo(f"{len(found.images)} images in {len(found.cohort.slides)} groups")
    if not found.cohort.has_patients:
        click.echo("Attention: no group given; leakage between tiles of a patient is possible")


@verb("tile")
@click.argument("images", type=FILE)
@click.argument("group")
@output_option("Parquet table of tiles: the files, never pixels.")
@threads_option
@classes_option
def tile_images(
    images: Path,
    group: str,
    output: Path,
    threads: int,
    classes: tuple[str, ...],
    settings: Tile,
) -> None:
    """Table the images of GROUP (IMAGES is what `collect` wrote): how good, with what label."""
    from histotile import tables
    from histotile.tiles.tabulate_images import tabulate_images

    progress = Progress(f"tile {group}", "images")
    columns, footer = tabulate_images(images, group, classes, settings, threads, progress)
    tables.write_table(output, columns, tables.TILES, footer)
    click.echo(f"{group}: {footer['counts']}")


VERBS = (collect, tile_images)
