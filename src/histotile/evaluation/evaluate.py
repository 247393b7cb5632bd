"""The evaluation of a cohort: every metric at every level, per fold, beside colour alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histotile.aggregation.aggregate import HOLDOUT, Columns
from histotile.config import Aggregate, Evaluate
from histotile.evaluation.caveats import caveats
from histotile.evaluation.colour_baseline import predict_from_colour
from histotile.evaluation.evaluate_values import measure_values
from histotile.evaluation.figures.confidence_bands import mean_bands
from histotile.evaluation.figures.reliability import reliability
from histotile.evaluation.figures.roc_pr import fold_curves
from histotile.evaluation.figures.score_distribution import score_lanes
from histotile.evaluation.figures.shown import Shown
from histotile.evaluation.metrics import confusion
from histotile.evaluation.per_fold import COLOUR_ONLY, NETWORK, Row, level_rows
from histotile.evaluation.pooled import pooled_units
from histotile.evaluation.screening import screening_rows
from histotile.evaluation.subgroups import patient_rows, site_rows
from histotile.evaluation.units import (
    Patients,
    Probabilities,
    SlideTiles,
    Units,
    list_patients,
    tile_units,
)
from histotile.stats.bootstrap import draw_weights
from histotile.tasks.task import Task

KEYS = ("level", "model", "fold", "metric")
NUMBERS = ("value", "lower", "upper", "n", "n_positive", "note")


@dataclass(frozen=True)
class Evaluation:
    """What evaluation found.

    Args:
        metrics: Columns level (tile | slide | patient), model (network | colour | network-colour),
            fold (number | mean | holdout), metric, value, lower, upper, n, n_positive, note; an
            undefined value is None and the note says why.
        confusion: Columns level, model, fold (all | holdout), label, pred, count.
        summary: Both as lists of rows, and the rows of `screening` (two classes, slides and
            patients), `sites` and `patients`, with counts, settings and warnings: all JSON.
        shown: For `figures.draw_pictures`.
    """

    metrics: Columns
    confusion: Columns
    summary: dict[str, Any]
    shown: Shown


def evaluate(
    slides: Sequence[SlideTiles],
    folds: Mapping[str, Sequence[Any]],
    task: Task,
    settings: Evaluate,
    aggregate: Aggregate,
    has_patients: bool,
) -> Evaluation:
    """How well the network's held-out predictions agree with the labels, and what colour alone can.

    1. Colour alone predicts the tiles each fold tests (`baseline`).
    2. Both models' tiles are pooled into slide and patient scores (`aggregation`).
    3. Every metric is computed within each fold and averaged over the folds that define it.
       Scores of different folds' models are never ranked against each other.
    4. Patients are resampled within fold and label; the interval of a mean is that of the mean of
       the folds' metrics on the same resample, and both models see the same resamples.
    5. The fixed test set stands apart, as fold `holdout`.
    6. Screening figures and the numbers of each site follow the same steps.

    Groups of ready-made tiles that hold several classes have no label, hence no number but those
    of their tiles; where all are such, there is the tile level alone.

    Args:
        slides: From `units.slide_tiles`.
        folds: Fold table, columns as in `tables.FOLDS`.
        task: What was learnt.
        settings: Number and seed of resamples, level of intervals.
        aggregate: How tiles become slide scores.
        has_patients: Whether the cohort knows patients; if not, slides stand in for them.
    """
    classes = task.names
    colour, skipped = predict_from_colour(slides, folds, task)
    guesses: Probabilities = {NETWORK: [t.probabilities for t in slides], COLOUR_ONLY: colour}
    patients = list_patients(slides, task)
    by_slide, by_patient = pooled_units(slides, patients, guesses, task, aggregate)
    levels = _levels(slides, tile_units(slides, patients, guesses, task), by_slide, by_patient)
    screened = levels[1:] if task.positive else []
    names = sorted({str(fold) for fold in folds["fold"]}, key=lambda f: (len(f), f))
    strata = list(zip(patients.folds, patients.labels, strict=True))
    weights = draw_weights(strata, settings.bootstraps, settings.seed)
    rows = [r for units in levels for r in level_rows(units, names, weights, settings, classes)]
    confusions = [r for units in levels for r in _confusion_rows(units, names, classes)]
    summary = {
        **_facts(slides, patients, task, settings, aggregate),
        "folds": names,
        "has_patients": has_patients,
        "metrics": rows,
        "confusion": confusions,
        "screening": [r for u in screened for r in screening_rows(u, names, weights, settings)],
        "sites": site_rows(slides, levels, names, weights, settings, classes),
        "patients": patient_rows(slides, patients, by_patient, classes) if has_patients else [],
        "warnings": caveats(slides, patients, rows, classes, has_patients)
        + [f"Colour-only baseline: {why}." for why in skipped.values()],
    }
    return Evaluation(
        _columns(rows, KEYS + NUMBERS),
        _columns(confusions, ("level", "model", "fold", "label", "pred", "count")),
        summary,
        _shown(levels, by_slide, names, weights, settings, classes),
    )


def evaluate_values(
    slides: Sequence[SlideTiles],
    folds: Mapping[str, Sequence[Any]],
    task: Task,
    settings: Evaluate,
    aggregate: Aggregate,
    has_patients: bool,
) -> Evaluation:
    """The same as `evaluate` of a task without exclusive classes, which has no confusion."""
    rows, found, shown = measure_values(slides, folds, task, settings, aggregate, has_patients)
    facts = _facts(slides, list_patients(slides, task), task, settings, aggregate)
    nothing = _columns([], ("level", "model", "fold", "label", "pred", "count"))
    return Evaluation(_columns(rows, KEYS + NUMBERS), nothing, {**facts, **found}, shown)


def _levels(slides: Sequence[SlideTiles], tiles: Units, *pooled: Units) -> list[Units]:
    """The labelled units; ready-made tiles whose groups have no label have the tile level alone."""
    of_images = any(s.labels_source == "image" for s in slides)
    labelled = [units.labelled() for units in pooled]
    return [tiles, *(units for units in labelled if len(units.labels) or not of_images)]


def _shown(
    levels: Sequence[Units],
    slides: Units,
    folds: Sequence[str],
    weights: NDArray[np.float64],
    settings: Evaluate,
    classes: Sequence[str],
) -> Shown:
    judged = [reliability(units, folds, weights, settings) for units in levels]
    return Shown(
        [curve for units in levels for curve in fold_curves(units, folds)],
        [band for units in levels for band in mean_bands(units, folds, weights, settings)],
        [found for found in judged if found],
        score_lanes(slides.labelled(), folds, classes),
    )


def _columns(rows: Sequence[Row], names: Sequence[str]) -> Columns:
    return {name: [row[name] for row in rows] for name in names}


def _facts(
    slides: Sequence[SlideTiles],
    patients: Patients,
    task: Task,
    settings: Evaluate,
    aggregate: Aggregate,
) -> dict[str, Any]:
    return {
        **task.metadata(),
        "positive": task.positive,
        "settings": {"evaluate": settings.model_dump(), "aggregate": aggregate.model_dump()},
        "counts": _counts(slides, patients, task),
    }


def _counts(slides: Sequence[SlideTiles], patients: Patients, task: Task) -> dict[str, int]:
    return {
        "patients": len(patients.ids),
        "slides": len(slides),
        "slides_without_tiles": sum(len(t.labels) == 0 for t in slides),
        "slides_without_label": sum(t.slide.label is None for t in slides),
        "tiles": sum(len(t.labels) for t in slides),
        "tiles_without_label": sum(int((task.stratum(t.labels) < 0).sum()) for t in slides),
        "tiles_without_prediction": sum(
            int(np.isnan(t.probabilities).any(axis=1).sum()) for t in slides
        ),
    }


def _confusion_rows(units: Units, folds: Sequence[str], classes: Sequence[str]) -> list[Row]:
    """Counts over all folds (calls, unlike scores, may be added up), and of the fixed test set."""
    rows: list[Row] = []
    for model in (NETWORK, COLOUR_ONLY):
        scored = units.scored_by(NETWORK, model)
        for name, members in (("all", list(folds)), (HOLDOUT, [HOLDOUT])):
            chosen = scored.where(np.isin(scored.folds, members))
            preds = chosen.called(model).argmax(axis=1)
            counts = confusion(chosen.labels, preds, len(classes))[0]
            key = {"level": units.level, "model": model, "fold": name}
            rows += [
                {**key, "label": label, "pred": pred, "count": int(counts[i, j])}
                for i, label in enumerate(classes)
                for j, pred in enumerate(classes)
                if name != HOLDOUT or len(chosen.labels)
            ]
    return rows
