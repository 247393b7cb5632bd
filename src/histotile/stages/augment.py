"""Show what the random changes of training make of a tile."""

from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from histotile.config import Train
from histotile.data.augmentation.sheet import draw_sheet
from histotile.data.sampling import read_rows, used_rows
from histotile.errors import HistotileError
from histotile.io.arrow import known
from histotile.io.atomic import replacing
from histotile.io.tables import read_table


@dataclass(frozen=True)
class Inputs:
    """A tile table; the slide, where it is elsewhere now; a tile_id, or None for one in the middle.

    Of tiles in the middle the labelled ones come first, as they are what training sees.
    """

    tiles: Path
    slide: Path | None
    tile_id: int | None


@dataclass(frozen=True)
class Outputs:
    """A picture, .png or .jpg."""

    sheet: Path


def run(inputs: Inputs, outputs: Outputs, settings: Train) -> None:
    """Writes one tile under each change and strength.

    Args:
        inputs: Which tile.
        outputs: Where the sheet goes.
        settings: Section `train`; frames mark the strengths that it asks for.

    Raises:
        HistotileError: The table has no such tile, or it cannot be read; or an unknown ending.
    """
    if outputs.sheet.suffix.lower() not in {".png", ".jpg", ".jpeg"}:
        raise HistotileError(outputs.sheet, "is no .png or .jpg", "choose one of them")
    row, tile_id = _row(inputs)
    _, pixels = read_rows(inputs.tiles, np.array([row]), inputs.slide)
    if not pixels:
        remedy = "name another one: --tile"
        raise HistotileError(inputs.tiles, f"tile {tile_id} cannot be read", remedy)
    sheet = draw_sheet(pixels[0], settings.augment, settings.seed)
    with replacing(outputs.sheet) as temporary:
        sheet.save(temporary)
    click.echo(f"{outputs.sheet}: tile {tile_id}; framed strengths are those of train.augment")


def _row(inputs: Inputs) -> tuple[int, int]:
    """The row of the tile in its table, and its tile_id."""
    table = read_table(inputs.tiles, ["tile_id", "label"])
    ids = table["tile_id"].to_numpy()
    if inputs.tile_id is not None:
        found = np.flatnonzero(ids == inputs.tile_id)
    else:
        used = used_rows(inputs.tiles)
        labelled = used[known(table["label"])[used]]
        found = labelled if len(labelled) else used
        found = found[len(found) // 2 :]
    if not len(found):
        fact = "has no tile that is used" if inputs.tile_id is None else "has no such tile_id"
        raise HistotileError(inputs.tiles, fact, "name another table, or a tile of it: --tile")
    return int(found[0]), int(ids[found[0]])
