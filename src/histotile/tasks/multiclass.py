"""One of several classes: softmax, cross-entropy, AUROC of each class against the rest."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from histotile.stats.auroc import aurocs, judged_classes, mean_of_known
from histotile.stats.linear_head import LinearHead, fit_heads, lesson_weights
from histotile.tasks.named_probabilities import NamedProbabilities
from histotile.tasks.probe import Features
from histotile.tasks.task import UNKNOWN, Doubles, Floats

if TYPE_CHECKING:
    import torch

Integers = NDArray[np.int64]


def class_loss(
    logits: "torch.Tensor",
    labels: "torch.Tensor",
    weights: "torch.Tensor | None" = None,
    smoothing: float = 0.0,
    focal_gamma: float = 0.0,
) -> "torch.Tensor":
    """Mean cross-entropy of logits (N, C), weighted by class; tiles without label do not count."""
    from torch.nn.functional import cross_entropy

    if not focal_gamma:
        return cross_entropy(
            logits, labels, weights, ignore_index=UNKNOWN, label_smoothing=smoothing
        )
    known = labels != UNKNOWN
    logits, labels = logits[known], labels[known]
    losses = cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)
    told = logits.softmax(1).gather(1, labels[:, None])[:, 0]
    counted = told.new_ones(len(told)) if weights is None else weights[labels]
    return ((1 - told) ** focal_gamma * losses * counted).sum() / counted.sum()


@dataclass(frozen=True)
class Multiclass(NamedProbabilities):
    """The class of a tile, its number in the order of `names`; values are probabilities.

    The first class is the background. See `task.Task` for what the members mean.
    """

    kind: ClassVar[str] = "multiclass"
    label_type: ClassVar[str] = "int32"
    error_name: ClassVar[str] = "cross-entropy (nats)"
    score_name: ClassVar[str] = "tile AUROC"
    is_exclusive: ClassVar[bool] = True

    def labels(self, texts: Iterable[str | None]) -> Integers:
        """(N,) class numbers."""
        number = {name: c for c, name in enumerate(self.names)}
        return np.array([number.get(text or "", UNKNOWN) for text in texts], np.int64)

    def texts(self, labels: Integers) -> list[str | None]:
        """The names of the classes."""
        return [None if label == UNKNOWN else self.names[label] for label in labels.tolist()]

    def foreign(self, texts: Iterable[str | None]) -> list[str]:
        """Texts that name no class."""
        return sorted({text for text in texts if text is not None} - set(self.names))

    @property
    def strata(self) -> tuple[str, ...]:
        """The classes."""
        return self.names

    def stratum(self, labels: Integers) -> Integers:
        """The class number."""
        return labels

    def merged(self, texts: Iterable[str | None]) -> str | None:
        """The last in class order: one slide with a lesion outweighs any number of healthy ones."""
        known = {text for text in texts if text is not None}
        return max(known, key=self.names.index, default=None)

    def lacking(self, labels: Integers) -> list[str]:
        """Classes without a tile."""
        there = set(np.unique(labels).tolist())
        return [name for number, name in enumerate(self.names) if number not in there]

    def weights(self, labels: Integers, balanced: bool) -> Doubles:
        """Per class: 1 / frequency, scaled to a mean of 1 over the tiles; else all 1."""
        classes = len(self.names)
        if not balanced:
            return np.ones(classes)
        counts = np.bincount(np.asarray(labels), minlength=classes).astype(float)
        weights: Doubles = counts.sum() / (classes * np.maximum(counts, 1))
        return weights

    def loss(
        self, logits: "torch.Tensor", labels: "torch.Tensor", weights: "torch.Tensor | None" = None
    ) -> "torch.Tensor":
        """Class-weighted cross-entropy; smoothed and focal where asked."""
        return class_loss(logits, labels, weights, self.smoothing, self.focal_gamma)

    def error(self, logits: Doubles, labels: Integers, weights: Doubles | None = None) -> float:
        """Class-weighted mean cross-entropy (nats), neither smoothed nor focal."""
        top = logits.max(1, keepdims=True)
        log_sum = np.log(np.exp(logits - top).sum(1)) + top[:, 0]
        losses = log_sum - logits[np.arange(len(labels)), labels]
        return float(np.average(losses, weights=None if weights is None else weights[labels]))

    def blind_error(self, labels: Integers) -> float:
        """The cross-entropy of calling all classes equally likely."""
        return math.log(len(self.names))

    def fit(
        self, features: Features, balanced: bool, strengths: tuple[float, ...]
    ) -> dict[float, LinearHead]:
        """Logistic regressions on standardised features."""
        every = np.ones((1, len(features.labels)), np.bool_)
        weights = lesson_weights(features.labels, every, balanced)
        heads = fit_heads(features.values, features.labels, weights, strengths)
        return {strength: head for strength, (head,) in zip(strengths, heads, strict=True)}

    def activate(self, logits: Floats) -> Doubles:
        """Softmax."""
        powers = np.exp(np.asarray(logits, np.float64) - logits.max(1, keepdims=True))
        shares: Doubles = powers / powers.sum(1, keepdims=True)
        return shares

    def preds(self, values: Floats) -> list[str | None]:
        """The class of the highest value."""
        return [None if np.isnan(row[0]) else self.names[int(row.argmax())] for row in values]

    @property
    def positive(self) -> str | None:
        """The class that is looked for; None where there are several."""
        return None

    def scores(
        self, values: Floats, labels: Integers, patients: Integers, weights: Doubles
    ) -> Doubles:
        """AUROC of each class against the rest, mean over those that occur beside others."""
        each = [
            aurocs(values[:, c], labels == c, patients, weights)
            for c in judged_classes(len(self.names))
        ]
        return mean_of_known(np.stack(each, axis=1))
