"""Linear probes: a head on cached features, of any task, its L2 strength chosen by inner CV."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from histotile.stats.crossvalidation import divide
from histotile.stats.linear_head import LinearHead
from histotile.stats.logistic import STRENGTHS
from histotile.tasks.groups import group_labels
from histotile.tasks.task import Labels, Task

if TYPE_CHECKING:
    from torch import nn

CHOICE_TILES = 6000  # rows on which the strength is chosen: more changes nothing but time
CHOICE_TIMES = (4, 3)  # folds of that choice, and repeats


@dataclass(frozen=True)
class Features:
    """Pooled features (N, D) of tiles with their label and patient.

    `changed` marks rows of randomly changed copies: one learns from them as from any tile, but
    measures on the others alone. None: there are no copies. `widths`: columns of each stage, where
    several stand side by side; none: all columns are one stage.
    """

    values: NDArray[np.floating]
    labels: Labels
    groups: NDArray[np.str_]
    changed: NDArray[np.bool_] | None = None
    widths: tuple[int, ...] = ()

    def __getitem__(self, rows: NDArray[np.int64]) -> "Features":
        """The tiles of these rows."""
        changed = None if self.changed is None else self.changed[rows]
        return replace(
            self,
            values=self.values[rows],
            labels=self.labels[rows],
            groups=self.groups[rows],
            changed=changed,
        )

    def as_is(self) -> "Features":
        """The tiles without changed copies."""
        return self if self.changed is None else self[np.flatnonzero(~self.changed)]

    def joined(self, other: "Features") -> "Features":
        """These tiles and others, of the same stages and with copies likewise."""
        changed = None
        if self.changed is not None and other.changed is not None:
            changed = np.concatenate([self.changed, other.changed])
        return Features(
            np.concatenate([self.values, other.values]),
            np.concatenate([self.labels, other.labels]),
            np.concatenate([self.groups, other.groups]),
            changed,
            self.widths,
        )

    def stages(self) -> "list[Features]":
        """The same tiles by each stage alone."""
        if len(self.widths) < 2:
            return [self]
        parts = np.split(self.values, np.cumsum(self.widths)[:-1], axis=1)
        return [replace(self, values=part, widths=()) for part in parts]


@dataclass(frozen=True)
class Probe:
    """A linear head, and how strong the penalty of each of its stages is.

    `losses` are what inner cross-validation saw of each strength for the deepest stage (empty where
    there were too few patients for it).
    """

    head: LinearHead
    strengths: tuple[float, ...]
    losses: dict[float, float]

    def fill(self, layer: "nn.Linear") -> None:
        """Put weight and bias into the last layer of a network."""
        import torch

        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(self.head.weight))
            layer.bias.copy_(torch.from_numpy(self.head.bias))


def fit_probe(task: Task, features: Features, balanced: bool, seed: int) -> Probe:
    """The linear head that predicts best on left-out patients.

    Args:
        task: What is learnt.
        features: Training tiles; they lack nothing, see `Task.lacking`.
        balanced: Whether rare strata weigh more.
        seed: Of the inner divisions of patients.
    """
    chosen = [choose_strength(task, part, balanced, seed) for part in features.stages()]
    strengths = tuple(strength for strength, _ in chosen)
    parts = zip(features.stages(), strengths, strict=True)
    heads = [fit_head(task, part, balanced, strength) for part, strength in parts]
    return Probe(mean_head(heads), strengths, chosen[-1][1])


def fit_head(task: Task, features: Features, balanced: bool, strength: float) -> LinearHead:
    """The linear head of one stage; stronger penalties before it lead there fast."""
    stronger = tuple(s for s in STRENGTHS if s >= strength)
    return task.fit(features, balanced, stronger)[strength]


def mean_head(heads: Sequence[LinearHead]) -> LinearHead:
    """The head on all stages side by side that gives the mean of the logits of their own heads.

    Each stage keeps its own strength: under one penalty the wide last stage would outvote the
    others.
    """
    weight = np.hstack([head.weight for head in heads]) / len(heads)
    return LinearHead(weight, np.mean([head.bias for head in heads], axis=0))


def _thinned(features: Features) -> Features:
    count = len(features.labels)
    if count <= CHOICE_TILES:
        return features
    return features[np.linspace(0, count - 1, CHOICE_TILES).astype(np.int64)]


def choose_strength(
    task: Task, features: Features, balanced: bool, seed: int
) -> tuple[float, dict[float, float]]:
    """The strength of least mean loss over patient-disjoint inner folds, and the loss of each.

    Folds are divided several times: one division alone picks strengths by luck. An inner fold
    whose lessons lack a class has no say. With too few patients the strength is 0.1, which a few
    hundred independent tiles can carry, and there are no losses.
    """
    thin = _thinned(features)
    _, patients = np.unique(thin.groups, return_inverse=True)
    names, strata = group_labels(task, thin.labels, patients)
    plan = divide(strata, patients, len(names), CHOICE_TIMES, seed)
    if plan is None:
        return 0.1, {}
    weights = task.weights(thin.labels, balanced)
    found: dict[float, list[float]] = {s: [] for s in STRENGTHS}
    for r, f in np.ndindex(plan.repeats, plan.folds):
        taught = thin[np.flatnonzero(plan.train[r, f])]
        judge = thin[np.flatnonzero(plan.test[r] == f)].as_is()
        if not task.lacking(taught.labels):
            for strength, head in task.fit(taught, balanced, STRENGTHS).items():
                loss = task.error(head.logits(judge.values), judge.labels, weights)
                found[strength].append(loss)
    losses = {s: float(np.mean(each)) for s, each in found.items() if each}
    return min(losses, key=losses.__getitem__, default=0.1), losses
