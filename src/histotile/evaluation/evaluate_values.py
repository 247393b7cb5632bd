"""The evaluation of tasks without exclusive classes: several labels, numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histotile.aggregation.aggregate import HOLDOUT, aggregate_patient
from histotile.config import Aggregate, Evaluate
from histotile.evaluation.caveats import value_caveats
from histotile.evaluation.colour_baseline import predict_from_colour
from histotile.evaluation.figures.scatter import Points
from histotile.evaluation.figures.score_distribution import Lane
from histotile.evaluation.figures.shown import Shown
from histotile.evaluation.per_fold import (
    COLOUR_ONLY,
    DIFFERENCE,
    NETWORK,
    Cell,
    Cells,
    Row,
    cells_by_fold,
    fold_rows,
)
from histotile.evaluation.pooled import count_predicted, learnt_methods, learnt_scores, pool_scores
from histotile.evaluation.units import (
    Patients,
    Probabilities,
    SlideTiles,
    Units,
    has_label,
    list_patients,
    owners,
    tile_units,
)
from histotile.evaluation.value_measures import DECIDES, value_cells
from histotile.stats.bootstrap import draw_weights
from histotile.tasks.regression import Regression
from histotile.tasks.task import Labels, Task

MOST_POINTS = 2000  # of a scatter plot
BORNE = ("without", "with")  # a label, in the picture of scores


def measure_values(
    slides: Sequence[SlideTiles],
    folds: Mapping[str, Sequence[Any]],
    task: Task,
    settings: Evaluate,
    aggregate: Aggregate,
    has_patients: bool,
) -> tuple[list[Row], dict[str, Any], Shown]:
    """Rows of metrics, the parts of the summary that are of this task, and what figures show.

    As `evaluate.evaluate` does for classes: within each fold, then the mean over folds; patients
    are resampled within their fold; colour alone beside it.
    """
    colour, skipped = predict_from_colour(slides, folds, task)
    guesses: Probabilities = {NETWORK: [t.probabilities for t in slides], COLOUR_ONLY: colour}
    patients = list_patients(slides, task)
    levels = _levels(slides, patients, guesses, task, aggregate)
    names = sorted({str(fold) for fold in folds["fold"]}, key=lambda f: (len(f), f))
    weights = draw_weights(patients.folds, settings.bootstraps, settings.seed)
    rows = [row for units in levels for row in _rows(units, names, weights, task, settings)]
    warnings = value_caveats(slides, patients, rows, task, has_patients)
    summary = {
        "folds": names,
        "has_patients": has_patients,
        "metrics": rows,
        "confusion": [],
        "screening": [],
        "sites": [],
        "patients": _patient_rows(slides, patients, levels[-1], task) if has_patients else [],
        "warnings": [*warnings, *(f"Colour-only baseline: {why}." for why in skipped.values())],
    }
    return rows, summary, _shown(levels, names, task)


def _levels(
    slides: Sequence[SlideTiles],
    patients: Patients,
    guesses: Probabilities,
    task: Task,
    aggregate: Aggregate,
) -> list[Units]:
    """Labelled tiles; all slides and all patients, scored as `aggregate` scores them."""
    of_slides, n_tiles = _slide_labels(slides, task, aggregate), count_predicted(guesses)
    members = [_compared(np.array(rows), of_slides, task) for rows in patients.members]
    methods = learnt_methods(slides)
    learnt = learnt_scores(slides, task, aggregate)
    scores, pooled = pool_scores(guesses, learnt, members, aggregate, has_background=False)
    if isinstance(task, Regression):  # pooled as its predictions are, over the same slides
        tiles, truth = n_tiles[NETWORK], of_slides[:, None]
        pooled_truth = [aggregate_patient(truth[m], tiles[m], aggregate, False) for m in members]
        of_patients = np.concatenate(pooled_truth)
    else:
        of_patients = task.labels(task.merged(task.texts(of_slides[m])) for m in members)
    owner, whole = owners(patients, len(slides)), np.arange(len(slides))
    firsts = np.array([m[0] for m in patients.members], np.int64)
    folds = np.array([t.slide.fold for t in slides])
    return [
        tile_units(slides, patients, guesses, task),
        Units("slide", of_slides, whole, owner, folds, scores).with_calls(task, aggregate, methods),
        Units(
            "patient", of_patients, firsts, owner[firsts], np.array(patients.folds), pooled
        ).with_calls(task, aggregate, methods),
    ]


def _compared(rows: NDArray[np.int64], labels: Labels, task: Task) -> NDArray[np.int64]:
    """Slides of a patient that stand for it: of a number those that have one, if any do."""
    known = rows[has_label(labels[rows], task)] if isinstance(task, Regression) else rows
    return known if len(known) else rows


def _slide_labels(slides: Sequence[SlideTiles], task: Task, aggregate: Aggregate) -> Labels:
    """Those of the cohort file; where it tells no number, the mean of the tiles' own."""
    labels = task.labels(tiles.slide.label for tiles in slides)
    if isinstance(task, Regression) and aggregate.method == "mean":
        for row, tiles in enumerate(slides):
            known = np.isfinite(tiles.labels)
            if np.isnan(labels[row]) and known.any():
                labels[row] = tiles.labels[known].mean()
    return labels


def _rows(
    units: Units, folds: Sequence[str], weights: NDArray[np.float64], task: Task, settings: Evaluate
) -> list[Row]:
    labelled = units.where(has_label(units.labels, task))
    if units.level != "tile" and not len(labelled.labels):
        return []  # ready-made tiles, or outlines alone, tell nothing of slides; a caveat says so

    def network(part: Units) -> Cells:
        return value_cells(part.scored_by(NETWORK), NETWORK, weights, task)

    def colour(part: Units) -> Cells:
        return value_cells(part.scored_by(NETWORK, COLOUR_ONLY), COLOUR_ONLY, weights, task)

    measured = {NETWORK: cells_by_fold(labelled, folds, network)}
    measured[COLOUR_ONLY] = cells_by_fold(labelled, folds, colour)
    name = DECIDES[task.kind]
    measured[DIFFERENCE] = {
        f: {f"{name}_difference": _gain(own[name], measured[COLOUR_ONLY][f][name])}
        for f, own in measured[NETWORK].items()
    }
    return [
        {"level": units.level, "model": model, **row}
        for model, by_fold in measured.items()
        for row in fold_rows(by_fold, folds, settings)
    ]


def _gain(network: Cell, colour: Cell) -> Cell:
    reason = colour.reason if network.known else network.reason
    return replace(colour, metric=network.metric - colour.metric, reason=reason)


def _patient_rows(
    slides: Sequence[SlideTiles], patients: Patients, units: Units, task: Task
) -> list[Row]:
    """As `subgroups.patient_rows`; `score` is the number, None where there are several labels."""
    preds, is_number = task.preds(units.called(NETWORK)), isinstance(task, Regression)
    labels = task.texts(units.labels)
    return [
        {
            "patient_id": patients.ids[row],
            "label": labels[row],
            "score": float(units.scores[NETWORK][row, 0]) if is_number and preds[row] else None,
            "pred": preds[row],
            "fold": patients.folds[row],
            "slides": len(members),
            "tiles": sum(len(slides[i].labels) for i in members),
        }
        for row, members in enumerate(patients.members)
    ]


def _shown(levels: Sequence[Units], folds: Sequence[str], task: Task) -> Shown:
    scored = [u.where(has_label(u.labels, task)).scored_by(NETWORK) for u in levels]
    if isinstance(task, Regression):
        return Shown([], [], [], [], [_points(units) for units in scored if len(units.labels)])
    slides, lanes = scored[1] if len(scored[1].labels) else scored[0], []
    for c, name in enumerate(task.names):
        for fold in [*folds, HOLDOUT]:
            own = slides.of_fold(fold)
            for side, word in enumerate(BORNE):
                scores = own.scores[NETWORK][own.labels[:, c] == side, c]
                if len(scores):
                    lanes.append(Lane(fold, word, name, np.sort(scores)))
    return Shown([], [], [], lanes)


def _points(units: Units) -> Points:
    rows = np.linspace(0, len(units.labels) - 1, min(len(units.labels), MOST_POINTS)).astype(int)
    return Points(
        units.level, units.labels[rows], units.scores[NETWORK][rows, 0], len(units.labels)
    )
