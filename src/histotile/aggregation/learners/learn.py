"""Slides learnt fold by fold: each is predicted by learners that never saw its patient."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histotile.aggregation.learners.bags import Answer, Bags, Kept, Learner
from histotile.aggregation.learners.choice import Choice, choose
from histotile.aggregation.learners.methods import make_learner
from histotile.aggregation.learners.record import Learning, MethodScore, span
from histotile.config import Aggregate, LearnSlides
from histotile.errors import HistotileError
from histotile.io.vocabulary import TEST
from histotile.stats.auroc import mean_of_known
from histotile.stats.bootstrap import Measurement, every_patient, resamples
from histotile.stats.crossvalidation import Integers
from histotile.tasks.task import Doubles, Task


@dataclass
class Progress:
    """What is known so far of every method and fold."""

    answers: dict[str, dict[str, Answer]] = field(default_factory=dict)  # method -> fold
    choices: dict[str, Choice] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Learnt:
    """Values (S, names) of slides by learners that never saw their patient; NaN of others.

    `attention`: row of a slide -> (N,) weights of its tiles; those of `attention` alone.
    """

    values: Doubles
    attention: dict[int, NDArray[np.float32]]
    record: Learning


def learn_slides(
    bags: Bags,
    folds: Mapping[str, Sequence[Any]],
    task: Task,
    aggregate: Aggregate,
    settings: LearnSlides,
) -> Learnt:
    """Every slide predicted by the folds that test it, each taught by its other patients.

    Training and validation patients of a fold teach; what they choose (the method of `auto`,
    strengths, epochs) is chosen on inner folds of them. A slide that several folds test gets the
    mean of their values.

    Args:
        bags: The slides.
        folds: Fold table, columns as in `tables.FOLDS`.
        task: What is learnt.
        aggregate: The method, and parameters of pooling.
        settings: Parameters of learners.

    Raises:
        HistotileError: The slides that teach a fold cannot teach the task.
    """
    rows = {slide_id: row for row, slide_id in enumerate(bags.slide_ids)}
    kept = Kept()
    learners: dict[str, Learner] = {
        method: make_learner(method, bags, task, aggregate, settings, kept)
        for method in settings.methods(aggregate)
    }
    found, tests = Progress(), {}
    for fold in dict.fromkeys(map(str, folds["fold"])):
        taught, tests[fold] = _sides(bags, folds, fold, rows, task)
        if len(tests[fold]):
            _learn_fold(found, learners, bags, task, (fold, taught, tests[fold]), settings)
        else:
            del tests[fold]
    chosen = {fold: choice.method for fold, choice in found.choices.items()}
    own = {fold: found.answers[method][fold] for fold, method in chosen.items()}
    record = _record(found, tests, bags, task, (aggregate.method, settings))
    return Learnt(_gathered(own, tests, bags, task), _attention(own, tests), record)


def _sides(
    bags: Bags,
    folds: Mapping[str, Sequence[Any]],
    fold: str,
    rows: Mapping[str, int],
    task: Task,
) -> tuple[Integers, Integers]:
    """Rows of the slides that teach a fold, and of those it tests; those with tiles."""
    listed = zip(folds["fold"], folds["slide_id"], folds["role"], strict=True)
    roles = [(rows[slide_id], role) for number, slide_id, role in listed if str(number) == fold]
    usable, labelled = bags.filled(), bags.labelled(task)
    taught = [row for row, role in roles if role != TEST and usable[row] and labelled[row]]
    asked = [row for row, role in roles if role == TEST and usable[row]]
    lacking = task.lacking(bags.labels[taught])
    if lacking and asked:
        fact = f"no slide that teaches it has tiles and is {', '.join(lacking)}"
        remedy = "give slides labels in the cohort file, or pool tiles (`aggregate.method`)"
        raise HistotileError(f"fold {fold}", fact, remedy)
    return np.array(taught, np.int64), np.array(asked, np.int64)


def _learn_fold(
    found: Progress,
    learners: Mapping[str, Learner],
    bags: Bags,
    task: Task,
    sides: tuple[str, Integers, Integers],
    settings: LearnSlides,
) -> None:
    fold, taught, asked = sides
    only = next(iter(learners))
    choice = choose(learners, bags, task, taught, settings) if len(learners) > 1 else None
    found.choices[fold] = choice or Choice(only, {})
    for method, learn in learners.items():
        begun = time.perf_counter()
        found.answers.setdefault(method, {})[fold] = learn(taught, asked, settings.seed)
        spent = time.perf_counter() - begun
        found.seconds[method] = found.seconds.get(method, 0.0) + spent


def _gathered(
    answers: Mapping[str, Answer], tests: Mapping[str, Integers], bags: Bags, task: Task
) -> Doubles:
    """(S, names): the mean over the folds that test a slide."""
    sums, counts = np.zeros((len(bags), len(task.names))), np.zeros((len(bags), 1))
    for fold, answer in answers.items():
        sums[tests[fold]] += answer.values
        counts[tests[fold]] += 1
    blank = np.full(sums.shape, np.nan)
    return np.asarray(np.divide(sums, counts, out=blank, where=counts > 0))


def _attention(
    answers: Mapping[str, Answer], tests: Mapping[str, Integers]
) -> dict[int, NDArray[np.float32]]:
    """Mean over the folds that test a slide and tell their attention."""
    each: dict[int, list[NDArray[np.float32]]] = {}
    for fold, answer in answers.items():
        for row, weights in zip(tests[fold], answer.attention, strict=False):
            each.setdefault(int(row), []).append(weights)
    return {row: np.mean(weights, axis=0) for row, weights in each.items()}


def _record(
    found: Progress,
    tests: Mapping[str, Integers],
    bags: Bags,
    task: Task,
    asked: tuple[str, LearnSlides],
) -> Learning:
    method, settings = asked
    measured = {
        name: _measured(
            {fold: answer.values for fold, answer in answers.items()}, tests, bags, task, settings
        )
        for name, answers in found.answers.items()
    }
    of_choice = {f: found.answers[c.method][f].values for f, c in found.choices.items()}
    own = _measured(of_choice, tests, bags, task, settings)
    chosen = {fold: choice.method for fold, choice in found.choices.items()}
    known = [name for name, of_name in measured.items() if np.isfinite(of_name.value)]
    others = [name for name in known if set(chosen.values()) != {name}]
    rival = max(others, key=lambda name: measured[name].value, default=None)
    scores = [
        MethodScore(
            method=name,
            score=span(measured[name]),
            inner={f: c.scores[name] for f, c in found.choices.items() if name in c.scores},
            seconds=found.seconds[name],
        )
        for name in measured
    ]
    return Learning(
        method=method,
        chosen=chosen,
        methods=scores,
        own=span(own),
        rival=rival,
        regret=span(measured[rival] - own) if rival else None,
        margin=settings.margin,
        score_name=task.score_name.replace("tile ", "slide "),
        importance=_importance(found, chosen),
    )


def _measured(
    values: Mapping[str, Doubles],
    tests: Mapping[str, Integers],
    bags: Bags,
    task: Task,
    settings: LearnSlides,
) -> Measurement:
    """The task's score within each fold, mean over folds; scores of folds are never ranked.

    Slides that several folds test, the fixed test set, stand apart.
    """
    tested = np.bincount(np.concatenate(list(tests.values())), minlength=len(bags))
    counted = bags.labelled(task) & (tested == 1)
    weights = np.concatenate(
        [
            every_patient(bags.patients),
            resamples(bags.patients, settings.bootstraps, settings.seed),
        ]
    )
    each = []
    for fold, told in values.items():
        known = counted[tests[fold]]
        rows = tests[fold][known]
        each.append(task.scores(told[known], bags.labels[rows], bags.patients[rows], weights))
    means = mean_of_known(np.stack(each, axis=1)) if each else np.full(len(weights), np.nan)
    return Measurement(float(means[0]), means[1:])


def _importance(found: Progress, chosen: Mapping[str, str]) -> dict[str, float]:
    """Mean over the folds that chose the method, the most important first."""
    each = [found.answers[method][fold].importance for fold, method in chosen.items()]
    named = [tell() for tell in each if tell]
    if not named:
        return {}
    means = {word: float(np.mean([one[word] for one in named])) for word in named[0]}
    return dict(sorted(means.items(), key=lambda pair: -pair[1]))
