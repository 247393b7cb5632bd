"""The linear probe: an L2-regularised logistic head on pooled features, strength by inner CV."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# L2 strength in units of the mean loss, so that it means the same at any number of tiles.
STRENGTHS = (10.0, 1.0, 0.1, 0.01, 0.001, 0.0001)
CHOICE_TILES = 6000  # rows on which the strength is chosen: more changes nothing but time
CHOICE_FOLDS = 4


@dataclass(frozen=True)
class Features:
    """Pooled features (N, D) of tiles with their class (index) and patient.

    `changed` marks rows of randomly changed copies: one learns from them as from any tile, but
    measures on the others alone. None: there are no copies.
    """

    values: NDArray[np.floating]
    labels: Integers
    groups: NDArray[np.str_]
    changed: NDArray[np.bool_] | None = None

    def __getitem__(self, rows: Integers) -> "Features":
        """The tiles of these rows."""
        changed = None if self.changed is None else self.changed[rows]
        return Features(self.values[rows], self.labels[rows], self.groups[rows], changed)

    def as_is(self) -> "Features":
        """The tiles without changed copies."""
        return self if self.changed is None else self[np.flatnonzero(~self.changed)]


@dataclass(frozen=True)
class Probe:
    """A linear head on raw features: logits = features @ weight.T + bias.

    Standardisation is folded in. `strengths` and `losses` are what inner cross-validation saw
    (empty where there were too few patients for it), `strength` what it chose.
    """

    weight: Floats
    bias: Floats
    strength: float
    losses: dict[float, float]

    def logits(self, values: NDArray[np.floating]) -> Floats:
        """Logits (N, C) of features (N, D)."""
        return np.asarray(values, np.float64) @ self.weight.T + self.bias

    def fill(self, head: nn.Linear) -> None:
        """Put weight and bias into the last layer of a network."""
        with torch.no_grad():
            head.weight.copy_(torch.from_numpy(self.weight))
            head.bias.copy_(torch.from_numpy(self.bias))


def fit_probe(features: Features, classes: int, balanced: bool, seed: int) -> Probe:
    """The logistic head that predicts best on left-out patients.

    Args:
        features: Training tiles; all classes must occur.
        classes: Number of classes.
        balanced: Whether rare classes weigh more.
        seed: Of the inner division of patients.
    """
    losses = _inner_losses(_thinned(features), classes, balanced, seed)
    # Without inner folds: a strength that a few hundred independent tiles can carry.
    strength = min(losses, key=losses.__getitem__) if losses else 0.1
    return fit_at(features, classes, balanced, strength, losses)


def fit_at(
    features: Features,
    classes: int,
    balanced: bool,
    strength: float,
    losses: dict[float, float] | None = None,
) -> Probe:
    """The logistic head at a given L2 strength."""
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    values = np.asarray(features.values, np.float64)
    shift, scale = values.mean(0), values.std(0)
    scale[scale < 1e-6] = 1.0  # dead features stay dead
    model = LogisticRegression(
        C=1 / (strength * len(values)),
        class_weight="balanced" if balanced else None,
        max_iter=500,
    )
    with threadpool_limits(1):  # threads would wait for each other longer than they compute
        model.fit((values - shift) / scale, features.labels)
    weight, bias = model.coef_, model.intercept_
    if classes == 2:  # scikit-learn gives one row: the difference of the two logits
        weight, bias = np.vstack([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    weight = weight / scale
    return Probe(weight, bias - weight @ shift, strength, losses or {})


def log_loss(logits: Floats, labels: Integers, weights: Floats | None = None) -> float:
    """Mean cross-entropy (nats) of logits (N, C); `weights` per class, as in training."""
    top = logits.max(1, keepdims=True)
    log_sum = np.log(np.exp(logits - top).sum(1)) + top[:, 0]
    losses = log_sum - logits[np.arange(len(labels)), labels]
    return float(np.average(losses, weights=None if weights is None else weights[labels]))


def class_weights(labels: Sequence[int] | Integers, classes: int, balanced: bool) -> Floats:
    """Weight per class: 1 / frequency, scaled to a mean of 1 over the tiles; else all 1."""
    counts = np.bincount(np.asarray(labels), minlength=classes).astype(float)
    if not balanced:
        return np.ones(classes)
    weights: Floats = counts.sum() / (classes * np.maximum(counts, 1))
    return weights


def _thinned(features: Features) -> Features:
    count = len(features.labels)
    if count <= CHOICE_TILES:
        return features
    return features[np.linspace(0, count - 1, CHOICE_TILES).astype(np.int64)]


def _inner_losses(
    features: Features, classes: int, balanced: bool, seed: int
) -> dict[float, float]:
    """Mean loss per strength over patient-disjoint inner folds that hold every class."""
    from sklearn.model_selection import StratifiedGroupKFold

    labels, groups = features.labels, features.groups
    patients = [len(np.unique(groups[labels == c])) for c in range(classes)]
    folds = min(CHOICE_FOLDS, *patients)
    if folds < 2:
        return {}
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    weights = class_weights(labels, classes, balanced)
    losses: dict[float, list[float]] = {s: [] for s in STRENGTHS}
    for inside, outside in splitter.split(features.values, labels, groups):
        if len(np.unique(labels[inside])) < classes:
            continue
        for strength in STRENGTHS:
            probe = fit_at(features[inside], classes, balanced, strength)
            held_out = features[outside].as_is()
            loss = log_loss(probe.logits(held_out.values), held_out.labels, weights)
            losses[strength].append(loss)
    return {s: float(np.mean(found)) for s, found in losses.items() if found}
