"""Turn tile probabilities into a score per slide and per patient."""

from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from histotile.aggregation.aggregate import FoldSlide, LearntScore, PredictedTiles, fold_slides
from histotile.aggregation.cohort import aggregate_cohort
from histotile.config import Aggregate
from histotile.errors import HistotileError
from histotile.io.cohort import read_cohort
from histotile.io.tables import read_footer, read_table
from histotile.io.text.csv_file import read_csv_file, write_columns
from histotile.splitting.fold_table import read_folds
from histotile.stages.files import read_familiarity
from histotile.tasks.registry import check_values
from histotile.tasks.task import Task, read_values


@dataclass(frozen=True)
class Inputs:
    """The predictions, and which slides are scored.

    Attributes:
        predictions: Folder of prediction tables.
        folds: Fold table, for slides of the cohort.
        cohort: Or the cohort file, for new slides.
        learnt: Scores that `learn-slides` wrote, where slides are learnt.
    """

    predictions: Path
    folds: Path | None = None
    cohort: Path | None = None
    learnt: Path | None = None


@dataclass(frozen=True)
class Outputs:
    """CSV of slide scores, and of patient scores if asked for."""

    slides: Path
    patients: Path | None = None


def run(inputs: Inputs, outputs: Outputs, settings: Aggregate, task: Task) -> None:
    """Writes the scores."""
    members = _members(inputs)
    tiles = ((m.slide_id, read_tiles(inputs.predictions, m.slide_id, task)) for m in members)
    learnt = read_learnt(inputs.learnt, task) if inputs.learnt else None
    by_slide, by_patient = aggregate_cohort(members, tiles, task, settings, learnt)
    write_columns(outputs.slides, by_slide)
    if outputs.patients:
        write_columns(outputs.patients, by_patient)
    scored = sum(n > 0 for n in by_slide["n_tiles"])
    click.echo(f"{scored} of {len(members)} slides have tiles and a score")


def _members(inputs: Inputs) -> list[FoldSlide]:
    if inputs.folds:
        return fold_slides(read_folds(inputs.folds))
    assert inputs.cohort is not None, "one of the two is given"
    slides = read_cohort(inputs.cohort).slides
    return [FoldSlide(s.slide_id, s.patient_id, s.label, s.site, "new") for s in slides]


def read_learnt(path: Path, task: Task) -> dict[str, LearntScore]:
    """slide_id -> its learnt score, from what `learn-slides` wrote.

    Raises:
        HistotileError: It was written for other names.
    """
    found = read_csv_file(
        path, {"slide_id": (), "method": (), **{f"score_{name}": () for name in task.names}}
    )
    names = ["method", *(f"score_{name}" for name in task.names)]
    if missing := [name for name in names if name not in found.columns]:
        fact = f"has no columns {', '.join(missing)}"
        raise HistotileError(path, fact, "run `histotile learn-slides` again")
    return {
        row["slide_id"]: LearntScore(
            np.array([float(row[f"score_{name}"]) for name in task.names]), row["method"]
        )
        for row in found.rows
    }


def read_tiles(folder: Path, slide_id: str, task: Task) -> PredictedTiles:
    """Values of a slide's tiles from its table in a folder of predictions."""
    path = folder / f"{slide_id}.parquet"
    check_values(path, read_footer(path), task)
    table, known = read_table(path), read_familiarity(path)
    x, y = table["x"].to_numpy(), table["y"].to_numpy()
    return PredictedTiles(x, y, read_values(task, table), known.distance, known.flag)
