"""Lay a grid of tiles over the tissue of a slide: where, how good, and with what label."""

from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from histotile.config import Tile
from histotile.io import tables
from histotile.io.ledger import Entry
from histotile.io.progress import Progress
from histotile.slides.annotations.read import Annotations, read_layers
from histotile.slides.inspection import Inspection
from histotile.slides.slide import Bounds
from histotile.slides.tissue.mask_file import read_levels
from histotile.stages.inspections import Now, look_at
from histotile.stages.mask import find_tissue
from histotile.tasks.task import Task
from histotile.tiling.from_coordinates import tabulate_coordinates
from histotile.tiling.ledger import of_mask, tell_ledger, with_tissue
from histotile.tiling.measures import Readers
from histotile.tiling.tile_table import tabulate
from histotile.tiling.truth import SlideTruth


@dataclass(frozen=True)
class Inputs:
    """The slide with what is known of it; without inspection and mask, both are made now.

    Attributes:
        slide: The slide file.
        inspection: What `inspect` found.
        mask: Tissue mask.
        annotations: Outlines; later files win.
        coordinates: Tiles of other programs, instead of a grid over the tissue.
    """

    slide: Path
    inspection: Path | None = None
    mask: Path | None = None
    annotations: tuple[Path, ...] = ()
    coordinates: Path | None = None


@dataclass(frozen=True)
class Outputs:
    """Parquet table of tiles: positions in level-0 px, never pixels."""

    tiles: Path


@dataclass(frozen=True)
class Labels:
    """What is learnt, and the label of the slide, if known."""

    task: Task
    of_slide: str | None = None


def run(
    inputs: Inputs,
    outputs: Outputs,
    settings: Tile,
    labels: Labels,
    threads: int,
    now: Now | None = None,
) -> None:
    """Writes the table of tiles; that of a slide that cannot be used is empty and says why."""
    found = look_at(inputs.slide, inputs.inspection, now)
    usable = found.verdict == "ok"
    outlines = _outlines(inputs, found) if usable and inputs.annotations else None
    truth = SlideTruth(found.slide_id, labels.task, labels.of_slide, outlines)
    readers = Readers(threads, Progress(f"tile {found.slide_id}"))
    levels, aside = _levels(inputs, found, now) if usable else (None, [])
    if inputs.coordinates:
        columns, footer = tabulate_coordinates(
            found, inputs.coordinates, truth, settings, readers, levels
        )
    else:
        columns, footer = tabulate(found, levels, truth, settings, readers)
    footer = with_tissue(footer, aside)
    tables.write_table(outputs.tiles, columns, tables.TILES, footer)
    click.echo("\n".join([f"{found.slide_id}: {footer['counts']}", *tell_ledger(footer)]))


def _outlines(inputs: Inputs, found: Inspection) -> Annotations:
    size = (found.width, found.height)
    return read_layers(inputs.annotations, Bounds(*found.bounds), size, inputs.slide)


def _levels(
    inputs: Inputs, found: Inspection, now: Now | None
) -> tuple[NDArray[np.uint8], list[Entry]]:
    """What each px of the mask is, and what was set aside to make it."""
    if inputs.mask:
        return read_levels(inputs.mask), of_mask(inputs.mask)
    assert now is not None and found.mpp is not None
    surveyed = find_tissue(inputs.slide, found.mpp, now.mask)[1]
    return surveyed.levels, surveyed.ledger
