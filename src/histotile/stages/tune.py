"""Search better settings of a recipe on inner folds of a fold's own patients."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import click
import yaml

from histotile import __version__
from histotile.config import Split, Train, Tune
from histotile.io.atomic import write_text
from histotile.io.tables import RESEARCH_USE, read_table
from histotile.splitting.fold_table import fold_rows
from histotile.splitting.inner_folds import inner_folds
from histotile.stages.folds import Inputs, Network, fold_slides
from histotile.stages.planned_training import planned_job
from histotile.strategy.tuning.fresh import compare_fresh, same_parts
from histotile.strategy.tuning.gain import judge
from histotile.strategy.tuning.journal import check_optuna, opened
from histotile.strategy.tuning.measure import Trainings, measure, name_search
from histotile.strategy.tuning.record import Parameter, Trial, Tuning
from histotile.strategy.tuning.search import importance, search
from histotile.strategy.tuning.space import changes, make_space, nested
from histotile.tasks.task import Task
from histotile.training.job import FoldSlide, Job, Machine


@dataclass(frozen=True)
class Outputs:
    """JSON of trials, gain and verdict; and the journal by which a search goes on, which stays."""

    tuning: Path
    journal: Path


@dataclass(frozen=True)
class Given:
    """Settings of other sections: what is tuned, and how patients are divided."""

    train: Train
    split: Split


def run(
    inputs: Inputs,
    outputs: Outputs,
    settings: Tune,
    given: Given,
    network: Network,
    machine: Machine,
) -> None:
    """Writes the trials, whether the best is worth it, and the lines to paste.

    Args:
        inputs: Tiles and the role of each patient; nothing of those of test is read.
        outputs: Where it goes; an interrupted search goes on from the journal.
        settings: Section `tune`.
        given: Sections `train` and `split`.
        network: What is to be trained.
        machine: What trains.

    Raises:
        HistotileError: The strategy has no settings to search, there are too few patients, all
            trials failed, or as `train` says.
    """
    check_optuna()
    slides = fold_slides(inputs, ("train", "val"))
    job = planned_job(inputs, given.train, network, machine, slides)
    space = make_space(job)
    trainings = _trainings(inputs, settings, given, job, slides)
    name = name_search(job, trainings, space, settings.seed)
    _announce(inputs.fold, job, trainings, space, settings)
    attempt = partial(_attempt, inputs.fold, trainings, space)
    tell_trials = partial(_tell_trials, inputs.fold, settings.trials)
    tell = partial(_tell_repeat, inputs.fold)
    limits = (settings.trials, settings.max_hours, settings.seed)
    with opened(outputs.journal) as storage:
        study, trials = search(storage, name, space, limits, attempt, tell_trials)
        shares, missing = importance(study, space, len(trials))
        best = _chosen(trials)
        repeats, gain = (
            compare_fresh(storage, name, (trials[best], len(trials) - 1), trainings, settings, tell)
            if best
            else ([], None)
        )
    verdict, reasons = judge(trials, best, repeats, gain)
    found = Tuning(
        **_facts(inputs.fold, settings, job, len(trainings.patients)),
        space=space,
        trials=trials,
        chosen=best,
        importance=shares,
        importance_missing=missing,
        repeats=repeats,
        gain=gain,
        verdict=verdict,
        reasons=[*reasons, *same_parts(trainings), *_caveats(inputs, slides)],
        lines=_lines(trials[best].settings) if best else "",
    )
    write_text(outputs.tuning, found.model_dump_json(indent=2) + "\n")
    _tell(inputs.fold, found)


def _attempt(
    fold: str, trainings: Trainings, space: list[Parameter], values: dict[str, float], number: int
) -> Trial:
    found = changes(space, values, trainings.settings)
    return measure(trainings, found, 0, f"{fold} trial {number}")[0]


def _facts(fold: str, settings: Tune, job: Job, patients: int) -> dict[str, Any]:
    return {
        "histotile": __version__,
        "research_use": RESEARCH_USE,
        "fold": fold,
        "strategy": job.strategy,
        "score_name": job.task.score_name,
        "patients": patients,
        "inner_folds": settings.folds,
        "seed": settings.seed,
        "asked": settings.trials,
    }


def _announce(
    fold: str, job: Job, trainings: Trainings, space: Sequence[Parameter], settings: Tune
) -> None:
    number = settings.folds * (settings.trials + 2 * settings.repeats)
    click.echo(
        f"{fold}: {job.strategy}, {len(trainings.patients)} patients in {settings.folds} inner "
        f"folds; {settings.trials} trials of {', '.join(p.key for p in space)}; {number} trainings "
        "in all"
    )


def _trainings(
    inputs: Inputs, settings: Tune, given: Given, job: Job, slides: Sequence[FoldSlide]
) -> Trainings:
    """The divisions of the search and of each repeat, and what they have in common."""
    rows = {r["slide_id"]: r for r in fold_rows(inputs.folds) if f"fold{r['fold']}" == inputs.fold}
    texts = {slide.slide_id: _texts(job.task, slide) for slide in slides}
    divisions = []
    for repeat in range(settings.repeats + 1):
        update = {"folds": settings.folds, "seed": settings.seed * 1009 + repeat}
        split = given.split.model_copy(update=update)
        roles = inner_folds([rows[s.slide_id] for s in slides], texts, job.task, split)
        divisions.append([_with_roles(slides, of_fold) for of_fold in roles])
    decided = (job.strategy, job.stages)
    return Trainings(divisions, job.backbone, job.task, given.train, decided, job.machine)


def _texts(task: Task, slide: FoldSlide) -> list[str]:
    """Labels of the slide's tiles in use, those of the task."""
    table = read_table(slide.tiles, ["label", "excluded"]).to_pydict()
    used = {
        label
        for label, excluded in zip(table["label"], table["excluded"], strict=True)
        if label is not None and excluded is None
    }
    return sorted(used - set(task.foreign(used)))


def _with_roles(slides: Sequence[FoldSlide], roles: Mapping[str, Any]) -> list[FoldSlide]:
    return [replace(s, role=roles[s.slide_id]) for s in slides if s.slide_id in roles]


def _chosen(trials: Sequence[Trial]) -> int | None:
    scored = [n for n, trial in enumerate(trials) if n and trial.score is not None]
    return max(scored, key=lambda n: trials[n].score or 0.0, default=None)


def _lines(found: Mapping[str, Any]) -> str:
    text: str = yaml.safe_dump(nested({f"train.{key}": value for key, value in found.items()}))
    return text


def _caveats(inputs: Inputs, slides: Sequence[FoldSlide]) -> list[str]:
    """Who had a part in the choice, and is tested by other folds."""
    helped = {s.patient_id for s in slides}
    tested = {
        f"fold{row['fold']}"
        for row in fold_rows(inputs.folds)
        if row["role"] == "test" and row["patient_id"] in helped
    }
    told = [
        f"no test patient of {inputs.fold} had a part in it: only a new training and `evaluate` "
        "tell what it gains on them"
    ]
    if tested:
        told.append(
            f"patients tested in {', '.join(sorted(tested))} helped to choose: with these lines "
            "the scores of those folds flatter"
        )
    return told


def _tell_trials(fold: str, asked: int, done: Sequence[Trial], is_new: bool) -> None:
    if not is_new:
        if done:
            click.echo(f"{fold}: {len(done)} finished trials are taken from the journal")
        return
    changed = ", ".join(f"{key} {value}" for key, value in done[-1].settings.items())
    scores = [one.score for one in done if one.score is not None]
    best = f"; best {max(scores):.4f}" if scores else ""
    left = sum(one.seconds for one in done) / len(done) * (asked - len(done)) / 60
    words = f"{done[-1].told}{best}; {left:.0f} min of search left"
    click.echo(f"{fold} trial {len(done) - 1}: {changed or 'in force'}: {words}")


def _tell_repeat(fold: str, label: str, trial: Trial) -> None:
    click.echo(f"{fold} {label}: {trial.told}")


def _tell(fold: str, found: Tuning) -> None:
    click.echo(f"{fold}: {found.headline}")
    for reason in found.reasons:
        click.echo(f"{fold}: {reason}")
    if found.verdict in {"worth it", "perhaps"}:
        click.echo(f"{fold}: lines for config.yaml:\n{found.lines}")
