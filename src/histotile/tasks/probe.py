"""Linear probes: a head on cached features, of any task, its L2 strength chosen by inner CV."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from histotile.stats.crossvalidation import divide
from histotile.stats.linear_head import LinearHead
from histotile.stats.logistic import STRENGTHS
from histotile.tasks.task import UNKNOWN, Labels, Task

if TYPE_CHECKING:
    from torch import nn

CHOICE_TILES = 6000  # rows on which the strength is chosen: more changes nothing but time
CHOICE_FOLDS = 4


@dataclass(frozen=True)
class Features:
    """Pooled features (N, D) of tiles with their label and patient.

    `changed` marks rows of randomly changed copies: one learns from them as from any tile, but
    measures on the others alone. None: there are no copies.
    """

    values: NDArray[np.floating]
    labels: Labels
    groups: NDArray[np.str_]
    changed: NDArray[np.bool_] | None = None

    def __getitem__(self, rows: NDArray[np.int64]) -> "Features":
        """The tiles of these rows."""
        changed = None if self.changed is None else self.changed[rows]
        return Features(self.values[rows], self.labels[rows], self.groups[rows], changed)

    def as_is(self) -> "Features":
        """The tiles without changed copies."""
        return self if self.changed is None else self[np.flatnonzero(~self.changed)]


@dataclass(frozen=True)
class Probe:
    """A linear head, and how strong its penalty is.

    `losses` are what inner cross-validation saw of each strength (empty where there were too few
    patients for it), `strength` what it chose.
    """

    head: LinearHead
    strength: float
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
        features: Training tiles; all strata must occur.
        balanced: Whether rare strata weigh more.
        seed: Of the inner division of patients.
    """
    strength, losses = choose_strength(task, features, balanced, seed)
    stronger = tuple(s for s in STRENGTHS if s >= strength)
    return Probe(task.fit(features, balanced, stronger)[strength], strength, losses)


def shows_all(task: Task, labels: Labels) -> bool:
    """Whether every stratum occurs among these labels."""
    strata: Sequence[int] = np.unique(task.stratum(labels)).tolist()
    return len(set(strata) - {UNKNOWN}) == len(task.strata)


def _thinned(features: Features) -> Features:
    count = len(features.labels)
    if count <= CHOICE_TILES:
        return features
    return features[np.linspace(0, count - 1, CHOICE_TILES).astype(np.int64)]


def choose_strength(
    task: Task, features: Features, balanced: bool, seed: int
) -> tuple[float, dict[float, float]]:
    """The strength of least mean loss over patient-disjoint inner folds, and the loss of each.

    Inner folds hold every stratum. With too few patients for them the strength is 0.1, which a few
    hundred independent tiles can carry, and there are no losses.
    """
    thin = _thinned(features)
    _, patients = np.unique(thin.groups, return_inverse=True)
    strata, times = task.stratum(thin.labels), (CHOICE_FOLDS, 1)
    plan = divide(strata, patients, len(task.strata), times, seed)
    if plan is None:
        return 0.1, {}
    weights = task.weights(thin.labels, balanced)
    found: dict[float, list[float]] = {s: [] for s in STRENGTHS}
    for fold, inside in enumerate(plan.train[0]):
        taught = thin[np.flatnonzero(inside)]
        judge = thin[np.flatnonzero(plan.test[0] == fold)].as_is()
        if shows_all(task, taught.labels):
            for strength, head in task.fit(taught, balanced, STRENGTHS).items():
                loss = task.error(head.logits(judge.values), judge.labels, weights)
                found[strength].append(loss)
    losses = {s: float(np.mean(each)) for s, each in found.items() if each}
    return min(losses, key=losses.__getitem__, default=0.1), losses
