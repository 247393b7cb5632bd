"""Intervals by resampling patients, the unit of independence: tiles of one patient are alike."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histotile.evaluation.metrics import (
    auprc_of,
    auroc_of,
    call_metrics,
    confusion,
    histograms,
    score_bins,
)

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]

MAX_BINS = 2048  # distinct scores kept apart in resamples; the value itself is always exact
_CHUNK = 128  # resamples computed together: bounds memory to some 10 MB per array


@dataclass(frozen=True)
class Measurement:
    """The value of a metric on the cohort as it is, and on each resample of it; NaN: undefined."""

    value: float
    draws: NDArray[np.float64]

    def __sub__(self, other: "Measurement") -> "Measurement":
        """The paired difference: both were measured on the same resamples."""
        return Measurement(self.value - other.value, self.draws - other.draws)


@dataclass(frozen=True)
class Interval:
    """A percentile interval; None where no resample defines the metric. `undefined` counts them."""

    lower: float | None
    upper: float | None
    undefined: int


def draw_weights(strata: Sequence[Any], resamples: int, seed: int) -> NDArray[np.float64]:
    """(resamples, G): how often each of G patients occurs in each resample.

    Patients are drawn with replacement within their stratum (label and fold), so every resample
    holds as many of each as the cohort does.
    """
    generator = np.random.default_rng(seed)
    weights = np.zeros((resamples, len(strata)))
    for stratum in dict.fromkeys(strata):
        members = np.array([i for i, other in enumerate(strata) if other == stratum])
        n = len(members)
        weights[:, members] = generator.multinomial(n, np.full(n, 1 / n), size=resamples)
    return weights


def interval(draws: Floats, confidence: float) -> Interval:
    """The percentile interval of these resamples at that level, e.g. 0.95."""
    known = draws[~np.isnan(draws)]
    undefined = len(draws) - len(known)
    if len(known) == 0:
        return Interval(None, None, undefined)
    tail = (1 - confidence) / 2
    lower, upper = np.quantile(known, [tail, 1 - tail])
    return Interval(float(lower), float(upper), undefined)


def average(measurements: Sequence[Measurement]) -> Measurement:
    """The mean over folds; a resample counts as undefined if it is so in any of them."""
    return Measurement(
        float(np.mean([m.value for m in measurements])),
        np.mean([m.draws for m in measurements], axis=0),
    )


def measure(
    labels: Ints, scores: Floats, patients: Ints, weights: Floats
) -> dict[str, Measurement]:
    """Every metric of tiles, slides or patients, on the cohort as it is and on each resample.

    For more than two classes auroc and auprc are the mean over the classes (one against the rest)
    that occur beside others. The pred is the class of the highest score.

    Args:
        labels: (N,) class index.
        scores: (N, C) finite.
        patients: (N,) index of the patient.
        weights: (B, G) as from `draw_weights`.
    """
    n_classes, n_patients = scores.shape[1], weights.shape[1]
    found = _ranking(labels, scores, patients, weights)
    counts = confusion(labels, scores.argmax(axis=1), n_classes, patients, n_patients)
    values = call_metrics(counts.sum(axis=0))
    drawn = (weights @ counts.reshape(n_patients, -1)).reshape(-1, n_classes, n_classes)
    draws = call_metrics(drawn)
    return found | {name: Measurement(float(values[name]), draws[name]) for name in values}


def _ranking(
    labels: Ints, scores: Floats, patients: Ints, weights: Floats
) -> dict[str, Measurement]:
    n_classes = scores.shape[1]
    asked = [1] if n_classes == 2 else [c for c in range(n_classes) if (labels == c).any()]
    each = [_one_class(labels == c, scores[:, c], patients, weights) for c in asked]
    empty = Measurement(np.nan, np.full(len(weights), np.nan))
    return {
        name: average([found[i] for found in each]) if each else empty
        for i, name in enumerate(("auroc", "auprc"))
    }


def _one_class(
    positive: NDArray[np.bool_], scores: Floats, patients: Ints, weights: Floats
) -> tuple[Measurement, Measurement]:
    exact = split_histograms(positive, scores, patients * 0, 1, None)
    binned = split_histograms(positive, scores, patients, weights.shape[1], MAX_BINS)
    draws = np.concatenate([*_resampled(*binned, weights)], axis=1)
    return (
        Measurement(float(auroc_of(*exact)[0]), draws[0]),
        Measurement(float(auprc_of(*exact)[0]), draws[1]),
    )


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


def _resampled(positives: Floats, negatives: Floats, weights: Floats) -> Iterator[Floats]:
    """(2, chunk) arrays of auroc and auprc; patients without tiles here cost nothing."""
    present = (positives.sum(axis=1) + negatives.sum(axis=1)) > 0
    for start in range(0, len(weights), _CHUNK):
        chosen = weights[start : start + _CHUNK, present]
        drawn = chosen @ positives[present], chosen @ negatives[present]
        yield np.stack([auroc_of(*drawn), auprc_of(*drawn)])
