"""Bands round mean curves by resampling patients, as the intervals of the metrics do."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histotile.config import Evaluate
from histotile.evaluation.figures.roc_pr import (
    GRID,
    Kind,
    asked_classes,
    precision_on_grid,
    roc_on_grid,
)
from histotile.evaluation.per_fold import NETWORK
from histotile.evaluation.units import Units

Doubles = NDArray[np.float64]

MOST_RESAMPLES = 200  # a band is hundreds of intervals side by side: it needs no more to be read


@dataclass(frozen=True)
class Band:
    """Where the network's mean curve lies on resamples of patients, at the abscissae `GRID`.

    Args:
        kind: As in `Curve`.
        level: `tile`, `slide` or `patient`.
        lower: (401,) lower end at each abscissa by itself; None if there is no band.
        upper: (401,) likewise.
        reason: Why there is no band; None if there is one.
        confidence: Share of the resamples between the ends, e.g. 0.95.
        resamples: How many were drawn.
    """

    kind: Kind
    level: str
    lower: NDArray[np.float64] | None
    upper: NDArray[np.float64] | None
    reason: str | None
    confidence: float
    resamples: int


def mean_bands(
    units: Units, folds: Sequence[str], weights: Doubles, settings: Evaluate
) -> list[Band]:
    """The band of the network's mean ROC curve, and of its precision-recall curve.

    Each resample of patients gives a curve in every fold, and these are averaged at equal
    abscissa, as the mean curve itself is. The band holds the middle of the averages at each
    abscissa by itself, and the mean curve: where one unit decides, as the lowest positive does on
    precision at full recall, resamples without it could leave that out. The first 200 of the
    resamples are used; they are those of the metrics' intervals. A resample that lacks one of the
    classes in any fold is left out.

    Args:
        units: Labelled tiles, slides or patients.
        folds: Names of the folds.
        weights: (B, G) patients in resamples, from `draw_weights`.
        settings: Level of the bands.

    Returns:
        `roc` and `pr`; nothing where no fold has both classes, hence no curve.
    """
    used = weights[:MOST_RESAMPLES]
    with_cohort = np.concatenate([np.ones_like(used[:1]), used])
    of_folds = []
    for fold in folds:
        chosen = units.of_fold(fold).scored_by(NETWORK)
        labels, scores = chosen.labels, chosen.scores[NETWORK]
        each = [
            drawn_curves(labels == c, scores[:, c], chosen.patients, with_cohort)
            for c in asked_classes(labels, scores.shape[1])
        ]
        if each:
            of_folds.append(np.mean(each, axis=0))
    if not of_folds:
        return []
    tested = np.unique(units.patients[np.isin(units.folds, list(folds))])
    lone = bool((used[:, tested] == 1).all())
    key = settings.confidence, len(used)
    ends = [_middle(curves, settings.confidence, lone) for curves in np.mean(of_folds, axis=0)]
    return [Band("roc", units.level, *ends[0], *key), Band("pr", units.level, *ends[1], *key)]


def drawn_curves(
    positive: NDArray[np.bool_], scores: Doubles, patients: NDArray[np.int64], weights: Doubles
) -> Doubles:
    """(2, B, 401): true positive rate and precision at `GRID` on each resample; NaN: undefined.

    Equal to repeating the units of every patient as often as the patient was drawn, but units are
    sorted once and counted with their weight. Scores are told apart exactly.

    Args:
        positive: (N,) whether the unit is of the class asked.
        scores: (N,) finite.
        patients: (N,) index of the patient.
        weights: (B, G) as from `draw_weights`.
    """
    order = np.argsort(-scores, kind="stable")
    last_of_ties = np.flatnonzero(np.diff(scores[order], append=np.nan) != 0)
    owner, hit = patients[order], positive[order]
    curves = np.full((2, len(weights), len(GRID)), np.nan)
    for b, weight in enumerate(weights):
        counts = weight[owner]
        called = np.cumsum(counts)[last_of_ties]
        true = np.cumsum(counts * hit)[last_of_ties]
        false = called - true
        if true[-1] > 0 and false[-1] > 0:
            recall = true / true[-1]
            false_rate = np.concatenate([[0.0], false / false[-1]])
            curves[0, b] = roc_on_grid(false_rate, np.concatenate([[0.0], recall]))
            precision = np.divide(true, called, out=np.ones_like(true), where=called > 0)
            curves[1, b] = precision_on_grid(recall, precision)
    return curves


def _middle(
    curves: Doubles, confidence: float, lone: bool
) -> tuple[Doubles | None, Doubles | None, str | None]:
    """Both ends at every abscissa, or why there are none.

    Args:
        curves: (1 + B, 401) the cohort's own curve, then those of resamples.
        confidence: Share between the ends.
        lone: Whether no resample differs from the cohort.
    """
    if lone:
        return None, None, "one patient per fold and label"
    own, draws = curves[0], curves[1:]
    known = draws[~np.isnan(draws).any(axis=1)]
    if not len(known):
        return None, None, "no resample has both classes"
    tail = (1 - confidence) / 2
    lower, upper = np.quantile(known, [tail, 1 - tail], axis=0)
    if (lower == upper).all():
        return None, None, "all resamples agree"
    return np.minimum(lower, own), np.maximum(upper, own), None
