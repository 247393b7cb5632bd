"""Choose the strategy of transfer learning from measured data."""

from dataclasses import dataclass
from pathlib import Path

import click
from threadpoolctl import threadpool_limits

from histotile.config import Decide, Train
from histotile.io.atomic import write_text
from histotile.io.cohort import read_cohort
from histotile.io.text.csv_file import write_columns
from histotile.splitting.fold_table import fold_rows
from histotile.strategy.cost import DecisionContext, read_effort
from histotile.strategy.decide import decide
from histotile.strategy.headline import tell_first
from histotile.strategy.leakage.load_files import gather_alarm_files, gather_tiles
from histotile.strategy.leakage.suggested_groups import suggest_groups
from histotile.strategy.left_out import find_left_out
from histotile.strategy.load_evidence import gather_evidence, patients_of_folds
from histotile.strategy.record import Decision
from histotile.tasks.task import Task


@dataclass(frozen=True)
class Inputs:
    """What the decision rests on.

    Attributes:
        cohort: The cohort file.
        folds: Fold table.
        features: Folder of features.
        baseline: What `baseline` wrote.
        tiles: Folder of tile tables.
        inspections: Folder of inspections, for file formats and mpp.
    """

    cohort: Path
    folds: Path
    features: Path
    baseline: Path
    tiles: Path
    inspections: Path | None = None


@dataclass(frozen=True)
class Outputs:
    """The decision; its fields stand in strategy/decision.schema.json of the package.

    Attributes:
        decision: JSON.
        groups: CSV of groups that share no tiles: a cohort file (path, label, group) for ready-made
            tiles, slide_id and patient_id for slides; no rows where nothing is shared.
    """

    decision: Path
    groups: Path


def run(inputs: Inputs, outputs: Outputs, settings: Decide, train: Train, task: Task) -> None:
    """Writes strategy and reasons."""
    rows = [row | {"fold": f"fold{row['fold']}"} for row in fold_rows(inputs.folds)]
    cohort = read_cohort(inputs.cohort)
    evidence = gather_evidence(
        inputs.features, inputs.baseline, inputs.tiles, rows, task, cohort.has_patients
    )
    left_out = find_left_out(
        {slide.slide_id: slide.patient_id for slide in cohort.slides}, inputs.tiles, rows, task
    )
    timings = sorted(inputs.features.glob("*.timing.json"))
    effort = read_effort(timings, inputs.tiles, rows, task, train.max_tiles_per_slide)
    with threadpool_limits(1):  # matrices are small: more threads would wait for each other
        files = gather_alarm_files(inputs.features, inputs.inspections, rows, settings)
        by_fold = patients_of_folds(rows, evidence)
        decision = decide(
            evidence, settings, train, by_fold, files, DecisionContext(left_out, effort)
        )
    tiles = gather_tiles(cohort, inputs.tiles, inputs.features)
    patients = {str(row["slide_id"]): str(row["patient_id"]) for row in rows}
    assert files.duplicates is not None, "sought above"
    write_columns(outputs.groups, suggest_groups(files.duplicates, patients, tiles))
    write_text(outputs.decision, decision.model_dump_json(indent=2) + "\n")
    _tell(decision)


def _tell(decision: Decision) -> None:
    errors = [alarm for alarm in decision.alarms if alarm.level == "error"]
    if errors:
        click.echo(f"{tell_first(decision, ())}.")
    for alarm in errors:
        known_as = f"[{alarm.finding.id}] " if alarm.is_leak else ""
        click.echo(f"  {known_as}{alarm.fact}. Remedy: {alarm.remedy}")
    seen = ", ".join(map(str, decision.stages))
    where = f" on stages {seen}" if decision.strategy == "early_probe" else ""
    chosen = f"{decision.strategy}{where} ({decision.chosen_by}"
    if decision.similarity.basis == "nothing":
        click.echo(f"{decision.similarity.reasons[-1]} Trained all the same: {chosen})")
    else:
        share = decision.frequencies.get(decision.table_strategy, 0.0)
        click.echo(
            f"{decision.size.verdict} x {decision.similarity.verdict} -> {chosen}; "
            f"{100 * share:.0f} % of resampled cohorts agree with the table)"
        )
    if cost := decision.costs.get(decision.strategy):
        click.echo(f"Training all folds: {cost.hours:.2g} processor hours by forecast")
    for line in decision.left_out.patients:
        click.echo(f"Attention: {line}", err=True)
    for alarm in decision.alarms[len(errors) :]:
        click.echo(f"{alarm.level.capitalize()}: {alarm.fact}. {alarm.remedy}", err=True)
