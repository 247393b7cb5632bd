"""Any of several labels: sigmoids, binary cross-entropy, AUROC of each label."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from histotile.config.task import NONE_OF_THEM, SEPARATOR
from histotile.stats.auroc import aurocs, mean_of_known
from histotile.stats.linear_head import LinearHead, fit_heads, lesson_weights
from histotile.tasks.named_probabilities import NamedProbabilities
from histotile.tasks.probe import Features
from histotile.tasks.task import UNKNOWN, Doubles, Floats

if TYPE_CHECKING:
    import torch

Integers = NDArray[np.int64]
Flags = NDArray[np.int8]

SEVERAL = "several labels"  # stratum
MOST_WEIGHT = 100.0  # of the rarer side of a label


def split_labels(text: str) -> list[str]:
    """The labels in a text such as `a;b`, each once, in its order; of `none` there are none.

    >>> split_labels("b; a;b"), split_labels("none")
    (['b', 'a'], [])
    """
    parts = [part.strip() for part in text.split(SEPARATOR)]
    named = list(dict.fromkeys(part for part in parts if part))
    return [] if named == [NONE_OF_THEM] else named


@dataclass(frozen=True)
class Multilabel(NamedProbabilities):
    """Which labels a tile bears: 0 or 1 for each of `names`; values are probabilities.

    A tile without a label in its table is unknown; `none` says that it bears none. See `task.Task`
    for what the members mean.
    """

    kind: ClassVar[str] = "multilabel"
    label_type: ClassVar[str] = "string"
    error_name: ClassVar[str] = "binary cross-entropy (nats)"
    score_name: ClassVar[str] = "mean tile AUROC over labels"
    positive: ClassVar[str | None] = None
    is_exclusive: ClassVar[bool] = False

    def labels(self, texts: Iterable[str | None]) -> Flags:
        """(N, names) 1 where a tile bears the label, else 0; UNKNOWN throughout without a text."""
        known: dict[str | None, list[int]] = {}
        listed = list(texts)
        for text in set(listed):
            is_known = text is not None and text.strip() and not self.foreign([text])
            borne = split_labels(text or "")
            known[text] = [int(n in borne) if is_known else UNKNOWN for n in self.names]
        return np.array([known[text] for text in listed], np.int8).reshape(-1, len(self.names))

    def texts(self, labels: Flags) -> list[str | None]:
        """What a table writes of labels: `a;b` in the order of the names, or `none`."""
        return [None if (row == UNKNOWN).any() else self._text(row == 1) for row in labels]

    def _text(self, borne: NDArray[np.bool_]) -> str:
        named = (name for name, bears in zip(self.names, borne, strict=True) if bears)
        return SEPARATOR.join(named) or NONE_OF_THEM

    def foreign(self, texts: Iterable[str | None]) -> list[str]:
        """Texts that name anything but labels, `none` beside one, or separators alone."""
        there = {text for text in texts if text is not None and text.strip()}
        return sorted(
            text
            for text in there
            if set(split_labels(text)) - set(self.names) or not text.strip(f"{SEPARATOR} \t")
        )

    @property
    def strata(self) -> tuple[str, ...]:
        """None of the labels, each of them alone, several."""
        return (NONE_OF_THEM, *self.names, *([SEVERAL] if len(self.names) > 1 else []))

    def stratum(self, labels: Flags) -> Integers:
        """By how many labels there are, and which if it is one."""
        count = (labels == 1).sum(1)
        alone = np.where(count == 1, 1 + labels.argmax(1), 0)
        found = np.where(count > 1, len(self.names) + 1, alone)
        return np.where((labels == UNKNOWN).any(1), UNKNOWN, found).astype(np.int64)

    def merged(self, texts: Iterable[str | None]) -> str | None:
        """Every label that some slide bears."""
        flags = self.labels(text for text in texts if text is not None)
        known = flags[(flags != UNKNOWN).all(1)]
        return self._text((known == 1).any(0)) if len(known) else None

    def lacking(self, labels: Flags) -> list[str]:
        """Labels that no tile bears, and labels that every tile bears."""
        known = labels[(labels != UNKNOWN).all(1)]
        never = [
            name for name, bears in zip(self.names, (known == 1).any(0), strict=True) if not bears
        ]
        always = [
            n for n, spares in zip(self.names, (known == 0).any(0), strict=True) if not spares
        ]
        return [*never, *(f"anything without {name}" for name in always)]

    def weights(self, labels: Flags, balanced: bool) -> Doubles:
        """(2, names): of tiles without and with each label; both sides weigh alike if balanced."""
        if not balanced:
            return np.ones((2, len(self.names)))
        borne = (labels == 1).mean(0)
        shares = np.stack([1 - borne, borne])
        return np.asarray(np.minimum(1 / (2 * np.maximum(shares, 1e-9)), MOST_WEIGHT))

    def loss(
        self, logits: "torch.Tensor", labels: "torch.Tensor", weights: "torch.Tensor | None" = None
    ) -> "torch.Tensor":
        """Weighted binary cross-entropy, mean over labels; smoothed and focal where asked."""
        import torch
        from torch.nn.functional import binary_cross_entropy_with_logits

        truth = labels.to(logits.dtype)
        known = (labels != UNKNOWN).to(logits.dtype)
        softened = truth * (1 - self.smoothing) + self.smoothing / 2
        losses = binary_cross_entropy_with_logits(logits, softened, reduction="none")
        if self.focal_gamma:
            told = torch.sigmoid(torch.where(truth > 0, logits, -logits))
            losses = losses * (1 - told) ** self.focal_gamma
        if weights is not None:
            known = known * torch.where(truth > 0, weights[1], weights[0])
        return (losses * known).sum() / known.sum().clamp(min=1e-9)

    def error(self, logits: Doubles, labels: Flags, weights: Doubles | None = None) -> float:
        """Weighted binary cross-entropy (nats), neither smoothed nor focal."""
        losses = np.logaddexp(0, np.where(labels == 1, -logits, logits))
        counted = np.ones_like(losses) if weights is None else np.where(labels == 1, *weights[::-1])
        return float(np.average(losses, weights=counted * (labels != UNKNOWN)))

    def blind_error(self, labels: Flags) -> float:
        """The loss of calling every label as likely as not."""
        return math.log(2)

    def fit(
        self, features: Features, balanced: bool, strengths: tuple[float, ...]
    ) -> dict[float, LinearHead]:
        """A logistic regression per label on standardised features."""
        every = np.ones((1, len(features.labels)), np.bool_)
        rows: dict[float, list[LinearHead]] = {strength: [] for strength in strengths}
        for label in features.labels.astype(np.int64).T:
            weights = lesson_weights(label, every, balanced)
            fitted = fit_heads(features.values, label, weights, strengths)
            for strength, (head,) in zip(strengths, fitted, strict=True):
                rows[strength].append(head)
        return {strength: _of_labels(heads) for strength, heads in rows.items()}

    def activate(self, logits: Floats) -> Doubles:
        """A sigmoid each."""
        return np.asarray(1 / (1 + np.exp(-np.clip(np.asarray(logits, np.float64), -60, 60))))

    def preds(self, values: Floats) -> list[str | None]:
        """The labels of at least 0.5, or `none`."""
        return [None if np.isnan(row).any() else self._text(row >= 0.5) for row in values]

    def scores(
        self, values: Floats, labels: Flags, patients: Integers, weights: Doubles
    ) -> Doubles:
        """AUROC of each label against its absence, mean over those that some tiles bear, some not.

        `weights` as in `task.Task`.
        """
        each = [
            aurocs(values[:, c], labels[:, c] == 1, patients, weights)
            for c in range(len(self.names))
        ]
        return mean_of_known(np.stack(each, axis=1))


def _of_labels(heads: list[LinearHead]) -> LinearHead:
    """One logit per label, of heads that give one for its absence and one for its presence."""
    weight = np.stack([head.weight[1] - head.weight[0] for head in heads])
    return LinearHead(weight, np.array([head.bias[1] - head.bias[0] for head in heads]))
