"""Find the tissue of a slide on an overview image."""

import json
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from histotile.config import Mask
from histotile.io.atomic import replacing
from histotile.io.ledger import largest
from histotile.slides.overview import read_overview
from histotile.slides.slide import Slide
from histotile.slides.tissue.mask_file import CHUNK
from histotile.slides.tissue.tissue import TISSUE, Survey, draw_overlay, survey
from histotile.stages.inspections import Now, look_at

MOST_LOST = 0.5


@dataclass(frozen=True)
class Inputs:
    """The slide, and what `inspect` found; None: it is inspected now."""

    slide: Path
    inspection: Path | None = None


@dataclass(frozen=True)
class Outputs:
    """8-bit PNG over the whole slide, and a picture of its outline over the slide, if asked for."""

    mask: Path
    overlay: Path | None = None


def run(inputs: Inputs, outputs: Outputs, settings: Mask, now: Now | None = None) -> None:
    """Writes where the tissue is; of a slide that cannot be used, that there is none."""
    found = look_at(inputs.slide, inputs.inspection, now)
    if found.verdict == "ok":
        assert found.mpp is not None
        overview, surveyed = find_tissue(inputs.slide, found.mpp, settings)
    else:
        overview = np.full((64, 64, 3), 255, np.uint8)
        surveyed = Survey(np.zeros((64, 64), np.uint8), [])
    write_mask(outputs.mask, surveyed)
    if outputs.overlay:
        with replacing(outputs.overlay) as temporary:
            Image.fromarray(draw_overlay(overview, surveyed.levels)).save(temporary)
    um_per_px = (found.mpp or 0.0) * found.width / surveyed.levels.shape[1]
    tell(found.slide_id, surveyed, um_per_px)


def find_tissue(slide: Path, mpp: float, settings: Mask) -> tuple[NDArray[np.uint8], Survey]:
    """The overview of a usable slide, and what each of its px shows."""
    with Slide.open(slide, mpp) as opened:
        overview, downsample = read_overview(opened, mpp=settings.mpp)
    return overview, survey(overview, mpp * downsample, settings)


def write_mask(path: Path, surveyed: Survey) -> None:
    """The levels as a PNG, with what was set aside in a text chunk; whole or not at all."""
    chunk = PngImagePlugin.PngInfo()
    chunk.add_text(CHUNK, json.dumps([entry.to_json() for entry in surveyed.ledger]))
    with replacing(path) as temporary:
        Image.fromarray(surveyed.levels).save(temporary, pnginfo=chunk)


def tell(slide_id: str, surveyed: Survey, um_per_px: float) -> None:
    """Print the area of tissue and the share of ink; warn where most of the tissue is lost.

    Example: "S1: tissue 34 mm2; 1.2 % of the stained area taken for ink".
    """
    area = float((surveyed.levels == TISSUE).sum()) * um_per_px**2 / 1e6
    lost = sum(entry.share or 0.0 for entry in surveyed.ledger)
    cause = largest(surveyed.ledger, "tissue")
    why = (
        f"{100 * (cause.share or 0.0):.0f} % of the stained area was {cause.reason}"
        if cause
        else ""
    )
    if not area:
        click.echo(f"{slide_id}: no tissue found{': ' + why if why else ''}")
        return
    click.echo(
        f"{slide_id}: tissue {area:.3g} mm2; {100 * lost:.1f} % of the stained area taken for ink"
    )
    if lost > MOST_LOST:
        remedy = "look at the overlay; where it is tissue, set mask.exclude_pen to false"
        click.echo(f"warning: {slide_id} loses most of its tissue: {why}; {remedy}", err=True)
