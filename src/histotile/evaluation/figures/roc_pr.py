"""ROC and precision-recall curves of the network and of colour alone, per fold and averaged."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from histotile.evaluation.metrics import precision_recall, roc_curve
from histotile.evaluation.per_fold import NETWORK
from histotile.evaluation.units import Units

GRID = np.linspace(0, 1, 401)  # where curves are kept: false positive rates, or recalls

Kind = Literal["roc", "pr"]


@dataclass(frozen=True)
class Curve:
    """One model in one fold, at the abscissae `GRID`.

    Args:
        kind: `roc`: true positive rate at false positive rate; `pr`: precision at recall.
        level: `tile`, `slide` or `patient`.
        model: `network` or `colour`.
        fold: Number of the fold.
        rates: (401,) ordinates.
        prevalence: Share of positives, the precision of a score that knows nothing.
    """

    kind: Kind
    level: str
    model: str
    fold: str
    rates: NDArray[np.float64]
    prevalence: float


def fold_curves(units: Units, folds: Sequence[str]) -> list[Curve]:
    """Both kinds per model and fold that has both classes; for more than two classes their mean.

    The area under a `pr` curve is `auprc`: precision holds from one recall up to the next, as it
    does in average precision, and is not drawn as a slope between them.
    """
    found: list[Curve] = []
    for model in units.scores:
        for fold in folds:
            chosen = units.of_fold(fold).scored_by(NETWORK, model)
            each = _one_against_rest(chosen.labels, chosen.scores[model])
            if each:
                roc, pr, prevalence = (
                    np.mean(values, axis=0) for values in zip(*each, strict=True)
                )
                key = units.level, model, fold
                found.append(Curve("roc", *key, roc, float(prevalence)))
                found.append(Curve("pr", *key, pr, float(prevalence)))
    return found


def _one_against_rest(
    labels: NDArray[np.int64], scores: NDArray[np.float64]
) -> list[tuple[NDArray[np.float64], NDArray[np.float64], float]]:
    """Per class asked: true positive rates, precisions and prevalence."""
    found = []
    for c in asked_classes(labels, scores.shape[1]):
        positive = labels == c
        rates = roc_on_grid(*roc_curve(positive, scores[:, c]))
        precisions = precision_on_grid(*precision_recall(positive, scores[:, c]))
        found.append((rates, precisions, float(positive.mean())))
    return found


def asked_classes(labels: NDArray[np.int64], n_classes: int) -> list[int]:
    """The classes that have members and others: of two the positive one, else each in turn."""
    asked = [1] if n_classes == 2 else range(n_classes)
    return [c for c in asked if 0 < (labels == c).sum() < len(labels)]


def roc_on_grid(false: NDArray[np.float64], true: NDArray[np.float64]) -> NDArray[np.float64]:
    """(401,) true positive rate at each false positive rate of `GRID`.

    Args:
        false: (K,) ascending false positive rates from 0 to 1.
        true: (K,) true positive rates beside them.
    """
    return np.interp(GRID, false, true)


def precision_on_grid(
    recall: NDArray[np.float64], precision: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(401,) precision at each recall of `GRID`: of the highest threshold that reaches it.

    Args:
        recall: (K,) ascending, up to 1.
        precision: (K,) beside it.
    """
    return precision[np.searchsorted(recall, np.maximum(GRID - 1e-12, 1e-12))]
