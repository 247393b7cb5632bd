"""Turn tile probabilities into a score per slide and per patient."""

from dataclasses import dataclass
from pathlib import Path

import click

from histotile.aggregation.aggregate import FoldSlide, PredictedTiles, aggregate_cohort, fold_slides
from histotile.config import Aggregate
from histotile.io.cohort import read_cohort
from histotile.io.tables import read_footer, read_table
from histotile.io.text.csv_file import write_columns
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
    """

    predictions: Path
    folds: Path | None = None
    cohort: Path | None = None


@dataclass(frozen=True)
class Outputs:
    """CSV of slide scores, and of patient scores if asked for."""

    slides: Path
    patients: Path | None = None


def run(inputs: Inputs, outputs: Outputs, settings: Aggregate, task: Task) -> None:
    """Writes the scores."""
    members = _members(inputs)
    tiles = ((m.slide_id, read_tiles(inputs.predictions, m.slide_id, task)) for m in members)
    by_slide, by_patient = aggregate_cohort(members, tiles, task, settings)
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


def read_tiles(folder: Path, slide_id: str, task: Task) -> PredictedTiles:
    """Values of a slide's tiles from its table in a folder of predictions."""
    path = folder / f"{slide_id}.parquet"
    check_values(path, read_footer(path), task)
    table, known = read_table(path), read_familiarity(path)
    x, y = table["x"].to_numpy(), table["y"].to_numpy()
    return PredictedTiles(x, y, read_values(task, table), known.distance, known.flag)
