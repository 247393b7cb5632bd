"""Metrics within each fold, their mean over folds, and the gain over colour alone, as rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histotile.config import Evaluate
from histotile.results.aggregation import HOLDOUT
from histotile.results.bootstrap import Measurement, average, interval, measure
from histotile.results.units import Units

Row = dict[str, Any]

NETWORK, COLOUR_ONLY, DIFFERENCE = "network", "colour", "network-colour"
MEAN = "mean"


@dataclass(frozen=True)
class _Cell:
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
        return not np.isnan(self.metric.value)


_Cells = dict[str, _Cell]  # by name of the metric


def level_rows(
    units: Units,
    folds: Sequence[str],
    weights: NDArray[np.float64],
    settings: Evaluate,
    classes: Sequence[str],
) -> list[Row]:
    """The rows of one level: both models and their difference; mean first, then folds, holdout.

    Args:
        units: Tiles, slides or patients.
        folds: Names of the folds.
        weights: (B, G) patients in resamples, from `draw_weights`.
        settings: Level of the intervals.
        classes: Names in order.
    """
    everywhere = [*folds, HOLDOUT]
    network = {f: _cells(units.of_fold(f), NETWORK, weights, classes) for f in everywhere}
    colour = {f: _cells(units.of_fold(f), COLOUR_ONLY, weights, classes) for f in everywhere}
    gain = {f: _gain(network[f], colour[f]) for f in everywhere}
    rows = []
    for model, by_fold in ((NETWORK, network), (COLOUR_ONLY, colour), (DIFFERENCE, gain)):
        shown = {MEAN: _mean(by_fold, folds), **{f: by_fold[f] for f in folds}}
        if next(iter(by_fold[HOLDOUT].values())).n:
            shown[HOLDOUT] = by_fold[HOLDOUT]
        for fold, cells in shown.items():
            key = {"level": units.level, "model": model, "fold": fold}
            rows += [{**key, "metric": name, **_numbers(c, settings)} for name, c in cells.items()]
    return rows


def _cells(
    units: Units, model: str, weights: NDArray[np.float64], classes: Sequence[str]
) -> _Cells:
    """Colour is measured on what the network scored, so that both answer the same question."""
    chosen = units.scored_by(NETWORK, model)
    labels = chosen.labels
    found = measure(labels, chosen.scores[model], chosen.patients, weights)
    positive, present = int((labels > 0).sum()), [classes[c] for c in np.unique(labels)]
    reason = f"no labelled {units.level} with a score"
    if present:
        reason = f"only {', '.join(present)} among {len(labels)} {units.level}(s)"
    remarks = {"auprc": f"prevalence {positive / max(len(labels), 1):.3g}"}
    return {
        name: _Cell(metric, len(labels), positive, reason, remarks.get(name, ""))
        for name, metric in found.items()
    }


def _gain(network: _Cells, colour: _Cells) -> _Cells:
    of_network, of_colour = network["auroc"], colour["auroc"]
    gain = of_network.metric - of_colour.metric
    reason = of_colour.reason if of_network.known else of_network.reason
    return {"auroc_difference": _Cell(gain, of_colour.n, of_colour.n_positive, reason)}


def _mean(by_fold: Mapping[str, _Cells], folds: Sequence[str]) -> _Cells:
    names = by_fold[HOLDOUT]
    return {name: _mean_cell({f: by_fold[f][name] for f in folds}, name) for name in names}


def _mean_cell(cells: Mapping[str, _Cell], name: str) -> _Cell:
    """The average over the folds that define the metric; the others are named."""
    used = [cell for cell in cells.values() if cell.known]
    left_out = [f"fold {fold} ({cell.reason})" for fold, cell in cells.items() if not cell.known]
    if not used:
        reasons = dict.fromkeys(cell.reason for cell in cells.values())
        return _Cell(next(iter(cells.values())).metric, 0, 0, f"in no fold: {'; '.join(reasons)}")
    n, positive = sum(cell.n for cell in used), sum(cell.n_positive for cell in used)
    remarks = [f"prevalence {positive / n:.3g}"] if name == "auprc" else []
    remarks += [f"without {', '.join(left_out)}"] if left_out else []
    return _Cell(average([cell.metric for cell in used]), n, positive, "", "; ".join(remarks))


def _numbers(cell: _Cell, settings: Evaluate) -> Row:
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
