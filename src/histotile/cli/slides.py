"""Verbs that read slides: synthesize, inspect, triage, mask, tile."""

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

import click

from histotile import cohort as cohorts
from histotile.cli.options import (
    FILE,
    FOLDER,
    PATH,
    Progress,
    classes_option,
    mpp_option,
    output_option,
    section_settings,
    threads_option,
    verb,
)
from histotile.config import Inspect, Mask, Synthesize, Tile
from histotile.errors import HistotileError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from histotile.slides.annotations import Annotations
    from histotile.slides.inspection import Inspection
    from histotile.slides.tissue import Survey


@verb("synthesize")
@click.argument("output", type=PATH)
@click.option("--processes", type=click.IntRange(1), default=1, help="Slides made side by side.")
def synthesize(output: Path, processes: int, settings: Synthesize) -> None:
    """Make a cohort of synthetic H&E slides with known truth in the folder OUTPUT."""
    from histotile.slides.factory.cohort import synthesize_cohort

    cohort = synthesize_cohort(output, settings, Progress("synthesize", "slides"), processes)
    click.echo(f"{settings.slides} slides, {cohort}")


@verb("inspect")
@click.argument("slide", type=PATH)
@output_option("JSON file of what was found.")
@click.option("--slide-id", help="Id of the slide; default: its file name without suffix.")
@mpp_option
def inspect(
    slide: Path, output: Path, slide_id: str | None, mpp: float | None, settings: Inspect
) -> None:
    """Open SLIDE at every level; find its scale (mpp), and whether it can be used."""
    from histotile.slides.inspection import inspect_slide
    from histotile.writing import write_json

    found = inspect_slide(slide, slide_id or slide.stem, settings, mpp)
    write_json(output, found.to_json())
    click.echo(f"{found.slide_id}: {found.verdict}{f' - {found.reason}' if found.reason else ''}")


@verb("inspect")
@click.argument("found", type=FOLDER)
@click.option("--cohort", type=FILE, required=True, help="The cohort file.")
@output_option("CSV ledger: one row per slide with its verdict and reason.")
def triage(found: Path, cohort: Path, output: Path, settings: Inspect) -> None:
    """Judge the cohort on what was FOUND; stop on unknown mpp and on duplicates.

    FOUND is the folder of inspections, or that of tile tables where the tiles are images.
    """
    from histotile.slides.triage import triage as judge
    from histotile.tiles.tabulate_images import triage_images
    from histotile.writing import write_text

    members = cohorts.read_cohort(cohort)
    ids = [slide.slide_id for slide in members.slides]
    if members.of_images:
        rows = triage_images({name: found / f"{name}.parquet" for name in ids})
    else:
        rows = judge([_inspection(found / f"{name}.json") for name in ids], settings)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(output, text.getvalue())
    bad = [row for row in rows if row["verdict"] != "ok"]
    what = "groups" if members.of_images else "slides"
    click.echo(f"{len(rows) - len(bad)} of {len(rows)} {what} can be used")
    for row in bad:
        click.echo(f"  quarantined: {row['slide_id']}: {row['reason']}")


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
    from histotile.slides.tissue import Survey, draw_overlay

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
    help="Outlines: GeoJSON, ASAP or ImageScope XML, mask. Repeatable: later files win.",
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
    from histotile import tables
    from histotile.tiles.labels import SlideTruth
    from histotile.tiles.tabulate import tabulate
    from histotile.tiles.tabulate_coordinates import tabulate_coordinates

    found = look_at(slide, inspection, mpp)
    usable = found.verdict == "ok"
    outlines = _outlines(found, annotations) if usable and annotations else None
    truth = SlideTruth(found.slide_id, classes, label, outlines)
    progress = Progress(f"tile {found.slide_id}")
    levels = _levels(slide, found, mask_path) if usable else None
    if coordinates:
        columns, footer = tabulate_coordinates(
            found, coordinates, truth, settings, threads, progress, levels
        )
    else:
        columns, footer = tabulate(found, levels, truth, settings, threads, progress)
    tables.write_table(output, columns, tables.TILES, footer)
    click.echo(f"{found.slide_id}: {footer['counts']}")


def _outlines(found: "Inspection", annotations: tuple[Path, ...]) -> "Annotations":
    from histotile.slides.annotations import read_layers
    from histotile.slides.slide import Bounds

    return read_layers(annotations, Bounds(*found.bounds), (found.width, found.height))


def _levels(slide: Path, found: "Inspection", mask: Path | None) -> "NDArray[np.uint8]":
    if mask:
        return _read_mask(mask)
    return tissue_of(slide, found, section_settings("mask", None))[1].levels


def _inspection(path: Path) -> "Inspection":
    import json

    from histotile.slides.inspection import Inspection

    return Inspection.from_json(json.loads(path.read_text(encoding="utf-8")))


def look_at(slide: Path, inspection: Path | None, mpp: float | None = None) -> "Inspection":
    """What `inspect` found, or finds now with the settings in force; then a bad slide stops."""
    if inspection:
        return _inspection(inspection)
    from histotile.slides.inspection import inspect_slide

    found = inspect_slide(slide, slide.stem, section_settings("inspect", None), mpp)
    if found.verdict != "ok":
        remedy = "give it with --mpp" if found.problem == "mpp" else "replace it"
        raise HistotileError(slide, found.reason or "cannot be used", remedy)
    return found


def tissue_of(
    slide: Path, found: "Inspection", settings: Mask
) -> tuple["NDArray[np.uint8]", "Survey"]:
    """The overview of a usable slide, and what each of its px shows."""
    from histotile.slides.overview import read_overview
    from histotile.slides.slide import Slide
    from histotile.slides.tissue import survey

    assert found.mpp is not None
    with Slide.open(slide, found.mpp) as opened:
        overview, downsample = read_overview(opened, mpp=settings.mpp)
    return overview, survey(overview, found.mpp * downsample, settings)


def write_image(path: Path, pixels: "NDArray[np.uint8]") -> None:
    """A PNG or JPEG, by the suffix; whole or not at all."""
    from PIL import Image

    from histotile.writing import replacing

    with replacing(path) as temporary:
        Image.fromarray(pixels).save(temporary)


def _read_mask(path: Path) -> "NDArray[np.uint8]":
    import numpy as np
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None
    with Image.open(path) as image:
        return np.asarray(image.convert("L"))


VERBS = (synthesize, inspect, triage, mask, tile)
