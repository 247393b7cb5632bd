"""AUROC: the chance that a positive scores above a negative, ties one half.

`aurocs` is exact under any multiplicities of patients: a resample weighs their tiles and needs no
new sort. `auroc_of` takes histograms over scores, which of hundreds of thousands of tiles are a
matrix product for all resamples at once.
"""

import numpy as np
from numpy.typing import NDArray

from histotile.stats.crossvalidation import Floats, Integers, Plan

CELLS = 4_000_000  # of a resamples x tiles table held at once (32 MB)
CHANCE = 0.5  # AUROC of guessing


def aurocs(
    scores: NDArray[np.floating], positive: NDArray[np.bool_], patients: Integers, weights: Floats
) -> Floats:
    """(B,) probability that a positive tile scores above a negative one; ties count one half.

    Args:
        scores: (N,).
        positive: (N,) whether the tile is of the class.
        patients: (N,) patient numbers.
        weights: (B, P) how often each patient counts.

    Returns:
        NaN where all positives or all negatives weigh nothing.
    """
    plus, minus = np.flatnonzero(positive), np.flatnonzero(~positive)
    minus = minus[np.argsort(scores[minus], kind="stable")]
    left = np.searchsorted(scores[minus], scores[plus], "left")
    right = np.searchsorted(scores[minus], scores[plus], "right")
    found = np.full(len(weights), np.nan)
    step = max(1, CELLS // max(len(scores), 1))
    for start in range(0, len(weights), step):
        part = weights[start : start + step]
        below = np.zeros((len(part), len(minus) + 1))
        np.cumsum(part[:, patients[minus]], axis=1, out=below[:, 1:])
        gains = part[:, patients[plus]]
        won = np.einsum("bn,bn->b", gains, below[:, left] + below[:, right]) / 2
        pairs = gains.sum(1) * below[:, -1]
        np.divide(won, pairs, out=found[start : start + step], where=pairs > 0)
    return found


def auroc(positive: NDArray[np.bool_], scores: NDArray[np.floating]) -> float:
    """AUROC of N scores; NaN without positives or without negatives."""
    return float(aurocs(scores, positive, np.zeros(len(scores), np.int64), np.ones((1, 1)))[0])


def auroc_of(positives: NDArray[np.floating], negatives: NDArray[np.floating]) -> Floats:
    """AUROC of histograms over ascending scores.

    Args:
        positives: (..., K) number of positives at each score.
        negatives: (..., K) number of negatives at each score.

    Returns:
        (...); NaN where there are no positives or no negatives.
    """
    below = np.cumsum(negatives, axis=-1) - negatives / 2
    won = np.asarray((positives * below).sum(axis=-1), np.float64)
    pairs = positives.sum(axis=-1) * negatives.sum(axis=-1)
    return np.asarray(np.divide(won, pairs, out=np.full(won.shape, np.nan), where=pairs > 0))


def fold_scores(plan: Plan, logits: NDArray[np.floating], weights: Floats) -> Floats:
    """(B, R, F) score of each fold: one class against the rest, mean over the classes it can judge.

    Args:
        plan: Which fold tests which tile.
        logits: (R, N, 1) of class 1 where there are two classes, else (R, N, C).
        weights: (B, P) how often each patient counts.

    Returns:
        NaN where a fold can judge no class: its test or its training part lacks it.
    """
    found = np.full((len(weights), plan.repeats, plan.folds), np.nan)
    for r in range(plan.repeats):
        for f in range(plan.folds):
            rows = np.flatnonzero(plan.test[r] == f)
            taught = plan.labels[plan.train[r, f]]
            each = [
                aurocs(logits[r, rows, j], plan.labels[rows] == c, plan.patients[rows], weights)
                for j, c in enumerate(judged_classes(plan.classes))
                if 0 < np.count_nonzero(taught == c) < len(taught)
            ]
            if each:
                found[:, r, f] = mean_of_known(np.stack(each, axis=1))
    return found


def scores(plan: Plan, logits: NDArray[np.floating], weights: Floats) -> Floats:
    """(B,) mean of `fold_scores` over folds and repeats; never pooled, as folds differ in scale."""
    folds = fold_scores(plan, logits, weights)
    return mean_of_known(folds.reshape(len(folds), -1))


def judged_classes(classes: int) -> range:
    """The classes with an AUROC of their own: of two, the second tells all."""
    return range(1, 2) if classes == 2 else range(classes)


def mean_of_known(values: Floats) -> Floats:
    """Mean over the last axis without NaN; NaN where nothing else is left."""
    known = np.isfinite(values)
    counts = known.sum(-1)
    sums = np.where(known, values, 0).sum(-1)
    means: Floats = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    return means
