"""Verbs that read slides: synthesize, inspect, triage, mask, tile."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from histotile.cli.inspections import look_at, triage
from histotile.cli.options import (
    FILE,
    PATH,
    accept_option,
    classes_option,
    mpp_option,
    output_option,
    section_settings,
    threads_option,
    verb,
)
from histotile.cli.progress import Progress
from histotile.config import Inspect, Mask, Synthesize, Tile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from histotile.io.ledger import Entry
    from histotile.slides.annotations.read import Annotations
    from histotile.slides.inspection import Inspection
    from histotile.slides.tissue.tissue import Survey


@verb("synthesize")
@click.argument("output", type=PATH)
@click.option("--processes", type=click.IntRange(1), default=1, help="Slides made side by side.")
def synthesize(output: Path, processes: int, settings: Synthesize) -> None:
    """Make a cohort of synthetic H&E slides with known truth in the folder OUTPUT."""
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
    from histotile.io.atomic import write_json
    from histotile.slides.opening.first_look import inspect_apart

    found = inspect_apart(slide, slide_id or slide.stem, settings, mpp, accept)
    write_json(output, found)
    scale = f", {found['mpp']:.4g} um/px ({found['mpp_source']})" if found["mpp"] else ""
    reason = f" - {found['reason']}" if found["reason"] else ""
    click.echo(f"{found['slide_id']}: {found['verdict']}{scale}{reason}")
    for warning in found["warnings"]:
        click.echo(f"  warning: {warning}")


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
    import numpy as np

    from histotile.cli.masking import tell, write_mask
    from histotile.slides.tissue.tissue import (
        Survey,
        draw_overlay,
    )

    found = look_at(slide, inspection, mpp)
    if found.verdict == "ok":
        overview, survey = tissue_of(slide, found, settings)
    else:
        overview = np.full((64, 64, 3), 255, np.uint8)
        survey = Survey(np.zeros((64, 64), np.uint8), [])
    write_mask(output, survey)
    if overlay:
        write_image(overlay, draw_overlay(overview, survey.levels))
    um_per_px = (found.mpp or 0.0) * found.width / survey.levels.shape[1]
    tell(found.slide_id, survey, um_per_px)


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
@classes_option
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
    classes: tuple[str, ...],
    settings: Tile,
) -> None:
    """Lay a grid of tiles over the tissue of SLIDE: where, how good, and with what label."""
    from histotile.io import tables
    from histotile.tiling.from_coordinates import tabulate_coordinates
    from histotile.tiling.labels import SlideTruth
    from histotile.tiling.ledger import (
        tell_ledger,
        with_tissue,
    )
    from histotile.tiling.measures import Readers
    from histotile.tiling.tile_table import tabulate

    found = look_at(slide, inspection, mpp)
    usable = found.verdict == "ok"
    outlines = _outlines(slide, found, annotations) if usable and annotations else None
    truth = SlideTruth(found.slide_id, classes, label, outlines)
    readers = Readers(threads, Progress(f"tile {found.slide_id}"))
    levels, aside = _levels(slide, found, mask_path) if usable else (None, [])
    if coordinates:
        columns, footer = tabulate_coordinates(found, coordinates, truth, settings, readers, levels)
    else:
        columns, footer = tabulate(found, levels, truth, settings, readers)
    footer = with_tissue(footer, aside)
    tables.write_table(output, columns, tables.TILES, footer)
    click.echo("\n".join([f"{found.slide_id}: {footer['counts']}", *tell_ledger(footer)]))


def _outlines(slide: Path, found: "Inspection", annotations: tuple[Path, ...]) -> "Annotations":
    from histotile.slides.annotations.read import read_layers
    from histotile.slides.slide import Bounds

    size = (found.width, found.height)
    return read_layers(annotations, Bounds(*found.bounds), size, slide)


def _levels(
    slide: Path, found: "Inspection", mask: Path | None
) -> tuple["NDArray[np.uint8]", "list[Entry]"]:
    """What each px of the mask is, and what was set aside to make it."""
    if mask is None:
        survey = tissue_of(slide, found, section_settings("mask", None))[1]
        return survey.levels, survey.ledger
    from histotile.slides.tissue.mask_file import read_levels
    from histotile.tiling.ledger import of_mask

    return read_levels(mask), of_mask(mask)


def tissue_of(
    slide: Path, found: "Inspection", settings: Mask
) -> tuple["NDArray[np.uint8]", "Survey"]:
    """The overview of a usable slide, and what each of its px shows."""
    from histotile.slides.overview import read_overview
    from histotile.slides.slide import Slide
    from histotile.slides.tissue.tissue import survey

    assert found.mpp is not None
    with Slide.open(slide, found.mpp) as opened:
        overview, downsample = read_overview(opened, mpp=settings.mpp)
    return overview, survey(overview, found.mpp * downsample, settings)


def write_image(path: Path, pixels: "NDArray[np.uint8]") -> None:
    """A PNG or JPEG, by the suffix; whole or not at all."""
    from PIL import Image

    from histotile.io.atomic import replacing

    with replacing(path) as temporary:
        Image.fromarray(pixels).save(temporary)


VERBS = (synthesize, inspect, triage, mask, tile)
