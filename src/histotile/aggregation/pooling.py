"""Pooling of tile probabilities: of a slide as it is, and of resamples of its tiles."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histotile.config import Aggregate

Floats = NDArray[np.floating[Any]]
Doubles = NDArray[np.float64]

_MOST = 1 - 1e-6  # of a probability, so that noisy-or keeps a finite logarithm
_CHUNK = 2_000_000  # tiles of all resamples counted together: bounds memory to some 50 MB


def pool(known: Doubles, settings: Aggregate) -> Doubles:
    """(C,): the tiles (N, C), at least one, pooled as `aggregation.aggregate_slide` says."""
    k = min(settings.top_k, len(known))
    match settings.method:
        case "top_k":
            pooled = np.partition(known, len(known) - k, axis=0)[len(known) - k :].mean(axis=0)
        case "quantile":
            pooled = np.quantile(known, settings.quantile, axis=0)
        case "noisy_or":
            pooled = -np.expm1(k * _log_absent(known).mean(axis=0))
        case _:  # also where slides are learnt, of what is no learner: colour
            pooled = known.mean(axis=0)
    return np.asarray(pooled)


def pool_resamples(
    known: Doubles, groups: NDArray[np.int64], weights: NDArray[np.int64], settings: Aggregate
) -> Doubles:
    """(B, C): `pool` of each resample, in which tiles occur as often as their group does.

    Args:
        known: (N, C) probabilities without NaN.
        groups: (N,) group of each tile, 0 .. G - 1, none of them empty.
        weights: (B, G) how often each group occurs in each resample; at least one does.
        settings: Method and its parameters.
    """
    sizes = np.bincount(groups, minlength=weights.shape[1])
    n_tiles = weights @ sizes
    match settings.method:
        case "noisy_or":
            absent = weights @ _sums(_log_absent(known), groups, len(sizes)) / n_tiles[:, None]
            return np.asarray(-np.expm1(np.minimum(settings.top_k, n_tiles)[:, None] * absent))
        case "top_k":
            each = [_top(p, groups, weights, settings.top_k) for p in known.T]
        case "quantile":
            each = [_quantile(p, groups, weights, settings.quantile) for p in known.T]
        case _:
            return weights @ _sums(known, groups, len(sizes)) / n_tiles[:, None]
    return np.stack(each, axis=1)


def with_background(scores: Doubles, settings: Aggregate, has_background: bool = True) -> Doubles:
    """The same scores (..., C); unless averaged, the first class gets 1 - the highest other.

    Where the first name is no background, nothing changes.
    """
    if settings.method == "mean" or settings.is_learnt or not has_background:
        return scores
    background = 1 - scores[..., 1:].max(axis=-1, keepdims=True)
    return np.concatenate([background, scores[..., 1:]], axis=-1)


def _log_absent(known: Doubles) -> Doubles:
    return np.asarray(np.log1p(-np.minimum(known, _MOST)))


def _sums(values: Doubles, groups: NDArray[np.int64], n_groups: int) -> Doubles:
    columns = [np.bincount(groups, weights=column, minlength=n_groups) for column in values.T]
    return np.stack(columns, axis=1)


def _top(p: Doubles, groups: NDArray[np.int64], weights: NDArray[np.int64], k: int) -> Doubles:
    """(B,): mean of the k largest of each resample, of all where it holds fewer."""
    found = []
    for order, chosen, up_to in _counted(-p, groups, weights):
        taken = np.clip(k - (up_to - chosen), 0, chosen)
        found.append(taken @ p[order] / taken.sum(axis=1))
    return np.concatenate(found)


def _quantile(
    p: Doubles, groups: NDArray[np.int64], weights: NDArray[np.int64], quantile: float
) -> Doubles:
    """(B,): that quantile of each resample, linear between neighbours as `numpy.quantile`."""
    found = []
    for order, _, up_to in _counted(p, groups, weights):
        ascending = p[order]
        for counts in up_to:
            place = (counts[-1] - 1) * quantile
            below, above = np.searchsorted(counts, [np.floor(place), np.ceil(place)], side="right")
            share = place - np.floor(place)
            found.append(ascending[below] * (1 - share) + ascending[above] * share)
    return np.array(found)


def _counted(
    key: Doubles, groups: NDArray[np.int64], weights: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]]]:
    """Order of the tiles by ascending key; per chunk of resamples: counts so sorted, and summed."""
    order = np.argsort(key, kind="stable")
    owner, counts = groups[order], weights.astype(np.int32)
    rows = max(1, _CHUNK // max(len(key), 1))
    for start in range(0, len(weights), rows):
        chosen = counts[start : start + rows, owner]
        yield order, chosen, np.cumsum(chosen, axis=1, dtype=np.int32)
