"""How well scores and calls agree with labels; NaN where the question has no answer.

Ranking metrics are functions of two histograms, of the positives and of the negatives over the
distinct scores (`stats.histograms`), of a cohort as it is or of thousands of resamples at once.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from histotile.stats.histograms import histograms, score_bins

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]
Bools = NDArray[np.bool_]


def auprc_of(positives: Floats, negatives: Floats) -> NDArray[np.float64]:
    """Average precision of histograms over ascending scores: precision summed over recall steps.

    Shapes as in `auroc_of`; NaN where there are no positives or no negatives (its value would be
    1 whatever the scores). A score that knows nothing reaches the prevalence.
    """
    found = np.cumsum(positives[..., ::-1], axis=-1)
    called = found + np.cumsum(negatives[..., ::-1], axis=-1)
    precision = np.divide(found, called, out=np.zeros_like(called), where=called > 0)
    total = (precision * positives[..., ::-1]).sum(axis=-1)
    defined = negatives.sum(axis=-1) > 0
    return np.where(defined, _ratio(total, positives.sum(axis=-1)), np.nan)


def auprc(positive: Bools, scores: Floats) -> float:
    """Average precision; read it beside the prevalence, which a blind score reaches."""
    return float(auprc_of(*_two_histograms(positive, scores)))


def _two_histograms(positive: Bools, scores: Floats) -> tuple[Floats, Floats]:
    bins, n_bins = score_bins(scores)
    negatives, positives = histograms(bins, n_bins, positive.astype(np.int64), 2)
    return positives, negatives


def roc_curve(positive: Bools, scores: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """False and true positive rate from (0, 0) to (1, 1), one point per distinct score.

    NaN throughout where there are no positives or no negatives.
    """
    positives, negatives = _two_histograms(positive, scores)
    rates = []
    for counts in (negatives, positives):
        found = np.concatenate([[0.0], np.cumsum(counts[::-1])])
        rates.append(_ratio(found, np.full_like(found, counts.sum())))
    return rates[0], rates[1]


def precision_recall(
    positive: Bools, scores: Floats
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Recall and precision, one point per distinct score from the highest down.

    The precision of a point holds from the recall before it up to its own; the area under these
    steps is `auprc`. NaN throughout where there are no positives or no negatives.
    """
    positives, negatives = _two_histograms(positive, scores)
    found, called = (np.cumsum(c[::-1]) for c in (positives, positives + negatives))
    defined = found[-1:].sum() > 0 and negatives.sum() > 0
    recall, precision = _ratio(found, positives.sum()), _ratio(found, called)
    return (recall, precision) if defined else (recall * np.nan, precision * np.nan)


def sensitivity_at_of(
    positives: Floats, negatives: Floats, specificity: float
) -> NDArray[np.float64]:
    """The highest sensitivity of any threshold with at least that specificity; shapes as AUROC's.

    A threshold calls the scores from it upwards; one above all scores calls nothing.
    """
    total = negatives.sum(axis=-1, keepdims=True)
    false = np.cumsum(negatives[..., ::-1], axis=-1)
    found = np.cumsum(positives[..., ::-1], axis=-1)
    allowed = false <= (1 - specificity) * total + 1e-9
    best = np.where(allowed, found, 0).max(axis=-1, initial=0)
    return np.where(total[..., 0] > 0, _ratio(best, positives.sum(axis=-1)), np.nan)


def set_aside_of(positives: Floats, negatives: Floats) -> NDArray[np.float64]:
    """The share of all that score below every positive: unread, they cost no positive.

    Shapes as in `auroc_of`; NaN where there are no positives or no negatives.
    """
    total = positives.sum(axis=-1), negatives.sum(axis=-1)
    below = np.where(np.cumsum(positives, axis=-1) == 0, negatives, 0).sum(axis=-1)
    return np.where((total[0] > 0) & (total[1] > 0), _ratio(below, total[0] + total[1]), np.nan)


def confusion(
    labels: Ints, preds: Ints, n_classes: int, groups: Ints | None = None, n_groups: int = 1
) -> NDArray[np.float64]:
    """(n_groups, C, C) counts, rows the label, columns the pred; one group where none is given."""
    cells = labels * n_classes + preds
    groups = np.zeros(len(labels), dtype=np.int64) if groups is None else groups
    counts = histograms(cells, n_classes**2, groups, n_groups)
    return counts.reshape(n_groups, n_classes, n_classes)


def call_metrics(counts: Floats) -> dict[str, NDArray[np.float64]]:
    """Accuracy and balanced accuracy; for two classes sensitivity and specificity too.

    The positive class is the last. Balanced accuracy is the mean recall of the classes that occur
    and is NaN where only one does.

    Args:
        counts: (..., C, C) as from `confusion`.

    Returns:
        One array of shape (...) per name.
    """
    right = np.diagonal(counts, axis1=-2, axis2=-1)
    present = counts.sum(axis=-1)
    recall = _ratio(right, present)
    n_present = (present > 0).sum(axis=-1)
    mean_recall = _ratio(np.nansum(recall, axis=-1), n_present)
    found = {
        "balanced_accuracy": np.where(n_present > 1, mean_recall, np.nan),
        "accuracy": _ratio(right.sum(axis=-1), present.sum(axis=-1)),
    }
    if counts.shape[-1] == 2:
        found |= {"sensitivity": recall[..., 1], "specificity": recall[..., 0]}
    return found


def _ratio(numerator: Any, denominator: Any) -> NDArray[np.float64]:
    top, bottom = np.broadcast_arrays(
        np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64)
    )
    quotient = np.full(top.shape, np.nan)
    np.divide(top, bottom, out=quotient, where=bottom > 0)
    return quotient
