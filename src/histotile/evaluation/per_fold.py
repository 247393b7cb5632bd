"""Metrics within each fold, their mean over folds, and the gain over colour alone, as rows.

The convention of every number: a metric is computed within a fold, among scores of one model, and
averaged over the folds that define it; scores of different folds are never ranked together.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histotile.aggregation.aggregate import HOLDOUT
from histotile.config import Evaluate
from histotile.evaluation.patient_bootstrap import average, measure
from histotile.evaluation.units import NETWORK as NETWORK
from histotile.evaluation.units import Units
from histotile.stats.bootstrap import Measurement, interval
from histotile.stats.calibration import calibrate, confidences, equal_mass_bins

Row = dict[str, Any]

COLOUR_ONLY, DIFFERENCE = "colour", "network-colour"
MEAN = "mean"


@dataclass(frozen=True)
class Cell:
    """One metric of one model in one fold, or over folds.

    `reason` says why the value is undefined, should it be; `remark` stands beside a value.
    """

    metric: Measurement
    n: int
    n_positive: int
    reason: str
    remark: str = ""

    @property
    def known(self) -> bool:
        """Whether the metric is defined."""
        return not np.isnan(self.metric.value)


Cells = dict[str, Cell]  # by name of the metric


def level_rows(
    units: Units,
    folds: Sequence[str],
    weights: NDArray[np.float64],
    settings: Evaluate,
    classes: Sequence[str],
) -> list[Row]:
    """The rows of one level: both models and their difference; mean first, then folds, holdout.

    Calibration is the network's alone: the baseline weighs its classes alike, so that its scores
    are no probabilities by design.

    Args:
        units: Labelled tiles, slides or patients.
        folds: Names of the folds.
        weights: (B, G) patients in resamples, from `draw_weights`.
        settings: Level of the intervals.
        classes: Names in order.
    """

    def network(of_fold: Units) -> Cells:
        scored = of_fold.scored_by(NETWORK)
        agreement = agreement_cells(scored, NETWORK, weights, classes)
        return agreement | _calibration_cells(scored, weights, agreement["auroc"])

    def colour(of_fold: Units) -> Cells:
        scored = of_fold.scored_by(NETWORK, COLOUR_ONLY)
        return agreement_cells(scored, COLOUR_ONLY, weights, classes)

    measured = {NETWORK: cells_by_fold(units, folds, network)}
    measured[COLOUR_ONLY] = cells_by_fold(units, folds, colour)
    both = measured[NETWORK], measured[COLOUR_ONLY]
    measured[DIFFERENCE] = {f: _gain(both[0][f], both[1][f]) for f in both[0]}
    rows = []
    for model, by_fold in measured.items():
        key = {"level": units.level, "model": model}
        rows += [{**key, **row} for row in fold_rows(by_fold, folds, settings)]
    return rows


def cells_by_fold(
    units: Units, folds: Sequence[str], measure_fold: Callable[[Units], Cells]
) -> dict[str, Cells]:
    """What `measure_fold` finds among the units of each fold, and of the fixed test set."""
    return {fold: measure_fold(units.of_fold(fold)) for fold in [*folds, HOLDOUT]}


def fold_rows(by_fold: Mapping[str, Cells], folds: Sequence[str], settings: Evaluate) -> list[Row]:
    """Rows of fold, metric and numbers: the mean over folds first, then each, then the holdout.

    The fixed test set has rows only where it holds units.
    """
    shown = {MEAN: mean_cells(by_fold, folds), **{f: by_fold[f] for f in folds}}
    if next(iter(by_fold[HOLDOUT].values())).n:
        shown[HOLDOUT] = by_fold[HOLDOUT]
    return [
        {"fold": fold, "metric": name, **numbers(cell, settings)}
        for fold, cells in shown.items()
        for name, cell in cells.items()
    ]


def agreement_cells(
    chosen: Units, model: str, weights: NDArray[np.float64], classes: Sequence[str]
) -> Cells:
    """Ranking and calls of a model on the units of one fold, all of them scored by it.

    Colour is measured on what the network scored, so that both answer the same question.
    """
    labels = chosen.labels
    scores, called = chosen.scores[model], chosen.called(model)
    found = measure(labels, scores, chosen.patients, weights, called)
    positive, present = int((labels > 0).sum()), [classes[c] for c in np.unique(labels)]
    reason = f"no labelled {chosen.level} with a score"
    if present:
        reason = f"only {', '.join(present)} among {len(labels)} {chosen.level}(s)"
    remarks = {"auprc": f"prevalence {positive / max(len(labels), 1):.3g}"}
    return {
        name: Cell(metric, len(labels), positive, reason, remarks.get(name, ""))
        for name, metric in found.items()
    }


def _calibration_cells(chosen: Units, weights: NDArray[np.float64], auroc: Cell) -> Cells:
    scores = chosen.scores[NETWORK]
    found = calibrate(chosen.labels, scores, chosen.patients, weights)
    reasons = {}
    if auroc.known:
        reasons["calibration_slope"] = "scores separate the labels or do not differ: none is finite"
        reasons["calibration_intercept"] = "all calls right or all wrong: none is finite"
    n_bins = int(equal_mass_bins(confidences(chosen.labels, scores)[0]).max(initial=-1)) + 1
    remarks = {"ece": f"{n_bins} bin{'' if n_bins == 1 else 's'} of equal mass"}
    return {
        name: Cell(
            metric,
            auroc.n,
            auroc.n_positive,
            reasons.get(name, auroc.reason),
            remarks.get(name, ""),
        )
        for name, metric in found.items()
    }


def _gain(network: Cells, colour: Cells) -> Cells:
    of_network, of_colour = network["auroc"], colour["auroc"]
    gain = of_network.metric - of_colour.metric
    reason = of_colour.reason if of_network.known else of_network.reason
    return {"auroc_difference": Cell(gain, of_colour.n, of_colour.n_positive, reason)}


def mean_cells(by_fold: Mapping[str, Cells], folds: Sequence[str]) -> Cells:
    """Each metric averaged over the folds that define it; the fixed test set is no fold."""
    names = by_fold[HOLDOUT]
    return {name: _mean_cell({f: by_fold[f][name] for f in folds}, name) for name in names}


def _mean_cell(cells: Mapping[str, Cell], name: str) -> Cell:
    """The average over the folds that define the metric; the others are named."""
    used = [cell for cell in cells.values() if cell.known]
    without: dict[str, list[str]] = {}
    for fold, cell in cells.items():
        if not cell.known:
            without.setdefault(cell.reason, []).append(fold)
    left_out = [
        f"fold{'' if len(folds) == 1 else 's'} {', '.join(folds)} ({reason})"
        for reason, folds in without.items()
    ]
    if not used:
        reasons = dict.fromkeys(cell.reason for cell in cells.values())
        return Cell(next(iter(cells.values())).metric, 0, 0, f"in no fold: {'; '.join(reasons)}")
    n, positive = sum(cell.n for cell in used), sum(cell.n_positive for cell in used)
    remarks = [f"prevalence {positive / n:.3g}"] if name == "auprc" else []
    remarks += [f"without {', '.join(left_out)}"] if left_out else []
    return Cell(average([cell.metric for cell in used]), n, positive, "", "; ".join(remarks))


def numbers(cell: Cell, settings: Evaluate) -> Row:
    """value, lower, upper, n, n_positive and note of a cell; what is undefined is None."""
    bounds = interval(cell.metric.draws, settings.confidence)
    remarks = [cell.remark if cell.known else cell.reason]
    if cell.known and bounds.undefined:
        remarks.append(f"{bounds.undefined} of {len(cell.metric.draws)} resamples undefined")
    if cell.known and bounds.lower is not None and bounds.lower == bounds.upper:
        remarks.append("all resamples agree, so the interval says nothing")
    return {
        "value": float(cell.metric.value) if cell.known else None,
        "lower": bounds.lower if cell.known else None,
        "upper": bounds.upper if cell.known else None,
        "n": cell.n,
        "n_positive": cell.n_positive,
        "note": "; ".join(r for r in remarks if r) or None,
    }
