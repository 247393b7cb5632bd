"""Verbs for cohorts of ready-made tiles: collect, tile-images."""

from collections import Counter
from pathlib import Path

import click

from histotile.cli.options import (
    PATH,
    accept_option,
    classes_option,
    output_option,
    threads_option,
    verb,
)
from histotile.cli.progress import Progress
from histotile.config import Tile
from histotile.errors import HistotileError


@verb()
@click.argument("cohort", type=PATH)
@output_option("Cohort file: one row per group of images.")
@accept_option
@classes_option
def collect(cohort: Path, output: Path, accept: dict[str, str], classes: tuple[str, ...]) -> None:
    """List the labelled images of COHORT: a folder per class, or a CSV of path and label."""
    from histotile.io.atomic import write_text
    from histotile.io.cohort import cohort_csv
    from histotile.io.cohort_checks import (
        accepted_lines,
        check_cohort,
    )
    from histotile.tiling.image_cohort.listing import list_images
    from histotile.tiling.image_cohort.other_files import (
        count_others_below,
        say_others,
    )

    found = list_images(cohort, classes)
    check_cohort(found.cohort, accept, cohort)
    write_text(output, cohort_csv(found.cohort))
    suffixes = Counter(Path(image.file).suffix.lower() for image in found.images)
    kinds = ", ".join(f"{suffix} {count}" for suffix, count in sorted(suffixes.items()))
    click.echo(f"{len(found.images)} images ({kinds}) in {len(found.cohort.slides)} groups")
    if others := say_others(count_others_below(str(cohort)) if cohort.is_dir() else {}):
        click.echo(f"Attention: {others}")
    click.echo(f"{len(found.images)} images in {len(found.cohort.slides)} groups")
    for line in (*accepted_lines(found.cohort, accept), *found.remarks):
        click.echo(f"Attention: {line}")
    if not found.cohort.has_patients:
        click.echo("Attention: no group given; leakage between tiles of a patient is possible")


@verb("tile")
@click.argument("cohort", type=PATH)
@click.argument("group")
@output_option("Parquet table of tiles: the files, never pixels.")
@threads_option
@classes_option
def tile_images(
    cohort: Path,
    group: str,
    output: Path,
    threads: int,
    classes: tuple[str, ...],
    settings: Tile,
) -> None:
    """Table the labelled images of a GROUP of COHORT (see `collect`): how good, what label."""
    from histotile.io import tables
    from histotile.tiling.image_cohort.listing import list_group
    from histotile.tiling.image_cohort.tile_table import tabulate_images
    from histotile.tiling.ledger import tell_ledger
    from histotile.tiling.measures import Readers

    progress = Progress(f"tile {group}", "images")
    images = list_group(cohort, classes, group)
    if not images:
        raise HistotileError(cohort, f"no image of group {group!r}", "see what `collect` lists")
    columns, footer = tabulate_images(images, group, classes, settings, Readers(threads, progress))
    tables.write_table(output, columns, tables.TILES, footer)
    click.echo("\n".join([f"{group}: {footer['counts']}", *tell_ledger(footer)]))


VERBS = (collect, tile_images)
