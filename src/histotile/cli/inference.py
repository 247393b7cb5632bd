"""Verbs that run networks over tiles: backbone, embed, predict."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from histotile.cli.folds import fold_rows
from histotile.cli.options import (
    FILE,
    PATH,
    backbone_option,
    output_option,
    section_option,
    section_settings,
    threads_option,
    verb,
)
from histotile.cli.progress import Progress
from histotile.config import Backbone, Embed, Engine
from histotile.errors import HistotileError
from histotile.io.atomic import write_json

if TYPE_CHECKING:
    from histotile.inference.ensemble import Ensemble
    from histotile.inference.predict import Prediction

TILES = click.argument("tiles", type=FILE, nargs=-1, required=True)
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
    from histotile.inference.backbone_onnx import write_backbone

    reason = write_backbone(output, backbone, tile_px)
    click.echo(f"PyTorch alone can run it: {reason}" if reason else f"{output}: all engines agree")


@verb("embed")
@TILES
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
    from histotile.data.profiling.profiler import process_age_s
    from histotile.inference.embed import (
        embed_slides,
        load_embedder,
    )
    from histotile.inference.predict import describe
    from histotile.reports.cohort.throughput import engine_words

    _check_names(tiles)
    # JSON is YAML, which `key=value` changes are read as.
    changes = section_settings("train", None, (f"augment={augment}",) if augment else ()).augment
    tile_px = _same_tile_px(tiles)
    embedder = load_embedder(backbone, tile_px, engine, network, threads)
    if embedder.note:
        click.echo(embedder.note, err=True)
    age_s = process_age_s()
    progress = Progress(f"embed {tiles[0].stem}" if len(tiles) == 1 else "embed")
    found = embed_slides(tiles, embedder, settings, changes, batch_size, progress)
    for table, (features, profiler) in zip(tiles, found, strict=True):
        profiler.start_s, age_s = profiler.start_s + age_s, 0.0
        features.write(_place(output, tiles, table, ".h5"))
        facts = {**profiler.facts(), **describe(embedder.engine)}
        if timing:
            write_json(_place(timing, tiles, table, ".timing.json"), facts)
        click.echo(f"{table.stem}: {profiler.line()}; {engine_words(facts)}")


@verb()
@click.argument("model", type=click.Path(exists=True, path_type=Path))
@TILES
@click.option("--folds", type=FILE, help="Fold table: only folds that tested the slide predict it.")
@output_option("Parquet: tile_id, x, y (level-0 px), prob_<class>, distance; or a folder.")
@TIMING
@engine_option
@BATCH
@threads_option
def predict(
    model: Path,
    tiles: tuple[Path, ...],
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
    from histotile.data.profiling.profiler import process_age_s
    from histotile.inference.ensemble import load_members
    from histotile.io.tables import read_footer

    _check_names(tiles)
    judged: dict[tuple[Path, ...], list[Path]] = {}
    for table in tiles:
        paths = _members(model, folds, read_footer(table)["slide_id"]) if folds else [model]
        judged.setdefault(tuple(paths), []).append(table)
    begun_s = 0.0
    for members, tables in judged.items():
        ensemble = load_members(members, engine, threads)
        ensemble.prepare()
        predict_to(
            {t: _place(output, tiles, t, ".parquet") for t in tables},
            {t: _place(timing, tiles, t, ".timing.json") for t in tables} if timing else {},
            ensemble,
            process_age_s() - begun_s,
            batch_size,
        )
        begun_s = process_age_s()


def predict_to(
    outputs: dict[Path, Path],
    timings: dict[Path, Path],
    ensemble: "Ensemble",
    start_s: float,
    batch_size: int | None = None,
) -> None:
    """Write the prediction tables of slides, and say how fast it went.

    Speed stands on the terminal and in the timing, not in the table: the same tiles give the same
    bytes.

    Args:
        outputs: Where the predictions of each tile table go.
        timings: Where the JSON about speed goes, of the tables that are to have one.
        ensemble: Who judges.
        start_s: Seconds it took to have the ensemble ready; the first slide's timing counts them.
        batch_size: Tiles at once; None: what suits the engine.
    """
    from histotile.inference.model_metadata import MOST_LOST
    from histotile.inference.predict import predict_slides
    from histotile.io.tables import (
        prediction_schema,
        write_table,
    )
    from histotile.reports.cohort.throughput import engine_words

    for note in ensemble.notes:
        click.echo(note, err=True)
    tables = list(outputs)
    progress = Progress(f"predict {tables[0].stem}" if len(tables) == 1 else "predict")
    predictions = predict_slides(tables, ensemble, batch_size, progress)
    for table, found in zip(tables, predictions, strict=True):
        found.profiler.start_s, start_s = found.profiler.start_s + start_s, 0.0
        write_table(outputs[table], found.columns, prediction_schema(found.classes), found.facts)
        if table in timings:
            write_json(timings[table], found.timing())
        click.echo(
            f"{found.facts['slide_id']}: {found.profiler.line()}; {engine_words(found.facts)}"
        )
        _announce(found)
        if found.facts["lost_share"] > MOST_LOST:
            lost = f"{found.facts['lost_share']:.0%} of the tiles could not be read"
            fact = f"{lost}: the score stands for the rest alone"
            click.echo(f"Attention: {found.facts['slide_id']}: {fact}", err=True)


def _announce(prediction: "Prediction") -> None:
    """Say of a slide that its score may mean nothing, if so."""
    from histotile.trust.judging import Familiarity
    from histotile.trust.sentences import tell, tell_rate

    found = Familiarity(**prediction.facts["familiarity"])
    if found.flag == "familiar" or not len(prediction.columns["tile_id"]):
        return
    rate = tell_rate(found)
    told = f"{tell(found)} ({rate})" if rate else tell(found)
    click.echo(f"Attention: {prediction.facts['slide_id']} is {told}", err=True)


def _place(output: Path, tables: Sequence[Path], table: Path, suffix: str) -> Path:
    """The output itself for a single table; for several a file in it, named like the table."""
    return output if len(tables) == 1 else output / f"{table.stem}{suffix}"


def _check_names(tables: Sequence[Path]) -> None:
    """Raises unless each table's file has a name of its own, which that of its output is."""
    seen: dict[str, Path] = {}
    for table in tables:
        if (other := seen.setdefault(table.stem, table)) is not table:
            fact = f"has the name of {other}, and would overwrite what comes of it"
            raise HistotileError(table, fact, "run them one by one, or rename one")


def _same_tile_px(tables: Sequence[Path]) -> int:
    from histotile.io.tables import read_footer

    sizes = {table: int(read_footer(table)["tile_px"]) for table in tables}
    for table, size in sizes.items():
        if size != sizes[tables[0]]:
            fact = f"has tiles of {size} px, {tables[0]} of {sizes[tables[0]]} px"
            raise HistotileError(table, fact, "embed tables of one tile size at a time")
    return sizes[tables[0]]


def _members(model: Path, folds: Path, slide_id: str) -> list[Path]:
    """The folds that tested the slide; all of them for a slide outside the fold table."""
    rows = fold_rows(folds)
    tested = {r["fold"] for r in rows if r["slide_id"] == slide_id and r["role"] == "test"}
    known = any(r["slide_id"] == slide_id for r in rows)
    if known and not tested:
        raise HistotileError(slide_id, "no fold tests it", "split again")
    return [model / f"fold{fold}" for fold in sorted(tested or {r["fold"] for r in rows})]
