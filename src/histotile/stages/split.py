"""Divide the patients of a cohort into folds."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from histotile.config import Split
from histotile.errors import HistotileError
from histotile.io.cohort import Cohort, read_cohort
from histotile.io.cohort_checks import accepted_lines, check_classes, check_cohort
from histotile.io.names import choose
from histotile.io.text.csv_file import read_csv_file, some
from histotile.io.vocabulary import VERDICTS
from histotile.splitting.fold_table import write_folds
from histotile.splitting.splits import make_folds
from histotile.splitting.strata import slide_strata
from histotile.tasks.task import Task


@dataclass(frozen=True)
class Inputs:
    """The cohort file, and the ledger of `triage`; None: all slides are used."""

    cohort: Path
    triage: Path | None = None


@dataclass(frozen=True)
class Outputs:
    """CSV of folds: the role of each slide in each fold."""

    folds: Path


def run(
    inputs: Inputs,
    outputs: Outputs,
    settings: Split,
    task: Task,
    accept: Mapping[str, str],
) -> None:
    """Writes folds in which no patient stands on two sides."""
    found = read_cohort(inputs.cohort)
    check_classes(task.names, accept)
    check_cohort(found, accept, inputs.cohort)
    usable = _usable(inputs.triage, found) if inputs.triage else {s.slide_id for s in found.slides}
    slides = [s for s in found.slides if s.slide_id in usable]
    classes, slides = slide_strata(task, slides, settings.folds)
    write_folds(outputs.folds, make_folds(slides, settings, classes, found.has_patients))
    for line in accepted_lines(found, accept):
        click.echo(line)
    if not found.has_patients:
        click.echo("Attention: no patient_id given; patient leakage cannot be excluded")


def _usable(ledger: Path, cohort: Cohort) -> set[str]:
    """The slides that the ledger finds in order; it must judge every slide of the cohort."""
    found = read_csv_file(ledger, {"slide_id": (), "verdict": ()}, long_cells=True)
    if not {"slide_id", "verdict"} <= set(found.columns):
        raise HistotileError(ledger, "it lacks slide_id or verdict", "run `histotile triage` again")
    verdicts = {row["slide_id"]: choose(row["verdict"], VERDICTS) for row in found.rows}
    wrong = [
        f"row {number}: verdict {row['verdict']!r} is none of {', '.join(VERDICTS)}"
        for number, row in found
        if verdicts[row["slide_id"]] is None
    ]
    unjudged = [s.slide_id for s in cohort.slides if s.slide_id not in verdicts]
    if unjudged:
        wrong.append(f"it does not judge slides {some(unjudged, ', ')}")
    if wrong:
        raise HistotileError(ledger, some(wrong), "run `histotile triage` again")
    return {name for name, verdict in verdicts.items() if verdict == "ok"}
