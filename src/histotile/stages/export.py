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


@dataclass(frozen=True)
class Inputs:
    """The model of one fold, and the tile tables it is compared on."""

    model: Path
    tiles: Sequence[Path]


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
    sample = sample_tiles(inputs.tiles, settings.tiles)
    for parity in export_model(found[0], outputs.folder, sample, settings):
        click.echo(str(parity))
