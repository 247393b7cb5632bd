"""What `mask` writes, and says of the slide."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from histotile.slides.tissue.tissue import Survey


def write_mask(path: Path, survey: "Survey") -> None:
    """The levels as a PNG, with what was set aside in a text chunk; whole or not at all."""
    from PIL import Image, PngImagePlugin

    from histotile.io.atomic import replacing
    from histotile.slides.tissue.mask_file import CHUNK

    chunk = PngImagePlugin.PngInfo()
    chunk.add_text(CHUNK, json.dumps([entry.to_json() for entry in survey.ledger]))
    with replacing(path) as temporary:
        Image.fromarray(survey.levels).save(temporary, pnginfo=chunk)


def tell(slide_id: str, survey: "Survey", um_per_px: float) -> None:
    """Print the area of tissue and the share of ink; warn where most of the tissue is lost.

    Example: "S1: tissue 34 mm2; 1.2 % of the stained area taken for ink".
    """
    from histotile.io.ledger import largest
    from histotile.slides.tissue.tissue import TISSUE

    area = float((survey.levels == TISSUE).sum()) * um_per_px**2 / 1e6
    lost = sum(entry.share or 0.0 for entry in survey.ledger)
    cause = largest(survey.ledger, "tissue")
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


MOST_LOST = 0.5
