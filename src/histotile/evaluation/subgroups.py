"""Results per site and per patient: where the numbers come from, and whether they hold everywhere.

A cohort's number may be carried by one hospital. Sites stand side by side with their intervals;
none is small enough to be left out, and where a number cannot be had, the row says why.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from histotile.aggregation.aggregate import HOLDOUT
from histotile.config import Evaluate
from histotile.evaluation.per_fold import (
    MEAN,
    NETWORK,
    Row,
    agreement_cells,
    cells_by_fold,
    mean_cells,
    numbers,
)
from histotile.evaluation.units import Patients, SlideTiles, Units

METRICS = ("auroc", "balanced_accuracy")
LEVELS = ("tile", "slide")


def site_rows(
    slides: Sequence[SlideTiles],
    levels: Sequence[Units],
    folds: Sequence[str],
    weights: NDArray[np.float64],
    settings: Evaluate,
    classes: Sequence[str],
) -> list[Row]:
    """One row per site (None: unknown), and one more for its slides in the fixed test set.

    Columns: site, fold (`mean` | `holdout`), slides, patients, and for each of tile_auroc,
    tile_balanced_accuracy, slide_auroc, slide_balanced_accuracy the value and, with `_lower`,
    `_upper`, `_n`, `_note` appended, the rest. A value is measured within site and fold, then
    averaged over the folds that define it; None where none does, and the note says why. Empty
    where no slide has a site.

    Args:
        slides: The cohort.
        levels: Labelled units; of these, tiles and slides are measured.
        folds: Names of the folds.
        weights: (B, G) patients in resamples, from `draw_weights`.
        settings: Level of the intervals.
        classes: Names in order.
    """
    sites = [tiles.slide.site for tiles in slides]
    known = sorted({site for site in sites if site is not None})
    rows: list[Row] = []
    for site in [*known, None] if known else []:
        for fold in (MEAN, HOLDOUT):
            members = [
                i
                for i, tiles in enumerate(slides)
                if sites[i] == site and (tiles.slide.fold == HOLDOUT) == (fold == HOLDOUT)
            ]
            if members:
                row = {"site": site, "fold": fold, "slides": len(members)}
                row["patients"] = len({slides[i].slide.patient_id for i in members})
                for units in levels:
                    if units.level in LEVELS:
                        own = units.where(np.isin(units.slides, members))
                        row |= _measures(own, fold, folds, weights, settings, classes)
                rows.append(row)
    return rows


def _measures(
    units: Units,
    fold: str,
    folds: Sequence[str],
    weights: NDArray[np.float64],
    settings: Evaluate,
    classes: Sequence[str],
) -> Row:
    by_fold = cells_by_fold(
        units,
        folds,
        lambda part: agreement_cells(part.scored_by(NETWORK), NETWORK, weights, classes),
    )
    cells = by_fold[HOLDOUT] if fold == HOLDOUT else mean_cells(by_fold, folds)
    row: Row = {}
    for metric in METRICS:
        found, name = numbers(cells[metric], settings), f"{units.level}_{metric}"
        row[name] = found["value"]
        row |= {f"{name}_{key}": found[key] for key in ("lower", "upper", "n", "note")}
    return row


def patient_rows(
    slides: Sequence[SlideTiles], patients: Patients, units: Units, classes: Sequence[str]
) -> list[Row]:
    """One row per patient, in the order of the cohort, labelled or not.

    Columns: patient_id, label, score (of the positive class; with more than two classes, of the
    pred), pred, fold, slides, tiles. Score and pred are None where no tile has a prediction, and
    where the patient's ready-made tiles are of several classes, so that one score for all of them
    means nothing.

    Args:
        slides: The cohort.
        patients: Its patients.
        units: All of them, from `pooled_units`.
        classes: Names in order.
    """
    rows: list[Row] = []
    for row, (scores, called) in enumerate(
        zip(units.scores[NETWORK], units.called(NETWORK), strict=True)
    ):
        own = [slides[i] for i in patients.members[row]]
        mixed = patients.labels[row] is None and any(t.labels_source == "image" for t in own)
        pred = None if mixed or np.isnan(scores).any() else int(called.argmax())
        shown = 1 if len(classes) == 2 else pred
        rows.append(
            {
                "patient_id": patients.ids[row],
                "label": patients.labels[row],
                "score": None if pred is None or shown is None else float(scores[shown]),
                "pred": None if pred is None else classes[pred],
                "fold": patients.folds[row],
                "slides": len(own),
                "tiles": sum(len(tiles.labels) for tiles in own),
            }
        )
    return rows
