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
from histotile.strategy.decide import decide
from histotile.strategy.leakage.load_files import gather_alarm_files, gather_tiles
from histotile.strategy.leakage.suggested_groups import suggest_groups
from histotile.strategy.load_evidence import gather_evidence, patients_of_folds
from histotile.strategy.record import Decision
from histotile.tasks.registry import make_task


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


def run(
    inputs: Inputs, outputs: Outputs, settings: Decide, train: Train, classes: tuple[str, ...]
) -> None:
    """Writes strategy and reasons."""
    rows = [row | {"fold": f"fold{row['fold']}"} for row in fold_rows(inputs.folds)]
    cohort = read_cohort(inputs.cohort)
    evidence = gather_evidence(
        inputs.features,
        inputs.baseline,
        inputs.tiles,
        rows,
        make_task(classes),
        cohort.has_patients,
    )
    with threadpool_limits(1):  # matrices are small: more threads would wait for each other
        files = gather_alarm_files(inputs.features, inputs.inspections, rows, settings)
        decision = decide(evidence, settings, train, patients_of_folds(rows, evidence), files)
    tiles = gather_tiles(cohort, inputs.tiles, inputs.features)
    patients = {str(row["slide_id"]): str(row["patient_id"]) for row in rows}
    assert files.duplicates is not None, "sought above"
    write_columns(outputs.groups, suggest_groups(files.duplicates, patients, tiles))
    write_text(outputs.decision, decision.model_dump_json(indent=2) + "\n")
    _tell(decision)


def _tell(decision: Decision) -> None:
    where = f" after stage {decision.stage}" if decision.strategy == "early_probe" else ""
    by = "set by hand" if decision.forced else "by the table"
    click.echo(
        f"{decision.size.verdict} x {decision.similarity.verdict} -> {decision.strategy}{where} "
        f"({by}; {100 * decision.frequencies.get(decision.table_strategy, 0.0):.0f} % of resampled "
        "cohorts agree with the table)"
    )
    for alarm in decision.alarms:
        click.echo(f"{alarm.level.capitalize()}: {alarm.fact}. {alarm.remedy}", err=True)
