"""List labels that held-out predictions contradict, and write annotations to mend them in."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from histotile.errors import HistotileError
from histotile.evaluation.label_errors import (
    COLUMNS,
    LabelError,
    LabelledSlide,
    find_label_errors,
    label_error_features,
)
from histotile.io.cohort import CohortSlide, read_cohort
from histotile.io.identity import check_same
from histotile.io.progress import Progress
from histotile.io.tables import read_footer, read_table
from histotile.io.text.csv_file import write_columns
from histotile.io.text.qupath import write_features
from histotile.io.tile_spec import TileSpec, read_spec
from histotile.splitting.fold_table import fold_rows
from histotile.tasks.registry import task_of
from histotile.tasks.task import Task

TABLE = "label_errors.csv"
NAMED = 5
WEAK = (
    "Labels here are inherited from the slides: a tile of a lesion's slide may well show none, so "
    "these labels are weak, and many of these tiles are no mistakes. Corrections are taken from "
    "annotations: set tile.labels.source to annotation."
)
TRUSTED = "There is no fold table: that no model has seen the slides it predicts is not checked."


@dataclass(frozen=True)
class Inputs:
    """The cohort file, folders of tile tables and of predictions, and the fold table, if any."""

    cohort: Path
    tiles: Path
    predictions: Path
    folds: Path

    def of_slide(self, slide_id: str) -> tuple[Path, Path]:
        """Tile table and prediction table of a slide."""
        return self.tiles / f"{slide_id}.parquet", self.predictions / f"{slide_id}.parquet"


@dataclass(frozen=True)
class Outputs:
    """Folder of label_errors.csv and, for QuPath, annotations {slide_id}.geojson."""

    folder: Path


def run(inputs: Inputs, outputs: Outputs, most: int, least: float) -> None:
    """Writes the labelled tiles that held-out predictions contradict most.

    Args:
        inputs: Labels and predictions.
        outputs: What is written.
        most: Tiles at most.
        least: Least disagreement: 1 - the probability of the label.

    Raises:
        HistotileError: There are no predictions, some were made by models that have seen the
            slide, or annotations would be overwritten.
    """
    _refuse_overwriting(outputs.folder)
    members = read_cohort(inputs.cohort)
    known = [s for s in members.slides if all(p.is_file() for p in inputs.of_slide(s.slide_id))]
    if not known:
        fact, remedy = "it holds no predictions of this cohort", "run `histotile predict` first"
        raise HistotileError(inputs.predictions, fact, remedy)
    specs = {s.slide_id: read_spec(inputs.of_slide(s.slide_id)[0]) for s in known}
    _tell(inputs, [s.slide_id for s in members.slides if s not in known], specs)
    task = task_of(next(iter(specs.values())))
    if not task.is_exclusive:
        remedy = "look at the tiles of the slide pages instead"
        raise HistotileError("label-errors", f"it compares classes, not labels of {task}", remedy)
    found = find_label_errors(_slides(inputs, known), task, most, least)
    rows = [error.row() for error in found]
    write_columns(outputs.folder / TABLE, {name: [r[name] for r in rows] for name in COLUMNS})
    _write_annotations(outputs.folder, found, task, specs)
    where = len({s.slide_id for s in found})
    kind = "groups" if members.of_images else "slides"
    said = f"label errors: {len(found)}, in {where} of {len(known)} {kind}"
    click.echo(f"{said if found else 'no label errors'}; {outputs.folder / TABLE}")


def _tell(inputs: Inputs, absent: Sequence[str], specs: Mapping[str, TileSpec]) -> None:
    """Say what is missing, and how far the labels and predictions can be trusted."""
    if absent:
        more = " ..." if len(absent) > NAMED else ""
        click.echo(
            f"{len(absent)} without predictions: {', '.join(absent[:NAMED])}{more}", err=True
        )
    if any(spec.labels_source == "slide" for spec in specs.values()):
        click.echo(WEAK, err=True)
    if not inputs.folds.is_file():
        click.echo(TRUSTED, err=True)


def _slides(inputs: Inputs, members: Sequence[CohortSlide]) -> Iterator[LabelledSlide]:
    rows = fold_rows(inputs.folds) if inputs.folds.is_file() else []
    progress = Progress("label-errors", "slides")
    for done, slide in enumerate(members, 1):
        paths = inputs.of_slide(slide.slide_id)
        tested = [r["role"] == "test" for r in rows if r["slide_id"] == slide.slide_id]
        facts = read_footer(paths[1])
        check_same(paths[1], read_spec(paths[0]).identity, facts.get("identity"))
        models = len(facts["models"])
        if tested and models != sum(tested):
            raise HistotileError(
                paths[1],
                f"predicted by {models} models, but {sum(tested)} of them have not seen the slide",
                f"predict it again with --folds {inputs.folds}",
            )
        yield LabelledSlide(slide.slide_id, slide.patient_id, *map(read_table, paths))
        progress(done, len(members))


def _refuse_overwriting(folder: Path) -> None:
    held = sorted(folder.glob("*.geojson"))
    if held:
        raise HistotileError(
            folder,
            f"{len(held)} files of annotations are here, which somebody may have corrected",
            "name another folder, or move them away",
        )


def _write_annotations(
    folder: Path,
    found: Sequence[LabelError],
    task: Task,
    specs: Mapping[str, TileSpec],
) -> None:
    """A file per slide that has any; ready-made tiles have no place on a slide."""
    for slide_id in dict.fromkeys(s.slide_id for s in found if s.file is None):
        spec = specs[slide_id]
        own = [s for s in found if s.slide_id == slide_id]
        features = label_error_features(own, task, spec.size_level0_px or 0.0, spec.bounds)
        write_features(folder / f"{slide_id}.geojson", features)
