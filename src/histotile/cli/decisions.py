"""Verbs of the decision table: ruler, control, decide, rehearse, verify."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from histotile.cli.folds import fold_rows, fold_slides
from histotile.cli.options import (
    FILE,
    FOLDER,
    PATH,
    as_changes,
    backbone_option,
    classes_option,
    output_option,
    section_settings,
    threads_option,
    verb,
)
from histotile.cli.progress import Progress
from histotile.config import Backbone, Control, Decide, Train, Verify
from histotile.errors import HistotileError

if TYPE_CHECKING:
    from histotile.strategy.record import Decision

FOLDS_FILE = click.option("--folds", type=FILE, required=True, help="Fold table.")
TILES = click.option("--tiles", type=FOLDER, required=True, help="Folder of tile tables.")
DECISION = click.option("--decision", type=FILE, required=True, help="decision.json.")


@verb()
@click.argument("photographs", type=FOLDER)
@click.option("--tile-px", type=click.IntRange(16), required=True, help="Side of the tiles, px.")
@output_option("JSON for `control.ruler`.")
@backbone_option
@threads_option
def ruler(photographs: Path, tile_px: int, output: Path, backbone: Backbone, threads: int) -> None:
    """What a shift of batch-norm statistics means for a backbone, from natural PHOTOGRAPHS."""
    from histotile.io.atomic import write_json
    from histotile.strategy.controls.batch_norm_reference import build_ruler

    found = build_ruler(backbone, photographs, tile_px, threads, Progress("ruler", "crops"))
    write_json(output, found)
    click.echo(f"{output}: {found['photographs']} photographs, {found['crops']} crops")


@verb("control")
@click.argument("folds", type=FILE)
@TILES
@output_option("HDF5: the sample of tiles, and their features by random weights.")
@classes_option
@backbone_option
@threads_option
def control(
    folds: Path,
    tiles: Path,
    output: Path,
    classes: tuple[str, ...],
    backbone: Backbone,
    threads: int,
    settings: Control,
) -> None:
    """Hold the backbone against random weights on tiles of the slides in FOLDS."""
    from histotile.strategy.controls.random_features import (
        ControlSlide,
        measure_control,
    )

    roles: dict[tuple[str, str], set[str]] = {}
    for row in fold_rows(folds):
        roles.setdefault((row["slide_id"], row["patient_id"]), set()).add(row["role"])
    slides = [  # slides of the fixed test set stay out
        ControlSlide(slide_id, patient_id, tiles / f"{slide_id}.parquet")
        for (slide_id, patient_id), found in roles.items()
        if found != {"test"}
    ]
    progress = Progress("control")
    found = measure_control(slides, classes, backbone, settings, threads=threads, progress=progress)
    found.write(output)
    click.echo(f"{len(found.tile_ids)} tiles of {len(set(found.slide_ids))} slides")


@verb("decide")
@click.argument("cohort", type=FILE)
@FOLDS_FILE
@click.option("--features", type=FOLDER, required=True, help="Folder of features.")
@click.option("--control", type=FILE, required=True, help="What `control` wrote.")
@TILES
@click.option("--inspections", type=PATH, help="Folder of inspections: file formats and mpp.")
@click.option("--train", metavar="JSON", help="Of section `train`: strategy and recipes.")
@output_option("decision.json; its fields: strategy/decision.schema.json of the package.")
@click.option("--picture", type=PATH, help="The table with this cohort on it, SVG.")
@click.option("--page", type=PATH, help="The page that explains it, HTML.")
@classes_option
def decide(
    cohort: Path,
    folds: Path,
    features: Path,
    control: Path,
    tiles: Path,
    inspections: Path | None,
    train: str | None,
    output: Path,
    picture: Path | None,
    page: Path | None,
    classes: tuple[str, ...],
    settings: Decide,
) -> None:
    """Choose the strategy of transfer learning for COHORT, and say why."""
    from threadpoolctl import threadpool_limits

    from histotile.io.atomic import write_text
    from histotile.io.cohort import read_cohort
    from histotile.strategy.decide import decide
    from histotile.strategy.leakage.load_files import gather_alarm_files
    from histotile.strategy.load_evidence import (
        gather_evidence,
        patients_of_folds,
    )

    rows = [row | {"fold": f"fold{row['fold']}"} for row in fold_rows(folds)]
    known = read_cohort(cohort).has_patients
    evidence = gather_evidence(features, control, tiles, rows, classes, known)
    files = gather_alarm_files(features, inspections, rows)
    given: Train = section_settings("train", None, as_changes(train))
    with threadpool_limits(1):  # matrices are small: more threads would wait for each other
        decision = decide(evidence, settings, given, patients_of_folds(rows, evidence), files)
    if picture is not None:
        from histotile.reports.strategy.figure import draw_decision

        write_text(picture, draw_decision(decision))
    if page is not None:
        from histotile.reports.strategy.page import render_decision_page

        write_text(page, render_decision_page(decision))
    write_text(output, decision.model_dump_json(indent=2) + "\n")
    _tell(decision)


def _tell(decision: "Decision") -> None:
    where = f" after stage {decision.stage}" if decision.strategy == "early_fixed" else ""
    by = "set by hand" if decision.forced else "by the table"
    click.echo(
        f"{decision.size.verdict} x {decision.similarity.verdict} -> {decision.strategy}{where} "
        f"({by}; {100 * decision.frequencies.get(decision.table_strategy, 0.0):.0f} % of resampled "
        "cohorts agree with the table)"
    )
    for alarm in decision.alarms:
        click.echo(f"{alarm.level.capitalize()}: {alarm.fact}. {alarm.remedy}", err=True)


@verb("train")
@click.argument("fold")
@click.argument("cell", type=click.Choice(["fixed", "early_fixed", "finetune", "init", "colour"]))
@FOLDS_FILE
@DECISION
@TILES
@click.option("--features", type=PATH, help="Folder of features.")
@click.option("--packs", type=PATH, help="Folder of packs, to read instead of the slides.")
@output_option("Parquet: labelled test tiles of the fold with prob_<class>.")
@classes_option
@backbone_option
@threads_option
def rehearse(
    fold: str,
    cell: Any,
    folds: Path,
    decision: Path,
    tiles: Path,
    features: Path | None,
    packs: Path | None,
    output: Path,
    classes: tuple[str, ...],
    backbone: Backbone,
    threads: int,
    settings: Train,
) -> None:
    """Train CELL of the table (or colour alone) on FOLD's patients; judge it on its test tiles."""
    from histotile.io.tables import (
        rehearsal_schema,
        write_table,
    )
    from histotile.strategy.record import read_decision
    from histotile.strategy.verification.train_alternatives import (
        COLOUR,
        rehearse,
        rehearse_colour,
    )
    from histotile.training.job import Machine

    slides = fold_slides(folds, fold, tiles, features, ("train", "val", "test"))
    if cell == COLOUR:
        found = rehearse_colour(slides, classes, settings)
    else:
        decided = read_decision(decision.read_text(encoding="utf-8")).of_fold(fold)
        progress = Progress(f"{fold} {cell}", "steps")
        machine = Machine(1, threads, packs=packs, progress=progress)
        chosen = (cell, decided.early_stage)
        found = rehearse(slides, classes, backbone, settings, chosen, machine)
    footer = {"fold": fold, "cell": cell, "classes": list(classes), "seconds": found.pop("seconds")}
    write_table(output, found, rehearsal_schema(classes), footer)


@verb("verify")
@click.argument("rehearsals", type=FOLDER)
@DECISION
@output_option("verification.json: scores, regret, verdict.")
@click.option("--page", type=PATH, help="The page that shows it, HTML.")
def verify(
    rehearsals: Path, decision: Path, output: Path, page: Path | None, settings: Verify
) -> None:
    """Hold the table's choice against every cell in REHEARSALS: regret, interval, verdict."""
    from histotile.io.atomic import write_text
    from histotile.strategy.record import (
        STRATEGIES,
        read_decision,
    )
    from histotile.strategy.verification.regret import verify

    if settings.budget == "off":
        raise HistotileError("verify.budget", "is off", "set it to probe or full")
    decided = read_decision(decision.read_text(encoding="utf-8"))
    chosen = {fold.fold: fold.table_strategy for fold in decided.folds}
    wanted = {"fixed", "early_fixed", "colour"} | (
        {"finetune", "init"} if settings.budget == "full" else set()
    )
    found = [
        _rehearsal(path)
        for path in sorted(rehearsals.glob("*/*.parquet"))
        if path.parent.name in chosen and path.stem in wanted
    ]
    if not found:
        raise HistotileError(rehearsals, "holds no rehearsal", "run `histotile rehearse` first")
    budget: Any = settings.budget
    result = verify(found, chosen, STRATEGIES, budget, settings)
    if page is not None:
        from histotile.reports.strategy.verification_page import render_verification_page

        write_text(page, render_verification_page(result))
    write_text(output, result.model_dump_json(indent=2) + "\n")
    click.echo(f"{result.verdict}: {'; '.join(result.reasons)}")


def _rehearsal(path: Path) -> Any:
    import numpy as np

    from histotile.io.tables import (
        read_footer,
        read_table,
    )
    from histotile.strategy.verification.regret import Rehearsal

    footer, table = read_footer(path), read_table(path)
    columns = [f"prob_{name}" for name in footer["classes"]]
    return Rehearsal(
        footer["fold"],
        footer["cell"],
        table["label"].to_numpy().astype(np.int64),
        np.array(table["patient_id"].to_pylist(), dtype=np.str_),
        np.stack([table[name].to_numpy() for name in columns], axis=1),
        float(footer["seconds"]),
    )


VERBS = (ruler, control, decide, rehearse, verify)
