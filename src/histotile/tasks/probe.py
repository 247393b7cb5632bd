"""Linear probes: a head on cached features, of any task, its L2 strength chosen by inner CV."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from histotile.tasks.task import UNKNOWN, Doubles, Labels, Task

if TYPE_CHECKING:
    from torch import nn

# L2 strength in units of the mean loss, so that it means the same at any number of tiles.
STRENGTHS = (10.0, 1.0, 0.1, 0.01, 0.001, 0.0001)
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

    def standardised(self) -> tuple[Doubles, Doubles, Doubles]:
        """Values of mean 0 and SD 1, and what was subtracted and divided by."""
        values = np.asarray(self.values, np.float64)
        shift, scale = values.mean(0), values.std(0)
        scale[scale < 1e-6] = 1.0  # dead features stay dead
        return (values - shift) / scale, shift, scale


@dataclass(frozen=True)
class LinearHead:
    """A linear head on raw features: logits = features @ weight.T + bias."""

    weight: Doubles
    bias: Doubles

    def logits(self, values: NDArray[np.floating]) -> Doubles:
        """Logits (N, C) of features (N, D)."""
        return np.asarray(values, np.float64) @ self.weight.T + self.bias


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
    losses = _inner_losses(task, _thinned(features), balanced, seed)
    # Without inner folds: a strength that a few hundred independent tiles can carry.
    strength = min(losses, key=losses.__getitem__) if losses else 0.1
    return Probe(task.fit(features, balanced, (strength,))[strength], strength, losses)


def shows_all(task: Task, labels: Labels) -> bool:
    """Whether every stratum occurs among these labels."""
    strata: Sequence[int] = np.unique(task.stratum(labels)).tolist()
    return len(set(strata) - {UNKNOWN}) == len(task.strata)


def _thinned(features: Features) -> Features:
    count = len(features.labels)
    if count <= CHOICE_TILES:
        return features
    return features[np.linspace(0, count - 1, CHOICE_TILES).astype(np.int64)]


def _inner_losses(task: Task, features: Features, balanced: bool, seed: int) -> dict[float, float]:
    """Mean loss per strength over patient-disjoint inner folds that hold every stratum."""
    from sklearn.model_selection import StratifiedGroupKFold

    strata, groups = task.stratum(features.labels), features.groups
    patients = [len(np.unique(groups[strata == s])) for s in range(len(task.strata))]
    folds = min(CHOICE_FOLDS, *patients)
    if folds < 2:
        return {}
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    weights = task.weights(features.labels, balanced)
    losses: dict[float, list[float]] = {s: [] for s in STRENGTHS}
    for inside, outside in splitter.split(features.values, strata, groups):
        if not shows_all(task, features.labels[inside]):
            continue
        held_out = features[outside].as_is()
        for strength, head in task.fit(features[inside], balanced, STRENGTHS).items():
            loss = task.error(head.logits(held_out.values), held_out.labels, weights)
            losses[strength].append(loss)
    return {s: float(np.mean(found)) for s, found in losses.items() if found}
