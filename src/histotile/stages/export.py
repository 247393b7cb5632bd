"""Write a trained model for other programs, and check that they say the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from histotile.config import Export
from histotile.data.sampling import sample_tiles
from histotile.errors import HistotileError
from histotile.exports.formats import export_model
from histotile.inference.checkpoint import load_ensemble
from histotile.stages.files import slide_places


@dataclass(frozen=True)
class Inputs:
    """The model of one fold, the tile tables it is compared on, and where their slides are.

    That say the cohort file and what comes before the paths in it, see `placed`; None: where they
    were tiled.
    """

    model: Path
    tiles: Sequence[Path]
    cohort: Path | None = None
    prefix: str = ""


@dataclass(frozen=True)
class Outputs:
    """One folder per format, and parity.json."""

    folder: Path


def run(inputs: Inputs, outputs: Outputs, settings: Export) -> None:
    """Writes the formats asked for, each checked on real tiles.

    Raises:
        HistotileError: Several models, or one that says something else once exported.
    """
    found = load_ensemble(inputs.model)
    if len(found) > 1:
        fact = f"holds {len(found)} models"
        raise HistotileError(inputs.model, fact, "export one fold at a time")
    places = slide_places(inputs.cohort, inputs.prefix)
    known = {table: places[table.stem] for table in inputs.tiles if table.stem in places}
    tables = known if inputs.cohort else inputs.tiles
    sample = sample_tiles(tables, settings.tiles)
    for parity in export_model(found[0], outputs.folder, sample, settings):
        click.echo(str(parity))
