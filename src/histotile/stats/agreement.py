"""How well numbers agree with true ones, under any multiplicities of patients.

A resample weighs the tiles of its patients: ranks, means and errors are those of the cohort in
which each patient stands as often as it was drawn, without a new sort.
"""

import numpy as np
from numpy.typing import NDArray

from histotile.stats.crossvalidation import Floats, Integers

CELLS = 2_000_000  # of a resamples x tiles table held at once (16 MB)
Numbers = NDArray[np.floating]


def spearmans(guesses: Numbers, truth: Numbers, patients: Integers, weights: Floats) -> Floats:
    """(B,) Spearman's rank correlation; ties share their mean rank.

    Args:
        guesses: (N,).
        truth: (N,).
        patients: (N,) patient numbers.
        weights: (B, P) how often each patient counts.

    Returns:
        NaN where one side is constant, or nothing counts.
    """
    found = np.full(len(weights), np.nan)
    step = max(1, CELLS // max(len(truth), 1))
    for start in range(0, len(weights), step):
        each = weights[start : start + step][:, patients]
        found[start : start + step] = _pearsons(_ranks(guesses, each), _ranks(truth, each), each)
    return found


def _ranks(values: Numbers, each: Floats) -> Floats:
    """(B, N) rank of each value where tile n counts `each[b, n]` times."""
    distinct, place = np.unique(values, return_inverse=True)
    order = np.argsort(place, kind="stable")
    edges = np.searchsorted(place[order], np.arange(len(distinct) + 1))
    below = np.zeros((len(each), len(values) + 1))
    np.cumsum(each[:, order], axis=1, out=below[:, 1:])
    middle = (below[:, edges[:-1]] + below[:, edges[1:]]) / 2
    return np.asarray(middle[:, place])


def _pearsons(a: Floats, b: Floats, each: Floats) -> Floats:
    total = each.sum(1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        a = a - (each * a).sum(1, keepdims=True) / total
        b = b - (each * b).sum(1, keepdims=True) / total
        spread = (each * a * a).sum(1) * (each * b * b).sum(1)
        found = (each * a * b).sum(1) / np.sqrt(spread)
    return np.where(spread > 1e-12, found, np.nan)


def r_squared(guesses: Numbers, truth: Numbers, patients: Integers, weights: Floats) -> Floats:
    """(B,) 1 - mean square error / variance of the truth; 0: no better than its mean.

    Shapes as in `spearmans`; NaN where the truth is constant.
    """
    moments = np.stack([np.ones(len(truth)), truth, truth**2, (guesses - truth) ** 2], axis=1)
    n, first, second, missed = (weights @ _sums(moments, patients, weights.shape[1])).T
    spread = second - np.divide(first**2, n, out=np.zeros(len(n)), where=n > 0)
    is_varied = spread > 1e-9 * np.maximum(np.abs(second), 1e-12)
    share = np.divide(missed, spread, out=np.full(len(n), np.nan), where=is_varied)
    return np.asarray(1 - share)


def absolute_errors(
    guesses: Numbers, truth: Numbers, patients: Integers, weights: Floats
) -> Floats:
    """(B,) mean absolute error; shapes as in `spearmans`, NaN where nothing counts."""
    columns = np.stack([np.ones(len(truth)), np.abs(guesses - truth)], axis=1)
    n, missed = (weights @ _sums(columns, patients, weights.shape[1])).T
    return np.asarray(np.divide(missed, n, out=np.full(len(n), np.nan), where=n > 0))


def _sums(columns: Numbers, patients: Integers, count: int) -> Floats:
    found = np.zeros((count, columns.shape[1]))
    np.add.at(found, patients, columns)
    return found
