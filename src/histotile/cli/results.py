"""Verbs that turn predictions into results: aggregate, evaluate, heatmap."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from histotile.cli.options import (
    FILE,
    FOLDER,
    PATH,
    classes_option,
    output_option,
    section_settings,
    verb,
)
from histotile.config import Aggregate, Evaluate, Heatmap
from histotile.io import cohort as cohorts

if TYPE_CHECKING:
    from histotile.aggregation.aggregate import (
        FoldSlide,
        PredictedTiles,
    )


@verb("aggregate")
@click.argument("predictions", type=FOLDER)
@click.option("--folds", type=FILE, help="Fold table of trained slides.")
@click.option("--cohort", type=FILE, help="Instead of folds: cohort file of new slides.")
@click.option("--slides", type=PATH, required=True, help="CSV of slide scores to write.")
@click.option("--patients", type=PATH, help="CSV of patient scores to write.")
@classes_option
def aggregate(
    predictions: Path,
    folds: Path | None,
    cohort: Path | None,
    slides: Path,
    patients: Path | None,
    classes: tuple[str, ...],
    settings: Aggregate,
) -> None:
    """Turn the tile probabilities in the folder PREDICTIONS into slide and patient scores."""
    from histotile.aggregation.aggregate import aggregate_cohort
    from histotile.tasks.registry import make_task

    members = _members(folds, cohort)
    tiles = ((m.slide_id, _probabilities(predictions, m.slide_id, classes)) for m in members)
    by_slide, by_patient = aggregate_cohort(members, tiles, make_task(classes), settings)
    _write_csv(slides, by_slide)
    if patients:
        _write_csv(patients, by_patient)
    scored = sum(n > 0 for n in by_slide["n_tiles"])
    click.echo(f"{scored} of {len(members)} slides have tiles and a score")


@verb("evaluate")
@click.argument("cohort", type=FILE)
@click.option("--folds", type=FILE, required=True, help="Fold table.")
@click.option("--tiles", type=FOLDER, required=True, help="Folder of tile tables.")
@click.option("--predictions", type=FOLDER, required=True, help="Folder of prediction tables.")
@click.option("--aggregate", "pooling", metavar="JSON", help="Section `aggregate`.")
@click.option("--metrics", type=PATH, required=True, help="CSV to write.")
@click.option("--evaluation", type=PATH, required=True, help="JSON to write, for the report.")
@click.option(
    "--pictures",
    type=PATH,
    required=True,
    help="Folder to write roc.svg, pr.svg, reliability.svg and scores.svg in.",
)
@classes_option
def evaluate(
    cohort: Path,
    folds: Path,
    tiles: Path,
    predictions: Path,
    pooling: str | None,
    metrics: Path,
    evaluation: Path,
    pictures: Path,
    classes: tuple[str, ...],
    settings: Evaluate,
) -> None:
    """Measure held-out predictions of COHORT, with intervals, beside a colour-only baseline."""
    from histotile.aggregation.aggregate import fold_slides
    from histotile.evaluation.evaluate import evaluate as measure
    from histotile.evaluation.figures.figures import draw_pictures
    from histotile.evaluation.units import slide_tiles
    from histotile.io import tables
    from histotile.io.atomic import (
        write_json,
        write_text,
    )
    from histotile.splitting.fold_table import read_folds
    from histotile.tasks.registry import make_task

    table, task = read_folds(folds), make_task(classes)
    slides = []
    for member in fold_slides(table):
        path = tiles / f"{member.slide_id}.parquet"
        source = tables.read_footer(path)["labels_source"]
        guesses = tables.read_table(predictions / f"{member.slide_id}.parquet")
        slides.append(slide_tiles(member, tables.read_table(path), guesses, source, task))
    has_patients = cohorts.read_cohort(cohort).has_patients
    pool: Aggregate = section_settings("aggregate", pooling)
    found = measure(slides, table, task, settings, pool, has_patients)
    _write_csv(metrics, found.metrics)
    _write_csv(metrics.with_name("confusion.csv"), found.confusion)
    write_json(evaluation, found.summary)
    for name, svg in draw_pictures(found.shown, found.summary).items():
        write_text(pictures / name, svg)


@verb("heatmap")
@click.argument("tiles", type=FILE)
@click.argument("predictions", type=FILE)
@output_option("PNG of the probabilities over the slide; the other files stand beside it.")
def heatmap(tiles: Path, predictions: Path, output: Path, settings: Heatmap) -> None:
    """Paint the probabilities of a slide (tables TILES and PREDICTIONS), and write them for others.

    For S.png: S.map.png (the map alone), S.ome.tif (numbers), S.colour.ome.tif (colours),
    S.geojson (regions above the threshold) and S.tiles.geojson.gz (tiles) for QuPath, S.csv (tiles
    as WSInfer writes them).
    """
    from histotile.cli.painting import paint

    if output.suffix != ".png":
        raise click.UsageError(f"{output}: the output is a PNG; name it so")
    paint(tiles, predictions, output, settings)


def _members(folds: Path | None, cohort: Path | None) -> "list[FoldSlide]":
    from histotile.aggregation.aggregate import (
        FoldSlide,
        fold_slides,
    )
    from histotile.splitting.fold_table import read_folds

    if folds:
        return fold_slides(read_folds(folds))
    if not cohort:
        raise click.UsageError("give --folds (trained slides) or --cohort (new slides)")
    slides = cohorts.read_cohort(cohort).slides
    return [FoldSlide(s.slide_id, s.patient_id, s.label, s.site, "new") for s in slides]


def _probabilities(folder: Path, slide_id: str, classes: Sequence[str]) -> "PredictedTiles":
    from histotile.aggregation.aggregate import PredictedTiles
    from histotile.cli.files import read_familiarity
    from histotile.io.tables import read_table
    from histotile.tasks.registry import make_task
    from histotile.tasks.task import read_values

    path = folder / f"{slide_id}.parquet"
    table, known = read_table(path), read_familiarity(path)
    probabilities = read_values(make_task(classes), table)
    x, y = table["x"].to_numpy(), table["y"].to_numpy()
    return PredictedTiles(x, y, probabilities, known.distance, known.flag)


def _write_csv(path: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    from histotile.io.atomic import write_text

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    write_text(path, text.getvalue())


VERBS = (aggregate, evaluate, heatmap)
