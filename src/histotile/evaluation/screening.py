"""What the scores would save a reader who sets aside the slides of the lowest scores."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from histotile.config import Evaluate
from histotile.evaluation.metrics import sensitivity_at_of, set_aside_of
from histotile.evaluation.patient_bootstrap import MAX_BINS
from histotile.evaluation.per_fold import NETWORK, Cell, Cells, Row, cells_by_fold, fold_rows
from histotile.evaluation.units import Units
from histotile.stats.bootstrap import Measurement
from histotile.stats.histograms import split_histograms

SPECIFICITIES = (0.90, 0.95)
SET_ASIDE = "set_aside_at_full_sensitivity"

_SAME = "threshold chosen on these held-out scores, hence optimistic"


def screening_rows(
    units: Units, folds: Sequence[str], weights: NDArray[np.float64], settings: Evaluate
) -> list[Row]:
    """Rows level, model, fold, metric, value, lower, upper, n, n_positive, note of two classes.

    - `sensitivity_at_specificity_0.90`, `..._0.95`: the best sensitivity of a threshold that keeps
      this specificity;
    - `set_aside_at_full_sensitivity`: the share of all units that score below the lowest positive,
      so would be set aside without a miss; it depends on the share of positives in the cohort. As
      it hangs on one unit, the lowest positive, its interval is rough.

    Each fold has a threshold of its own, as it has a model of its own, and the mean is over folds.
    No threshold was chosen beforehand: each is the best for the very scores it is judged by, which
    every note says. Where 0 of n positives are missed, up to 3 / n of positives might be (the
    upper end of a one-sided 95 % interval, rule of three).

    Args:
        units: Labelled slides or patients.
        folds: Names of the folds.
        weights: (B, G) patients in resamples, from `draw_weights`.
        settings: Level of the intervals.
    """
    by_fold = cells_by_fold(units, folds, lambda part: _cells(part.scored_by(NETWORK), weights))
    key = {"level": units.level, "model": NETWORK}
    rows = [{**key, **row} for row in fold_rows(by_fold, folds, settings)]
    return [{**row, "note": _note(row)} for row in rows]


def _cells(units: Units, weights: NDArray[np.float64]) -> Cells:
    positive, n = units.labels == 1, len(units.labels)
    score = units.scores[NETWORK][:, 1]
    exact = split_histograms(positive, score, units.patients * 0, 1, None)
    binned = split_histograms(positive, score, units.patients, weights.shape[1], MAX_BINS)
    drawn = weights @ binned[0], weights @ binned[1]
    found = {
        f"sensitivity_at_specificity_{wanted:.2f}": Measurement(
            float(sensitivity_at_of(*exact, wanted)[0]), sensitivity_at_of(*drawn, wanted)
        )
        for wanted in SPECIFICITIES
    }
    found[SET_ASIDE] = Measurement(float(set_aside_of(*exact)[0]), set_aside_of(*drawn))
    reason = f"no labelled {units.level} with a score"
    if n:
        reason = f"{int(positive.sum())} positive among {n} {units.level}(s)"
    return {name: Cell(m, n, int(positive.sum()), reason) for name, m in found.items()}


def _note(row: Row) -> str | None:
    if row["value"] is None:
        return str(row["note"])
    remarks = [_SAME]
    if row["metric"] == SET_ASIDE:
        n = row["n_positive"]
        most = f"{min(1, 3 / n):.0%}"
        remarks.append(f"0 of {n} positives missed, yet up to {most} (3/{n}) might be")
    return "; ".join([*remarks, *([row["note"]] if row["note"] else [])])
