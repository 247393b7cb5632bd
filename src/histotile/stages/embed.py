"""Run the tiles of slides through the frozen backbone, and keep the features."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from histotile.config import Augment, Backbone, Embed
from histotile.data.profiling.profiler import process_age_s
from histotile.errors import HistotileError
from histotile.inference.embed import embed_slides, load_embedder
from histotile.inference.engines.hardware import engine_words
from histotile.inference.predict import describe
from histotile.io.atomic import write_json
from histotile.io.progress import Progress
from histotile.io.tile_spec import read_spec
from histotile.stages.machine import Machine


@dataclass(frozen=True)
class Inputs:
    """What runs through which network.

    Attributes:
        tiles: Tile tables.
        network: The file of `backbone`; without it PyTorch builds the network.
        slides: Where the slide of each table is; without: where it was when it was tiled.
    """

    tiles: Sequence[Path]
    network: Path | None = None
    slides: Sequence[Path] = ()


@dataclass(frozen=True)
class Outputs:
    """HDF5 of each table: `coords` (N, 2) level-0 px, `features`; and JSON of speed, if any."""

    features: Sequence[Path]
    timings: Sequence[Path] = ()


def run(
    inputs: Inputs,
    outputs: Outputs,
    settings: Embed,
    backbone: Backbone,
    augment: Augment | None,
    machine: Machine,
) -> None:
    """Writes the features of all stages of the network, for every tile that is used.

    Args:
        inputs: Tile tables.
        outputs: A file for each of them.
        settings: Section `embed`.
        backbone: The network.
        augment: What changes in views of a tile; None where there are none.
        machine: What computes.
    """
    tiles = inputs.tiles
    tile_px = _same_tile_px(tiles)
    embedder = load_embedder(backbone, tile_px, machine.engine, inputs.network, machine.threads)
    if embedder.note:
        click.echo(embedder.note, err=True)
    age_s = process_age_s()
    progress = Progress(f"embed {tiles[0].stem}" if len(tiles) == 1 else "embed")
    tables = dict(zip(tiles, inputs.slides, strict=True)) if inputs.slides else tiles
    found = embed_slides(tables, embedder, settings, augment, machine.batch_size, progress)
    for number, (features, profiler) in enumerate(found):
        profiler.start_s, age_s = profiler.start_s + age_s, 0.0
        features.write(outputs.features[number])
        facts = {**profiler.facts(), **describe(embedder.engine)}
        if outputs.timings:
            write_json(outputs.timings[number], facts)
        click.echo(f"{tiles[number].stem}: {profiler.line()}; {engine_words(facts)}")


def _same_tile_px(tables: Sequence[Path]) -> int:
    sizes = {table: read_spec(table).tile_px for table in tables}
    for table, size in sizes.items():
        if size != sizes[tables[0]]:
            fact = f"has tiles of {size} px, {tables[0]} of {sizes[tables[0]]} px"
            raise HistotileError(table, fact, "embed tables of one tile size at a time")
    return sizes[tables[0]]
