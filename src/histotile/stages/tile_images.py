"""Table the labelled images of groups: how good, and with what label."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from histotile.config import Tile
from histotile.errors import HistotileError
from histotile.io import tables
from histotile.io.progress import Progress
from histotile.tasks.task import Task
from histotile.tiling.image_cohort.listing import list_groups
from histotile.tiling.image_cohort.tile_table import tabulate_images
from histotile.tiling.ledger import tell_ledger
from histotile.tiling.measures import Readers


@dataclass(frozen=True)
class Inputs:
    """What `collect` lists: a folder per class, or a CSV of path and label."""

    cohort: Path


@dataclass(frozen=True)
class Outputs:
    """Parquet table of tiles of each group: the files, never pixels."""

    tiles: Sequence[Path]


def run(
    inputs: Inputs,
    outputs: Outputs,
    settings: Tile,
    groups: Sequence[str],
    task: Task,
    threads: int,
) -> None:
    """Writes the tables of the images of these groups.

    Raises:
        HistotileError: There is no such group.
    """
    found = list_groups(inputs.cohort, task, groups)
    if missing := [group for group, images in found.items() if not images]:
        fact, remedy = f"no image of group {missing[0]!r}", "see what `collect` lists"
        raise HistotileError(inputs.cohort, fact, remedy)
    for group, images in found.items():
        readers = Readers(threads, Progress(f"tile {group}", "images"))
        columns, footer = tabulate_images(images, group, task, settings, readers)
        tables.write_table(outputs.tiles[groups.index(group)], columns, tables.TILES, footer)
        click.echo("\n".join([f"{group}: {footer['counts']}", *tell_ledger(footer)]))
