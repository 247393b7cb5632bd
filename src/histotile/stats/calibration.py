"""How far scores are probabilities: whether of all tiles scored 0.3 three in ten are positive."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histotile.stats.bootstrap import Measurement
from histotile.stats.histograms import histograms

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]
Doubles = NDArray[np.float64]

_MOST_BINS = 15
_LEAST_PER_BIN = 5
_FIT_BINS = 256  # distinct scores kept apart in the fits of resamples; the value itself is exact
_EDGE = 1e-6  # scores are held this far from 0 and 1, where a logit and a logarithm end
_STEPS, _LONGEST, _CLOSE = 60, 2.0, 1e-7


def calibrate(labels: Ints, scores: Floats, patients: Ints, weights: Floats) -> dict[str, Any]:
    """`Measurement` of ece, brier, nll, calibration_slope, calibration_intercept; NaN: undefined.

    All are of pairs (p, event) from `confidences`.

    - ece: mean distance of event rate and mean p over `equal_mass_bins`, by the bins' sizes; it
      cannot be negative, so few units raise it above 0 even for perfect probabilities, and
      resampling, which adds noise, raises it once more: its interval lies high;
    - brier: mean of (p - event)^2; nll: mean of -log of the probability given to what happened;
    - calibration_slope: of a logistic regression of the event on logit(p); 1 is ideal, below 1
      scores are too extreme. Undefined where p separates events from the rest;
    - calibration_intercept: of the same with the slope held at 1; 0 is ideal, below 0 scores are
      too high throughout (calibration in the large).

    Resamples hold as many patients of each label as the cohort does, so intervals, above all that
    of the intercept, leave out how much the share of positives itself is by chance.

    Args:
        labels: (N,) class index.
        scores: (N, C) finite.
        patients: (N,) index of the patient.
        weights: (B, G) as from `bootstrap.draw_weights`.
    """
    p, event = confidences(labels, scores)
    n_patients = weights.shape[1]
    bins = equal_mass_bins(p)
    excess = np.zeros((n_patients, int(bins.max(initial=0)) + 1))
    np.add.at(excess, (patients, bins), p - event)
    happened = np.where(event, p, 1 - p)
    losses = {"brier": (p - event) ** 2, "nll": -np.log(np.maximum(happened, _EDGE))}
    size = np.bincount(patients, minlength=n_patients).astype(np.float64)
    every = np.concatenate([np.ones((1, n_patients)), weights])
    found = {"ece": _measurement(_share(np.abs(every @ excess).sum(axis=1), every @ size))}
    for name, loss in losses.items():
        sums = np.bincount(patients, weights=loss, minlength=n_patients)
        found[name] = _measurement(_share(every @ sums, every @ size))
    for row, (name, fit) in enumerate((("intercept", fit_intercept), ("slope", fit_both))):
        found[f"calibration_{name}"] = _fitted(fit, row, p, event, patients, weights)
    return found


def confidences(labels: Ints, scores: Floats) -> tuple[Doubles, NDArray[np.bool_]]:
    """(N,) the probabilities that are judged, and (N,) whether what they announce came true.

    With two classes, of the second, the positive one; with more, of the class of the highest
    score (top label).
    """
    if scores.shape[1] == 2:
        return scores[:, 1].astype(np.float64), labels == 1
    return scores.max(axis=1).astype(np.float64), labels == scores.argmax(axis=1)


def equal_mass_bins(p: Floats) -> NDArray[np.int64]:
    """(N,): the bin of each score, 0 the lowest; bins hold about equally many, equal scores share.

    15 bins, or so few that 5 units fall into each.
    """
    _, places, counts = np.unique(p, return_inverse=True, return_counts=True)
    n_bins = min(_MOST_BINS, max(1, len(p) // _LEAST_PER_BIN))
    middle = np.cumsum(counts) - counts / 2
    coarse = (middle * n_bins / max(len(p), 1)).astype(np.int64)
    _, bins = np.unique(coarse[places], return_inverse=True)
    return bins.reshape(-1).astype(np.int64)


def fit_both(logits: Floats, positives: Doubles, negatives: Doubles) -> Doubles:
    """(2, B): intercept and slope of the logistic regression of each row; NaN where not finite.

    Args:
        logits: (K,) ascending.
        positives: (B, K) events at each logit.
        negatives: (B, K) the others.
    """
    if len(logits) < 2 or not np.ptp(logits):
        return np.full((2, len(positives)), np.nan)
    centre, spread = logits.mean(), logits.std()
    z, total = (logits - centre) / spread, positives + negatives
    defined = _overlapping(positives, negatives)
    found = np.zeros((2, len(total)))
    moved = np.full(len(total), np.inf)
    for _ in range(_STEPS):
        mu = _sigmoid(found[0][:, None] + found[1][:, None] * z)
        residual, weight = positives - total * mu, total * mu * (1 - mu)
        h = weight.sum(axis=1), weight @ z, weight @ z**2
        g = residual.sum(axis=1), residual @ z
        determinant = np.maximum(h[0] * h[2] - h[1] ** 2, 1e-300)
        step = np.stack([h[2] * g[0] - h[1] * g[1], h[0] * g[1] - h[1] * g[0]]) / determinant
        found += np.clip(step, -_LONGEST, _LONGEST)
        moved = np.abs(step).max(axis=0)
        if (moved[defined] < _CLOSE).all():
            break
    slope = found[1] / spread
    fitted = np.stack([found[0] - slope * centre, slope])
    return np.where(defined & (moved < _CLOSE), fitted, np.nan)


def fit_intercept(logits: Floats, positives: Doubles, negatives: Doubles) -> Doubles:
    """(2, B): intercept of the same regression with slope 1, and the 1; arguments as `fit_both`.

    NaN where events or the others lack, for then none is finite.
    """
    total = positives + negatives
    defined = (positives.sum(axis=1) > 0) & (negatives.sum(axis=1) > 0)
    found = np.zeros(len(total))
    moved = np.full(len(total), np.inf)
    for _ in range(_STEPS):
        mu = _sigmoid(found[:, None] + logits)
        gradient = (positives - total * mu).sum(axis=1)
        step = gradient / np.maximum((total * mu * (1 - mu)).sum(axis=1), 1e-300)
        found += np.clip(step, -_LONGEST, _LONGEST)
        moved = np.abs(step)
        if (moved[defined] < _CLOSE).all():
            break
    fitted = np.stack([found, np.ones_like(found)])
    return np.where(defined & (moved < _CLOSE), fitted, np.nan)


def _fitted(
    fit: Callable[[Floats, Doubles, Doubles], Doubles],
    row: int,
    p: Doubles,
    event: NDArray[np.bool_],
    patients: Ints,
    weights: Floats,
) -> Measurement:
    """One row of the fit: on every distinct score, and on at most some of them per resample.

    Scores share a bin where they say little: bins hold alike much of the information about the
    regression (its weights p (1 - p)) and of the units, half and half. So the few scores near the
    border of nearly separated labels, which decide the slope, stay apart.
    """
    distinct, place = np.unique(np.clip(p, _EDGE, 1 - _EDGE), return_inverse=True)
    logits = np.log(distinct / (1 - distinct))
    place = place.reshape(-1).astype(np.int64)
    every = [histograms(place[c], len(distinct), patients[c] * 0, 1) for c in (event, ~event)]
    exact = fit(logits, every[0], every[1])[:, 0]
    if np.isnan(exact[row]):
        return Measurement(np.nan, np.full(len(weights), np.nan))
    size = (every[0] + every[1])[0]
    mu = _sigmoid(exact[0] + exact[1] * logits)
    information = size * mu * (1 - mu)
    mass = np.cumsum(information / information.sum() + size / size.sum()) / 2
    coarse = np.ceil(mass * _FIT_BINS - 1e-9).astype(np.int64)
    bins = np.unique(coarse, return_inverse=True)[1].reshape(-1)
    if len(distinct) <= _FIT_BINS:
        bins = np.arange(len(distinct))
    means = np.bincount(bins, weights=logits * size) / np.bincount(bins, weights=size)
    counts = [
        histograms(bins[place[c]], len(means), patients[c], weights.shape[1])
        for c in (event, ~event)
    ]
    return Measurement(float(exact[row]), fit(means, weights @ counts[0], weights @ counts[1])[row])


def _overlapping(positives: Doubles, negatives: Doubles) -> NDArray[np.bool_]:
    """(B,): whether no threshold on the score separates events from the others in either sense."""
    ends = []
    for counts in (positives, negatives):
        there = counts > 0
        last = there.shape[1] - 1 - there[:, ::-1].argmax(axis=1)
        ends.append((there.argmax(axis=1), last, there.any(axis=1)))
    (first_pos, last_pos, any_pos), (first_neg, last_neg, any_neg) = ends
    return np.asarray((first_pos < last_neg) & (first_neg < last_pos) & any_pos & any_neg)


def _sigmoid(x: Doubles) -> Doubles:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -40, 40))))


def _share(sums: Doubles, sizes: Doubles) -> Doubles:
    shares = np.full(len(sums), np.nan)
    np.divide(sums, sizes, out=shares, where=sizes > 0)
    return shares


def _measurement(every: Doubles) -> Measurement:
    """The first is the cohort as it is, the others its resamples."""
    return Measurement(float(every[0]), every[1:])
