"""Histograms over distinct scores: those of patients add up, so a resample is a matrix product."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]


def score_bins(scores: Floats, max_bins: int | None = None) -> tuple[NDArray[np.int64], int]:
    """The rank of each score among the distinct ones (0 = lowest), and how many there are.

    Args:
        scores: (N,) finite.
        max_bins: If there are more distinct scores, neighbours share a bin, each with about the
            same number of scores; a ranking metric then moves by less than 1 / max_bins.
    """
    distinct, bins, counts = np.unique(scores, return_inverse=True, return_counts=True)
    if max_bins is None or len(distinct) <= max_bins:
        return bins.astype(np.int64), len(distinct)
    before = np.cumsum(counts) - counts
    coarse = before * max_bins // max(len(scores), 1)
    return coarse[bins].astype(np.int64), max_bins


def histograms(bins: Ints, n_bins: int, groups: Ints, n_groups: int) -> NDArray[np.float64]:
    """(n_groups, n_bins): how many members of each group fall into each bin."""
    flat = np.bincount(groups * n_bins + bins, minlength=n_groups * n_bins)
    return flat.reshape(n_groups, n_bins).astype(np.float64)


def split_histograms(
    positive: NDArray[np.bool_],
    scores: Floats,
    groups: Ints,
    n_groups: int,
    max_bins: int | None,
) -> tuple[Floats, Floats]:
    """(n_groups, K) counts of the positives and of the negatives over ascending scores."""
    bins, n_bins = score_bins(scores, max_bins)
    both = [
        histograms(bins[chosen], n_bins, groups[chosen], n_groups)
        for chosen in (positive, ~positive)
    ]
    return both[0], both[1]
