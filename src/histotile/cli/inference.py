"""Verbs that run networks over tiles: backbone, embed, predict."""

from collections.abc import Sequence
from pathlib import Path

import click

from histotile.cli.options import (
    FILE,
    PATH,
    backbone_option,
    output_option,
    places,
    section_option,
    threads_option,
    verb,
)
from histotile.cli.settings import read_object, section_settings
from histotile.config import Augment, Backbone, Embed, Engine
from histotile.config.yaml_file import validate
from histotile.errors import HistotileError

TILES = click.argument("tiles", type=FILE, nargs=-1, required=True)
SLIDES = click.option(
    "--slide",
    "slides",
    type=PATH,
    multiple=True,
    help="Where the slide of each table is, in their order; default: where it was when tiled.",
)
BATCH = click.option(
    "--batch-size", type=click.IntRange(1), help="Tiles at once; default: what suits the engine."
)
TIMING = click.option(
    "--timing", type=PATH, help="JSON: where the time went (of several tables: a folder)."
)
engine_option = section_option(
    "engine", "What runs the networks: the section `engine`; default: config.yaml."
)


@verb()
@click.option("--tile-px", type=click.IntRange(1), required=True, help="Size of the tiles.")
@output_option("ONNX: uint8-scaled RGB tiles (0-1) in, features of all stages out.")
@backbone_option
def backbone(tile_px: int, output: Path, backbone: Backbone) -> None:
    """Write the frozen backbone as one file, by which `embed` needs no PyTorch on a processor."""
    from histotile.stages import backbone as stage

    stage.run(stage.Outputs(output), backbone, tile_px)


@verb("embed")
@TILES
@SLIDES
@click.option("--augment", metavar="JSON", help="What changes in views; default: train.augment.")
@click.option("--network", type=FILE, help="File of `backbone`; without it PyTorch builds it.")
@output_option("HDF5: `coords` (N, 2) level-0 px, `features`, earlier stages; or a folder.")
@TIMING
@backbone_option
@engine_option
@BATCH
@threads_option
def embed(
    tiles: tuple[Path, ...],
    slides: tuple[Path, ...],
    augment: str | None,
    network: Path | None,
    output: Path,
    timing: Path | None,
    backbone: Backbone,
    engine: Engine,
    batch_size: int | None,
    threads: int,
    settings: Embed,
) -> None:
    """Run the tiles of slides (tables TILES) through the frozen backbone; keep the features.

    Several tables at once: --output is a folder, a file per table goes there.
    """
    from histotile.stages import embed as stage
    from histotile.stages.machine import Machine

    changes = validate(Augment, read_object("--augment", augment), "--augment") if augment else None
    if settings.views and changes is None:
        changes = section_settings("train", None).augment
    outputs = stage.Outputs(*_places(tiles, (output, ".h5"), (timing, ".timing.json")))
    machine = Machine(engine, threads, batch_size)
    _check_slides(tiles, slides)
    stage.run(stage.Inputs(tiles, network, slides), outputs, settings, backbone, changes, machine)


@verb()
@click.argument("model", type=click.Path(exists=True, path_type=Path))
@TILES
@SLIDES
@click.option("--folds", type=FILE, help="Fold table: only folds that tested the slide predict it.")
@output_option("Parquet: tile_id, x, y (level-0 px), prob_<class>, distance; or a folder.")
@TIMING
@engine_option
@BATCH
@threads_option
def predict(
    model: Path,
    tiles: tuple[Path, ...],
    slides: tuple[Path, ...],
    folds: Path | None,
    output: Path,
    timing: Path | None,
    engine: Engine,
    batch_size: int | None,
    threads: int,
) -> None:
    """Predict the tiles of slides (tables TILES) with MODEL: a folder of folds, a fold, a file.

    Several tables at once: --output is a folder, a file per table goes there.
    """
    from histotile.stages import predict as stage
    from histotile.stages.machine import Machine

    outputs = stage.Outputs(*_places(tiles, (output, ".parquet"), (timing, ".timing.json")))
    machine = Machine(engine, threads, batch_size)
    _check_slides(tiles, slides)
    stage.run(stage.Inputs(model, tiles, folds, slides), outputs, machine)


def _check_slides(tables: Sequence[Path], slides: Sequence[Path]) -> None:
    if slides and len(slides) != len(tables):
        raise click.UsageError(f"{len(tables)} tables, but {len(slides)} slides; give one for each")


def _places(tables: Sequence[Path], *kinds: tuple[Path | None, str]) -> list[list[Path]]:
    """What comes of each table: the output itself of a single one; of several a file in it.

    Raises:
        HistotileError: Two tables have one name, which that of their outputs is.
    """
    seen: dict[str, Path] = {}
    for table in tables:
        if (other := seen.setdefault(table.stem, table)) is not table:
            fact = f"has the name of {other}, and would overwrite what comes of it"
            raise HistotileError(table, fact, "run them one by one, or rename one")
    return [places(output, list(seen), end) if output else [] for output, end in kinds]
