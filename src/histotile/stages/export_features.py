"""Write features of tiles for other programs for slides: CLAM, TRIDENT, STAMP."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from histotile.errors import HistotileError
from histotile.exports.features import Layout, write_features
from histotile.io.features import read_features
from histotile.io.tile_spec import read_spec


@dataclass(frozen=True)
class Inputs:
    """Feature files {slide_id}.h5, and the folder of tile tables they were made from."""

    features: Sequence[Path]
    tiles: Path


@dataclass(frozen=True)
class Outputs:
    """The folder that the other program reads."""

    folder: Path


def run(inputs: Inputs, outputs: Outputs, layout: Layout, stage: int | None) -> None:
    """Writes the files of all slides that have tiles; names those that have none.

    Raises:
        HistotileError: No feature file, one of no such stage, or of tiles without place on a slide.
    """
    if not inputs.features:
        raise HistotileError("features", "there is no file", "name what `histotile embed` wrote")
    without = []
    for path in inputs.features:
        file, spec = read_features(path), read_spec(inputs.tiles / f"{path.stem}.parquet")
        if len(file.tile_ids):
            write_features(outputs.folder, layout, file, spec, stage)
        else:
            without.append(spec.slide_id)
    done = len(inputs.features) - len(without)
    told = f"; without tiles, hence no file: {', '.join(without)}" if without else ""
    click.echo(f"{outputs.folder}: {done} slides for {layout}{told}")
