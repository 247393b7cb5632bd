"""The verb `label-errors`: labels worth a second look, and the way back as annotations."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from histotile.cli.options import FILE, FOLDER, output_option, verb
from histotile.cli.progress import Progress
from histotile.errors import HistotileError
from histotile.io import cohort as cohorts

if TYPE_CHECKING:
    from histotile.evaluation.label_errors import (
        LabelError,
        LabelledSlide,
    )

TABLE = "label_errors.csv"
NAMED = 5
WEAK = (
    "Labels here are inherited from the slides: a tile of a lesion's slide may well show none, so "
    "these labels are weak, and many of these tiles are no mistakes. Corrections are taken from "
    "annotations: set tile.labels.source to annotation."
)
TRUSTED = "There is no fold table: that no model has seen the slides it predicts is not checked."


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
    from histotile.evaluation.label_errors import find_label_errors

    _refuse_overwriting(output)
    members = cohorts.read_cohort(cohort)
    known = [s for s in members.slides if _tables(results, s.slide_id)]
    if not known:
        raise HistotileError(
            results, "it holds no predictions of this cohort", "run `histotile predict` first"
        )
    footers = {s.slide_id: _footer(results, s.slide_id) for s in known}
    _tell(results, [s.slide_id for s in members.slides if s not in known], footers)
    classes = next(iter(footers.values()))["classes"]
    found = find_label_errors(_slides(results, known), classes, most, least)
    _write_table(output / TABLE, found)
    _write_annotations(output, found, classes, footers)
    where = len({s.slide_id for s in found})
    kind = "groups" if members.of_images else "slides"
    said = (
        f"label errors: {len(found)}, in {where} of {len(known)} {kind}"
        if found
        else "no label errors"
    )
    click.echo(f"{said}; {output / TABLE}")


def _tables(results: Path, slide_id: str) -> tuple[Path, Path] | None:
    """Tile table and prediction table of a slide; None unless both are there."""
    paths = results / "tile" / f"{slide_id}.parquet", results / "predict" / f"{slide_id}.parquet"
    return paths if all(path.is_file() for path in paths) else None


def _footer(results: Path, slide_id: str) -> Mapping[str, Any]:
    from histotile.io.tables import read_footer

    return read_footer(results / "tile" / f"{slide_id}.parquet")


def _tell(results: Path, absent: Sequence[str], footers: Mapping[str, Mapping[str, Any]]) -> None:
    """Say what is missing, and how far the labels and predictions can be trusted."""
    if absent:
        more = " ..." if len(absent) > NAMED else ""
        click.echo(
            f"{len(absent)} without predictions: {', '.join(absent[:NAMED])}{more}", err=True
        )
    if any(footer["labels_source"] == "slide" for footer in footers.values()):
        click.echo(WEAK, err=True)
    if not (results / "split/folds.csv").is_file():
        click.echo(TRUSTED, err=True)


def _slides(results: Path, members: Sequence[cohorts.CohortSlide]) -> "Iterator[LabelledSlide]":
    from histotile.cli.folds import fold_rows
    from histotile.evaluation.label_errors import LabelledSlide
    from histotile.io.identity import check_same
    from histotile.io.tables import (
        read_footer,
        read_table,
    )

    folds = results / "split/folds.csv"
    rows = fold_rows(folds) if folds.is_file() else []
    progress = Progress("label-errors", "slides")
    for done, slide in enumerate(members, 1):
        paths = _tables(results, slide.slide_id)
        assert paths is not None  # members were chosen by having them
        tested = [r["role"] == "test" for r in rows if r["slide_id"] == slide.slide_id]
        facts = read_footer(paths[1])
        check_same(paths[1], read_footer(paths[0]).get("identity"), facts.get("identity"))
        models = len(facts["models"])
        if tested and models != sum(tested):
            raise HistotileError(
                paths[1],
                f"predicted by {models} models, but {sum(tested)} of them have not seen the slide",
                f"predict it again with --folds {folds}",
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


def _write_table(path: Path, found: "Sequence[LabelError]") -> None:
    from histotile.evaluation.label_errors import COLUMNS
    from histotile.io.atomic import write_text

    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(error.row() for error in found)
    write_text(path, text.getvalue())


def _write_annotations(
    folder: Path,
    found: "Sequence[LabelError]",
    classes: Sequence[str],
    footers: Mapping[str, Mapping[str, Any]],
) -> None:
    """A file per slide that has any; ready-made tiles have no place on a slide."""
    from histotile.evaluation.label_errors import label_error_features
    from histotile.io.qupath import write_features

    for slide_id in dict.fromkeys(s.slide_id for s in found if s.file is None):
        footer = footers[slide_id]
        own = [s for s in found if s.slide_id == slide_id]
        features = label_error_features(own, classes, footer["size_level0_px"], footer["bounds"])
        write_features(folder / f"{slide_id}.geojson", features)


VERBS = (label_errors,)
