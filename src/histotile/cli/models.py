"""Verbs that make models and hand them on: split, train, export, pretrain."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from histotile.cli.folds import fold_slides
from histotile.cli.inference import backbone, embed, predict
from histotile.cli.options import (
    FILE,
    FOLDER,
    PATH,
    accept_option,
    backbone_option,
    classes_option,
    output_option,
    threads_option,
    verb,
)
from histotile.cli.progress import Progress
from histotile.config import Backbone, Export, Pretrain, Split, Train
from histotile.errors import HistotileError
from histotile.io import cohort as cohorts
from histotile.io.findings import accept as sift

if TYPE_CHECKING:
    from histotile.strategy.record import Strategy


@verb("split")
@click.argument("cohort", type=FILE)
@click.option("--triage", type=FILE, help="Ledger; its quarantined slides are left out.")
@output_option("CSV of folds: the role of each slide in each fold.")
@accept_option
@classes_option
def split(
    cohort: Path,
    triage: Path | None,
    output: Path,
    accept: dict[str, str],
    classes: tuple[str, ...],
    settings: Split,
) -> None:
    """Divide the patients of COHORT into folds; no patient stands in two."""
    from histotile.io.cohort_checks import (
        accepted_lines,
        check_classes,
        check_cohort,
    )
    from histotile.splitting.fold_table import write_folds
    from histotile.splitting.splits import make_folds

    found = cohorts.read_cohort(cohort)
    check_classes(classes, accept)
    check_cohort(found, accept, cohort)
    usable = _usable(triage, found) if triage else {s.slide_id for s in found.slides}
    slides = [s for s in found.slides if s.slide_id in usable]
    write_folds(output, make_folds(slides, settings, classes, found.has_patients))
    for line in accepted_lines(found, accept):
        click.echo(line)
    if not found.has_patients:
        click.echo("Attention: no patient_id given; patient leakage cannot be excluded")


def _usable(ledger: Path, cohort: cohorts.Cohort) -> set[str]:
    """The slides that the ledger finds in order; it must judge every slide of the cohort."""
    from histotile.io.csv_file import (
        read_csv_file,
        some,
    )
    from histotile.io.names import choose
    from histotile.io.vocabulary import VERDICTS

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


@verb("train")
@click.argument("fold")
@click.option("--folds", type=FILE, required=True, help="Fold table.")
@click.option("--decision", type=FILE, help="decision.json, for strategy `auto`.")
@click.option("--tiles", type=FOLDER, required=True, help="Folder of tile tables.")
@click.option("--features", type=PATH, help="Folder of features (frozen strategies).")
@click.option("--packs", type=PATH, help="Folder of packs, to read instead of the slides.")
@click.option("--devices", type=click.IntRange(1), default=1, help="GPUs, or CPU processes.")
@click.option(
    "--workers",
    type=click.IntRange(0),
    help="Processes that read tiles, per device; default: all cores but one beside a GPU, else 0.",
)
@output_option("Folder: model.ckpt, model.onnx, curves.csv, curves.svg, summary.json.")
@classes_option
@backbone_option
@accept_option
@threads_option
def train(
    fold: str,
    folds: Path,
    decision: Path | None,
    tiles: Path,
    features: Path | None,
    packs: Path | None,
    devices: int,
    workers: int | None,
    output: Path,
    classes: tuple[str, ...],
    backbone: Backbone,
    accept: dict[str, str],
    threads: int,
    settings: Train,
) -> None:
    """Train FOLD (fold0, fold1, ...) on its training patients; stop early on its val patients."""
    from histotile.data.profiling.profiler import process_age_s
    from histotile.training.job import Machine, Run
    from histotile.training.train_fold import train_fold

    slides = fold_slides(folds, fold, tiles, features, ("train", "val"))
    decided = _decided(decision, fold, accept) if decision else None
    machine = Machine(devices, threads, workers, packs, progress=Progress(fold, "steps"))
    machine.pace.start_s += process_age_s()
    try:
        run = Run(machine, decided, portable=True)
        summary = train_fold(output, slides, classes, backbone, settings, run)
    except SystemExit:
        _say_what_is_kept(fold, output)
        raise
    click.echo(f"{fold}: {summary['best']}, {summary['seconds']:.0f} s")
    if reason := summary.get("torch_only"):
        click.echo(f"{fold}: PyTorch alone can run it: {reason}")
    if "pace" in summary:
        click.echo(f"{fold}: {machine.pace.line()}")


@verb("export")
@click.argument("model", type=click.Path(exists=True, path_type=Path))
@click.option("--tiles", type=FOLDER, required=True, help="Folder of tile tables to compare on.")
@output_option("Folder: one folder per format, and parity.json.")
def export(model: Path, tiles: Path, output: Path, settings: Export) -> None:
    """Write MODEL for other programs, and check on real tiles that each says the same."""
    from histotile.data.sampling import sample_tiles
    from histotile.exports.formats import export_model
    from histotile.inference.checkpoint import load_ensemble

    found = load_ensemble(model)
    if len(found) > 1:
        raise HistotileError(model, f"holds {len(found)} models", "export one fold at a time")
    sample = sample_tiles(sorted(tiles.glob("*.parquet")), settings.tiles)
    for parity in export_model(found[0], output, sample, settings):
        click.echo(str(parity))


@verb("pretrain")
@click.argument("kind", type=click.Choice(["natural", "histology"]))
@click.argument("output", type=PATH)
def pretrain(kind: Any, output: Path, settings: Pretrain) -> None:
    """Make a small backbone again: on procedural pictures, or on synthetic H&E of other organs."""
    from histotile.synthetic.pretraining.pretrain import pretrain as teach

    progress = Progress(kind, "pictures")
    found = teach(kind, output, settings, lambda done, total, _: progress(done, total))
    click.echo(f"{output}: {found.accuracy} (by chance {found.chance}), {found.seconds:.0f} s")


def _say_what_is_kept(fold: str, folder: Path) -> None:
    """What an interrupted training goes on from."""
    from histotile.training.resume import (
        LAST,
        STATE,
    )

    state = folder / STATE / LAST
    kept = f"{state} is kept: the same command goes on from there" if state.is_file() else ""
    click.echo(f"{fold}: interrupted; {kept or 'no epoch was done yet, nothing is kept'}", err=True)


def _decided(path: Path, fold: str, accepted: dict[str, str]) -> "tuple[Strategy, int]":
    """Strategy and stage of a fold; no training on a cohort that leaks, unless that is accepted."""
    from histotile.strategy.record import read_decision

    decision = read_decision(path.read_text(encoding="utf-8"))
    leaks = [alarm.finding for alarm in decision.alarms if alarm.is_leak]
    standing, _ = sift(leaks, accepted)
    if standing and decision.stop:
        facts = "; ".join(map(str, standing))
        remedy = f"{standing[0].remedy}; to go on all the same: decide.alarms.stop: false"
        raise HistotileError(path, facts, remedy)
    found = decision.of_fold(fold)
    return found.strategy, found.stage


BEFORE_DECIDING = (split, backbone, embed)
VERBS = (train, predict, export, pretrain)
