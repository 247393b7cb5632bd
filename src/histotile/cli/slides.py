"""Verbs that read slides: synthesize, inspect, triage, mask, tile."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from histotile.cli.options import (
    FILE,
    FOLDER,
    PATH,
    accept_option,
    mpp_option,
    output_option,
    task_option,
    threads_option,
    verb,
)
from histotile.cli.settings import config_in_force
from histotile.config import Inspect, Mask, Synthesize, Tile
from histotile.io.progress import Progress

if TYPE_CHECKING:
    from histotile.stages.inspections import Now
    from histotile.tasks.task import Task


@verb("synthesize")
@click.argument("output", type=PATH)
@click.option("--processes", type=click.IntRange(1), default=1, help="Slides made side by side.")
@click.option("--tiles", metavar="HEIGHTxWIDTH", help="Make small pictures of four syndromes.")
def synthesize(output: Path, processes: int, tiles: str | None, settings: Synthesize) -> None:
    """Make a cohort of synthetic H&E slides with known truth in the folder OUTPUT.

    With --tiles 96x128: a cohort of ready-made tiles instead, by the settings `tiles.*` and `seed`.
    """
    if tiles is not None:
        from histotile.synthetic.syndromes.cohort import CLASSES, parse_size, write_syndrome_cohort

        drawn, size, told = settings.tiles, parse_size(tiles), Progress("synthesize", "tiles")
        listed = write_syndrome_cohort(output, drawn, size, settings.seed, told)
        click.echo(f"{drawn.count} tiles, {listed}; classes: [{', '.join(CLASSES)}]")
        return
    from histotile.synthetic.slides.cohort import synthesize_cohort

    cohort = synthesize_cohort(output, settings, Progress("synthesize", "slides"), processes)
    click.echo(f"{settings.slides} slides, {cohort}")


@verb("inspect")
@click.argument("slide", type=PATH)
@output_option("JSON file of what was found.")
@click.option("--slide-id", help="Id of the slide; default: its file name without suffix.")
@mpp_option
@accept_option
def inspect(
    slide: Path,
    output: Path,
    slide_id: str | None,
    mpp: float | None,
    accept: dict[str, str],
    settings: Inspect,
) -> None:
    """Open SLIDE at every level; find its scale (mpp), and whether it can be used."""
    from histotile.stages import inspect as stage

    outputs = stage.Outputs(output)
    stage.run(stage.Inputs(slide), outputs, settings, slide_id or slide.stem, mpp, accept)


@verb("inspect")
@click.argument("found", type=FOLDER)
@click.option("--cohort", type=FILE, required=True, help="The cohort file.")
@output_option("CSV ledger: one row per slide with its verdict and reason.")
@accept_option
def triage(
    found: Path, cohort: Path, output: Path, accept: dict[str, str], settings: Inspect
) -> None:
    """Judge the cohort on what was FOUND; stop on unknown mpp and on duplicates.

    FOUND is the folder of inspections, or that of tile tables where the tiles are images.
    """
    from histotile.stages import triage as stage

    stage.run(stage.Inputs(cohort, found), stage.Outputs(output), settings, accept)


@verb("mask")
@click.argument("slide", type=PATH)
@output_option("8-bit PNG over the whole slide: 255 tissue, 64 ink, 0 glass.")
@click.option("--inspection", type=FILE, help="What `inspect` found; default: inspect now.")
@click.option("--overlay", type=PATH, help="Also draw the outline over the slide (JPEG or PNG).")
@mpp_option
def mask(
    slide: Path,
    output: Path,
    inspection: Path | None,
    overlay: Path | None,
    mpp: float | None,
    settings: Mask,
) -> None:
    """Find the tissue of SLIDE on an overview image."""
    from histotile.stages import mask as stage

    now = None if inspection else _now(mpp)
    stage.run(stage.Inputs(slide, inspection), stage.Outputs(output, overlay), settings, now)


@verb("tile")
@click.argument("slide", type=PATH)
@output_option("Parquet table of tiles: positions in level-0 px, never pixels.")
@click.option("--inspection", type=FILE, help="What `inspect` found; default: inspect now.")
@click.option("--mask", "mask_path", type=FILE, help="Tissue mask; default: find tissue now.")
@click.option(
    "--annotation",
    "annotations",
    type=FILE,
    multiple=True,
    help="Outlines: GeoJSON, ASAP or ImageScope XML, NDPA, mask. Repeatable: later files win.",
)
@click.option(
    "--coordinates",
    type=FILE,
    help="Tiles of CLAM, TRIDENT or WSInfer (.h5, .csv) instead of a grid over the tissue.",
)
@click.option("--label", help="Label of the slide.")
@mpp_option
@threads_option
@task_option
def tile(
    slide: Path,
    output: Path,
    inspection: Path | None,
    mask_path: Path | None,
    annotations: tuple[Path, ...],
    coordinates: Path | None,
    label: str | None,
    mpp: float | None,
    threads: int,
    task: "Task",
    settings: Tile,
) -> None:
    """Lay a grid of tiles over the tissue of SLIDE: where, how good, and with what label."""
    from histotile.stages import tile as stage

    inputs = stage.Inputs(slide, inspection, mask_path, annotations, coordinates)
    now = None if inspection and mask_path else _now(mpp)
    labels = stage.Labels(task, label)
    stage.run(inputs, stage.Outputs(output), settings, labels, threads, now)


def _now(mpp: float | None) -> "Now":
    """How to inspect, and to find tissue, with the settings in force."""
    from histotile.stages.inspections import Now

    config = config_in_force()
    return Now(config.inspect, config.mask, config.accept, mpp)


VERBS = (synthesize, inspect, triage, mask, tile)
