"""Measure held-out predictions of a cohort, with intervals, beside a colour-only baseline."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from histotile.aggregation.aggregate import FoldSlide, fold_slides
from histotile.config import Aggregate, Evaluate
from histotile.errors import HistotileError
from histotile.evaluation.attention import Looked, attention_rows
from histotile.evaluation.evaluate import evaluate, evaluate_values
from histotile.evaluation.units import slide_tiles
from histotile.io import tables
from histotile.io.atomic import write_json
from histotile.io.cohort import read_cohort
from histotile.io.text.csv_file import write_columns
from histotile.io.tile_spec import read_spec
from histotile.splitting.fold_table import read_folds
from histotile.stages.aggregate import read_learnt
from histotile.tasks.registry import check_task, check_values
from histotile.tasks.task import Task


@dataclass(frozen=True)
class Inputs:
    """What is measured.

    Attributes:
        cohort: The cohort file.
        folds: Fold table.
        tiles: Folder of tile tables.
        predictions: Folder of prediction tables.
        learnt: Scores that `learn-slides` wrote, where slides are learnt.
        attention: Folder of attention tables that it wrote.
    """

    cohort: Path
    folds: Path
    tiles: Path
    predictions: Path
    learnt: Path | None = None
    attention: Path | None = None


@dataclass(frozen=True)
class Outputs:
    """What was measured.

    Attributes:
        metrics: CSV of every metric at every level.
        confusion: CSV of counts of label and prediction.
        evaluation: JSON of both and more, for the report.
        figures: JSON of what the figures show.
    """

    metrics: Path
    confusion: Path
    evaluation: Path
    figures: Path


def run(
    inputs: Inputs,
    outputs: Outputs,
    settings: Evaluate,
    aggregate: Aggregate,
    task: Task,
) -> None:
    """Writes metrics, confusion, and what report and figures show."""
    table = read_folds(inputs.folds)
    if aggregate.is_learnt and not inputs.learnt:
        fact = f"{aggregate.method} learns slides, and no scores of it are given"
        raise HistotileError("aggregate.method", fact, "give --learnt, or pool tiles")
    learnt = read_learnt(inputs.learnt, task) if inputs.learnt else {}
    slides, looked = [], []
    for member in fold_slides(table):
        path = inputs.tiles / f"{member.slide_id}.parquet"
        spec = read_spec(path)
        check_task(path, spec, task)
        predicted = inputs.predictions / f"{member.slide_id}.parquet"
        check_values(predicted, tables.read_footer(predicted), task)
        guesses = tables.read_table(predicted)
        tiles = tables.read_table(path)
        if inputs.attention:
            looked += _looked(inputs.attention, member, tiles, spec.labels_source, task)
        found = slide_tiles(member, tiles, guesses, spec.labels_source or "", task)
        slides.append(replace(found, learnt=learnt.get(member.slide_id)))
    has_patients = read_cohort(inputs.cohort).has_patients
    measure = evaluate if task.is_exclusive else evaluate_values
    measured = measure(slides, table, task, settings, aggregate, has_patients)
    write_columns(outputs.metrics, measured.metrics)
    write_columns(outputs.confusion, measured.confusion)
    seen = {"attention": attention_rows(looked, task, settings)} if inputs.attention else {}
    write_json(outputs.evaluation, measured.summary | seen)
    write_json(outputs.figures, measured.shown.to_json())


def _looked(
    folder: Path, slide: FoldSlide, tiles: pa.Table, labels_source: str | None, task: Task
) -> list[Looked]:
    """The tiles of a slide that attention scored; none of others."""
    path = folder / f"{slide.slide_id}.parquet"
    if not path.is_file():
        return []
    table = tables.read_table(path)
    own = tiles.take(table["tile_id"])
    labels = task.labels(own["label"].to_pylist()) if labels_source != "slide" else None
    marked = np.logical_or.reduce([own[mark].to_numpy() for mark in ("blur", "pen", "fold")])
    return [Looked(slide.patient_id, table["attention"].to_numpy(), labels, marked)]
