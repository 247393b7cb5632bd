"""How well a linear head on features does what a task asks, for patients it has never seen.

Classes are told as in `linear_probe`; each of several labels from its absence, as two classes; of
what else a task measures its own heads and its own score are taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from histotile.stats import bootstrap
from histotile.stats.auroc import mean_of_known
from histotile.stats.crossvalidation import Floats, Plan
from histotile.stats.logistic import STRENGTHS, Single
from histotile.strategy.probing.linear_probe import best_of_others, hold_out
from histotile.tasks.probe import Features
from histotile.tasks.task import Labels, Task

if TYPE_CHECKING:
    from histotile.strategy.evidence import Evidence


class Held(Protocol):
    """What probes say of tiles whose patients they have not seen."""

    def scores(self, weights: Floats | None = None) -> Floats:
        """(B,) score under (B, P) multiplicities of patients; without them, of all once."""


@dataclass(frozen=True)
class HeldLabels:
    """Probes of several labels: the score is the mean over those that can be judged."""

    parts: Sequence[Held]

    def scores(self, weights: Floats | None = None) -> Floats:
        """As `Held.scores`."""
        return mean_of_known(np.stack([part.scores(weights) for part in self.parts], axis=1))


@dataclass(frozen=True)
class HeldValues:
    """Values (R, N, names) of tiles by the task's own heads; NaN: not tested."""

    plan: Plan
    task: Task
    labels: Labels
    values: Floats

    def scores(self, weights: Floats | None = None) -> Floats:
        """As `Held.scores`: the task's score within each fold, mean over folds and repeats."""
        chosen = bootstrap.every_patient(self.plan.patients) if weights is None else weights
        found = [
            _scored(self.task, self.values[r], self.labels, self.plan, (r, f), chosen)
            for r, f in np.ndindex(self.plan.repeats, self.plan.folds)
        ]
        return mean_of_known(np.stack(found, axis=1))


def hold_out_task(points: Single, plan: Plan, evidence: Evidence) -> Held:
    """Probes of all folds on `linear_probe.components`, each penalty chosen by the other folds."""
    task, labels = evidence.task, evidence.truth
    if task is None or labels is None or task.is_exclusive:
        return hold_out(points, plan)
    if labels.ndim > 1:
        sides = [replace(plan, labels=one.astype(np.int64), classes=2) for one in labels.T]
        return HeldLabels([hold_out(points, side) for side in sides])
    values = np.full((len(STRENGTHS), plan.repeats, len(points), len(task.names)), np.nan)
    found = np.full((len(STRENGTHS), plan.repeats, plan.folds), np.nan)
    once = bootstrap.every_patient(plan.patients)
    groups = plan.patients.astype(np.str_)
    for r, f in np.ndindex(plan.repeats, plan.folds):
        taught, rows = np.flatnonzero(plan.train[r, f]), np.flatnonzero(plan.test[r] == f)
        if task.lacking(labels[taught]):
            continue
        heads = task.fit(Features(points[taught], labels[taught], groups[taught]), True, STRENGTHS)
        for s, strength in enumerate(STRENGTHS):
            values[s, r, rows] = task.activate(heads[strength].logits(points[rows]))
            (found[s, r, f],) = _scored(task, values[s, r], labels, plan, (r, f), once)
    choice = best_of_others(found)
    mixed = np.full_like(values[0], np.nan)
    for r, f in np.ndindex(plan.repeats, plan.folds):
        rows = np.flatnonzero(plan.test[r] == f)
        mixed[r, rows] = values[choice[r, f], r, rows]
    return HeldValues(plan, task, labels, mixed)


def _scored(
    task: Task, values: Floats, labels: Labels, plan: Plan, fold: tuple[int, int], weights: Floats
) -> Floats:
    r, f = fold
    rows = np.flatnonzero((plan.test[r] == f) & np.isfinite(values).all(axis=1))
    if not len(rows):
        return np.full(len(weights), np.nan)
    return task.scores(values[rows], labels[rows], plan.patients[rows], weights)
