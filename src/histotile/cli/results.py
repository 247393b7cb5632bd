"""Verbs that turn predictions into results: learn-slides, aggregate, evaluate, heatmap, ..."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from histotile.cli.options import (
    FILE,
    FOLDER,
    PATH,
    output_option,
    section_option,
    slide_option,
    task_option,
    verb,
)
from histotile.cli.settings import section_settings
from histotile.config import Aggregate, Evaluate, Heatmap, LearnSlides

if TYPE_CHECKING:
    from histotile.tasks.task import Task


@verb("learn_slides")
@click.argument("folds", type=FILE)
@click.option("--features", type=FOLDER, help="Folder of feature files, for methods on features.")
@click.option("--predictions", type=FOLDER, help="Folder of held-out predictions, for others.")
@section_option("aggregate", "Section `aggregate`: the method, and parameters of pooling.")
@click.option("--threads", type=click.IntRange(1), default=1, help="Threads of attention.")
@output_option("Folder: scores.csv, learning.json, attention/{slide_id}.parquet.")
@task_option
def learn_slides(
    folds: Path,
    features: Path | None,
    predictions: Path | None,
    aggregate: Aggregate,
    threads: int,
    output: Path,
    task: "Task",
    settings: LearnSlides,
) -> None:
    """Learn the slides of the fold table FOLDS of their tiles, and score those each fold tests."""
    from histotile.stages import learn_slides as stage

    outputs = stage.Outputs(output / "scores.csv", output / "learning.json", output / "attention")
    inputs = stage.Inputs(folds, features, predictions)
    stage.run(inputs, outputs, settings, aggregate, task, threads)


@verb("aggregate")
@click.argument("predictions", type=FOLDER)
@click.option("--folds", type=FILE, help="Fold table of trained slides.")
@click.option("--cohort", type=FILE, help="Instead of folds: cohort file of new slides.")
@click.option("--learnt", type=FILE, help="Scores that `learn-slides` wrote, if slides are learnt.")
@click.option("--slides", type=PATH, required=True, help="CSV of slide scores to write.")
@click.option("--patients", type=PATH, help="CSV of patient scores to write.")
@task_option
def aggregate(
    predictions: Path,
    folds: Path | None,
    cohort: Path | None,
    learnt: Path | None,
    slides: Path,
    patients: Path | None,
    task: "Task",
    settings: Aggregate,
) -> None:
    """Turn the tile probabilities in the folder PREDICTIONS into slide and patient scores."""
    from histotile.stages import aggregate as stage

    if not folds and not cohort:
        raise click.UsageError("give --folds (trained slides) or --cohort (new slides)")
    inputs = stage.Inputs(predictions, folds, cohort, learnt)
    stage.run(inputs, stage.Outputs(slides, patients), settings, task)


@verb("evaluate")
@click.argument("cohort", type=FILE)
@click.option("--folds", type=FILE, required=True, help="Fold table.")
@click.option("--tiles", type=FOLDER, required=True, help="Folder of tile tables.")
@click.option("--predictions", type=FOLDER, required=True, help="Folder of prediction tables.")
@click.option("--aggregate", "pooling", metavar="JSON", help="Section `aggregate`.")
@click.option("--learnt", type=FILE, help="Scores that `learn-slides` wrote, if slides are learnt.")
@click.option("--attention", type=FOLDER, help="Attention tables that it wrote.")
@click.option("--metrics", type=PATH, required=True, help="CSV to write.")
@click.option("--confusion", type=PATH, required=True, help="CSV of counts to write.")
@click.option("--evaluation", type=PATH, required=True, help="JSON to write, for the report.")
@click.option("--figures", type=PATH, required=True, help="JSON to write, for `report-figures`.")
@task_option
def evaluate(
    cohort: Path,
    folds: Path,
    tiles: Path,
    predictions: Path,
    pooling: str | None,
    learnt: Path | None,
    attention: Path | None,
    metrics: Path,
    confusion: Path,
    evaluation: Path,
    figures: Path,
    task: "Task",
    settings: Evaluate,
) -> None:
    """Measure held-out predictions of COHORT, with intervals, beside a colour-only baseline."""
    from histotile.stages import evaluate as stage

    inputs = stage.Inputs(cohort, folds, tiles, predictions, learnt, attention)
    outputs = stage.Outputs(metrics, confusion, evaluation, figures)
    stage.run(inputs, outputs, settings, section_settings("aggregate", pooling), task)


@verb("heatmap")
@click.argument("tiles", type=FILE)
@click.argument("predictions", type=FILE)
@slide_option
@output_option("PNG of the probabilities over the slide; the other files stand beside it.")
def heatmap(
    tiles: Path, predictions: Path, slide: Path | None, output: Path, settings: Heatmap
) -> None:
    """Paint the probabilities of a slide (tables TILES and PREDICTIONS), and write them for others.

    For S.png: S.map.png (the map alone), S.ome.tif (numbers), S.colour.ome.tif (colours),
    S.geojson (regions above the threshold) and S.tiles.geojson.gz (tiles) for QuPath, S.csv (tiles
    as WSInfer writes them).
    """
    from histotile.stages import heatmap as stage

    if output.suffix != ".png":
        raise click.UsageError(f"{output}: the output is a PNG; name it so")
    stage.run(stage.Inputs(tiles, predictions, slide), stage.Outputs.beside(output), settings)


@verb()
@click.argument("results", type=FOLDER)
@click.option("--cohort", type=FILE, required=True, help="The cohort file.")
@output_option("Folder: label_errors.csv, and {slide_id}.geojson of annotations for QuPath.")
@click.option("--most", type=click.IntRange(1), default=200, show_default=True, help="Most tiles.")
@click.option(
    "--least",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="Least disagreement: 1 - the probability of the label.",
)
def label_errors(results: Path, cohort: Path, output: Path, most: int, least: float) -> None:
    """List the labelled tiles that held-out predictions of the folder RESULTS contradict most.

    In QuPath, change the class of squares whose label is wrong, export them as GeoJSON, and name
    that file in the cohort file, behind the annotation that the slide may have: `old.xml;new.json`.
    """
    from histotile.stages import label_errors as stage

    found = (results / "tile", results / "predict", results / "split/folds.csv")
    stage.run(stage.Inputs(cohort, *found), stage.Outputs(output), most, least)


VERBS = (learn_slides, aggregate, evaluate, heatmap, label_errors)
