"""The linear probe: an L2-regularised logistic head on pooled features, strength by inner CV."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from histotile.stats.crossvalidation import divide
from histotile.stats.logistic import STRENGTHS, LinearHead, fit_heads, lesson_weights

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

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
    """A linear head on raw features, and how strong its penalty is.

    `losses` are what inner cross-validation saw of each strength (empty where there were too few
    patients for it), `strength` what it chose.
    """

    head: LinearHead
    strength: float
    losses: dict[float, float]

    def logits(self, values: NDArray[np.floating]) -> Floats:
        """Logits (N, C) of features (N, D)."""
        return self.head.logits(values)

    def fill(self, layer: nn.Linear) -> None:
        """Put weight and bias into the last layer of a network."""
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(self.head.weight))
            layer.bias.copy_(torch.from_numpy(self.head.bias))


def fit_probe(features: Features, classes: int, balanced: bool, seed: int) -> Probe:
    """The logistic head that predicts best on left-out patients.

    Args:
        features: Training tiles; all classes must occur.
        classes: Number of classes.
        balanced: Whether rare classes weigh more.
        seed: Of the inner division of patients.
    """
    strength, losses = choose_strength(features, classes, balanced, seed)
    stronger = tuple(s for s in STRENGTHS if s >= strength)
    return Probe(fit_strengths(features, balanced, stronger)[strength], strength, losses)


def fit_strengths(
    features: Features, balanced: bool, strengths: tuple[float, ...] = STRENGTHS
) -> dict[float, LinearHead]:
    """The logistic head at each of these L2 strengths, which descend."""
    every = np.ones((1, len(features.labels)), np.bool_)
    weights = lesson_weights(features.labels, every, balanced)
    heads = fit_heads(features.values, features.labels, weights, strengths)
    return {strength: head for strength, (head,) in zip(strengths, heads, strict=True)}


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


def choose_strength(
    features: Features, classes: int, balanced: bool, seed: int
) -> tuple[float, dict[float, float]]:
    """The strength of least mean loss over patient-disjoint inner folds that hold every class.

    And the losses. Without inner folds: one that a few hundred independent tiles can carry.
    """
    thin = _thinned(features)
    _, patients = np.unique(thin.groups, return_inverse=True)
    plan = divide(thin.labels, patients, classes, (CHOICE_FOLDS, 1), seed)
    if plan is None:
        return 0.1, {}
    weights = class_weights(thin.labels, classes, balanced)
    found: dict[float, list[float]] = {s: [] for s in STRENGTHS}
    for fold, inside in enumerate(plan.train[0]):
        taught = thin[np.flatnonzero(inside)]
        judge = thin[np.flatnonzero(plan.test[0] == fold)].as_is()
        if len(np.unique(taught.labels)) == classes:
            for strength, head in fit_strengths(taught, balanced).items():
                loss = log_loss(head.logits(judge.values), judge.labels, weights)
                found[strength].append(loss)
    losses = {s: float(np.mean(each)) for s, each in found.items() if each}
    return min(losses, key=losses.__getitem__, default=0.1), losses
