"""Which learner to take: inner cross-validation by patient, the simplest within a margin."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from histotile.aggregation.learners.bags import Bags, Learner
from histotile.config import LearnSlides
from histotile.stats.auroc import mean_of_known
from histotile.stats.crossvalidation import Integers, divide
from histotile.tasks.groups import group_labels
from histotile.tasks.task import Task, score


class Choice(NamedTuple):
    """The method taken, and the score of each on left-out training patients; None: it has none."""

    method: str
    scores: dict[str, float | None]


def choose(
    learners: Mapping[str, Learner],
    bags: Bags,
    task: Task,
    taught: Integers,
    settings: LearnSlides,
) -> Choice:
    """The simplest learner whose score on left-out training patients is near the best.

    Every learner answers for the same inner folds of the patients taught, by the task's score over
    the slides of a fold, mean over folds. Where there are too few patients for that, the simplest.

    Args:
        learners: By method, the simplest first.
        bags: The slides.
        task: What is learnt.
        taught: Rows of the slides that may be seen.
        settings: Inner folds, margin, seed.
    """
    _, patients = np.unique(bags.patients[taught], return_inverse=True)
    names, strata = group_labels(task, bags.labels[taught], patients)
    plan = divide(strata, patients, len(names), (settings.folds, 1), settings.seed)
    found: dict[str, list[float]] = {method: [] for method in learners}
    for fold in range(plan.folds if plan else 0):
        assert plan is not None, "it has folds"
        inner, left_out = taught[plan.train[0, fold]], taught[plan.test[0] == fold]
        if task.lacking(bags.labels[inner]):
            continue
        for method, learn in learners.items():
            values = learn(inner, left_out, settings.seed).values
            told = score(task, values, bags.labels[left_out])
            found[method].append(np.nan if told is None else told)
    means = {method: _mean(each) for method, each in found.items()}
    known = [mean for mean in means.values() if mean is not None]
    near = max(known, default=0.0) - settings.margin
    fit = [method for method, mean in means.items() if mean is not None and mean >= near]
    return Choice(next(iter(fit or learners)), means)


def _mean(scores: list[float]) -> float | None:
    mean = float(mean_of_known(np.array(scores)))
    return mean if np.isfinite(mean) else None
