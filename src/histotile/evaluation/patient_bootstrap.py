"""Intervals by resampling patients, the unit of independence: tiles of one patient are alike."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histotile.evaluation.metrics import auprc_of, call_metrics, confusion
from histotile.stats.auroc import auroc_of
from histotile.stats.bootstrap import Measurement
from histotile.stats.histograms import split_histograms

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]

MAX_BINS = 2048  # distinct scores kept apart in resamples; the value itself is always exact
_CHUNK = 128  # resamples computed together: bounds memory to some 10 MB per array


def average(measurements: Sequence[Measurement]) -> Measurement:
    """The mean over folds; a resample counts as undefined if it is so in any of them."""
    return Measurement(
        float(np.mean([m.value for m in measurements])),
        np.mean([m.draws for m in measurements], axis=0),
    )


def measure(
    labels: Ints, scores: Floats, patients: Ints, weights: Floats, called: Floats | None = None
) -> dict[str, Measurement]:
    """Every metric of tiles, slides or patients, on the cohort as it is and on each resample.

    For more than two classes auroc and auprc are the mean over the classes (one against the rest)
    that occur beside others.

    Args:
        labels: (N,) class index.
        scores: (N, C) finite.
        patients: (N,) index of the patient.
        weights: (B, G) as from `draw_weights`.
        called: (N, C) whose highest is the call; None: the scores themselves.
    """
    n_classes, n_patients = scores.shape[1], weights.shape[1]
    found = _ranking(labels, scores, patients, weights)
    preds = (scores if called is None else called).argmax(axis=1)
    counts = confusion(labels, preds, n_classes, patients, n_patients)
    values = call_metrics(counts.sum(axis=0))
    drawn = (weights @ counts.reshape(n_patients, -1)).reshape(-1, n_classes, n_classes)
    draws = call_metrics(drawn)
    return found | {name: Measurement(float(values[name]), draws[name]) for name in values}


def _ranking(
    labels: Ints, scores: Floats, patients: Ints, weights: Floats
) -> dict[str, Measurement]:
    n_classes = scores.shape[1]
    asked = [1] if n_classes == 2 else [c for c in range(n_classes) if (labels == c).any()]
    each = [one_class(labels == c, scores[:, c], patients, weights) for c in asked]
    empty = Measurement(np.nan, np.full(len(weights), np.nan))
    return {
        name: average([found[i] for found in each]) if each else empty
        for i, name in enumerate(("auroc", "auprc"))
    }


def one_class(
    positive: NDArray[np.bool_], scores: Floats, patients: Ints, weights: Floats
) -> tuple[Measurement, Measurement]:
    """AUROC and AUPRC of N scores."""
    exact = split_histograms(positive, scores, patients * 0, 1, None)
    binned = split_histograms(positive, scores, patients, weights.shape[1], MAX_BINS)
    draws = np.concatenate([*_resampled(*binned, weights)], axis=1)
    return (
        Measurement(float(auroc_of(*exact)[0]), draws[0]),
        Measurement(float(auprc_of(*exact)[0]), draws[1]),
    )


def _resampled(positives: Floats, negatives: Floats, weights: Floats) -> Iterator[Floats]:
    """(2, chunk) arrays of auroc and auprc; patients without tiles here cost nothing."""
    present = (positives.sum(axis=1) + negatives.sum(axis=1)) > 0
    for start in range(0, len(weights), _CHUNK):
        chosen = weights[start : start + _CHUNK, present]
        drawn = chosen @ positives[present], chosen @ negatives[present]
        yield np.stack([auroc_of(*drawn), auprc_of(*drawn)])
