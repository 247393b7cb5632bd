"""How well numbers agree with true ones, under any multiplicities of patients.

A resample weighs the tiles of its patients: ranks, means and errors are those of the cohort in
which each patient stands as often as it was drawn, without a new sort.
"""

import numpy as np
from numpy.typing import NDArray

from histotile.stats.crossvalidation import Floats, Integers

CELLS = 2_000_000  # of a resamples x tiles table held at once (16 MB)
EXACT = 20_000  # tiles from which ranks are those of bins: with 100, rho moves by 0.0002
BINS = 100
Numbers = NDArray[np.floating]


def spearmans(guesses: Numbers, truth: Numbers, patients: Integers, weights: Floats) -> Floats:
    """(B,) Spearman's rank correlation; ties share their mean rank, and bins of many tiles.

    Args:
        guesses: (N,).
        truth: (N,).
        patients: (N,) patient numbers.
        weights: (B, P) how often each patient counts.

    Returns:
        NaN where one side is constant, or nothing counts.
    """
    if len(truth) > EXACT:
        return _spearmans_of_bins(_binned(guesses), _binned(truth), patients, weights)
    found = np.full(len(weights), np.nan)
    places = [np.unique(values, return_inverse=True)[1] for values in (guesses, truth)]
    step = max(1, CELLS // max(len(truth), 1))
    for start in range(0, len(weights), step):
        each = weights[start : start + step][:, patients]
        a, b = (_ranks(place, each) for place in places)
        found[start : start + step] = _pearsons(a, b, each)
    return found


def _ranks(place: Integers, each: Floats) -> Floats:
    """(B, N) rank of each distinct value, by its place, where tile n counts `each[b, n]` times."""
    counts = np.zeros((len(each), int(place.max(initial=0)) + 1))
    for row, own in zip(counts, each, strict=True):
        row += np.bincount(place, own, minlength=len(row))
    return np.asarray(_middles(counts)[:, place])


def _middles(counts: Floats) -> Floats:
    """Mean rank in each of ascending groups of so many."""
    return np.cumsum(counts, axis=1) - counts / 2


def _binned(values: Numbers) -> Integers:
    """(N,) number of a bin; bins are about equally full, and equal values share one."""
    edges = np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1])
    return np.searchsorted(edges, values, side="right")


def _spearmans_of_bins(
    guesses: Integers, truth: Integers, patients: Integers, weights: Floats
) -> Floats:
    """(B,) correlation of mean ranks of bins, from how often each patient has each pair of bins."""
    pairs = np.zeros((weights.shape[1], BINS * BINS))
    np.add.at(pairs, (patients, guesses * BINS + truth), 1)
    found = []
    step = max(1, CELLS // pairs.shape[1])
    for start in range(0, len(weights), step):
        joint = (weights[start : start + step] @ pairs).reshape(-1, BINS, BINS)
        sides = [joint.sum(axis=2), joint.sum(axis=1)]
        total = sides[0].sum(axis=1, keepdims=True)
        with np.errstate(invalid="ignore", divide="ignore"):
            a, b = (_middles(side) - total / 2 for side in sides)  # total / 2: the mean rank
            spread = (sides[0] * a * a).sum(1) * (sides[1] * b * b).sum(1)
            rho = np.einsum("kgt,kg,kt->k", joint, a, b, optimize=True) / np.sqrt(spread)
        found.append(np.where(spread > 1e-12, rho, np.nan))
    return np.concatenate(found)


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
