"""Tables of slide and patient scores, from the predictions of a cohort's tiles."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from histotile.aggregation.aggregate import (
    Columns,
    FoldSlide,
    LearntScore,
    PredictedTiles,
    aggregate_patient,
    aggregate_slide,
    fold_methods,
)
from histotile.aggregation.block_bootstrap import score_interval
from histotile.aggregation.calls import fold_offsets, shifted_by_fold
from histotile.config import Aggregate
from histotile.errors import HistotileError
from histotile.tasks.task import Labels, Task


def aggregate_cohort(
    facts: Sequence[FoldSlide],
    predictions: Iterable[tuple[str, PredictedTiles]],
    task: Task,
    settings: Aggregate,
    learnt: Mapping[str, LearntScore] | None = None,
) -> tuple[Columns, Columns]:
    """Columns of the slide table and of the patient table.

    A slide without tiles keeps its row: `n_tiles` 0, scores and `pred` None. Columns: slide_id,
    patient_id, label, site, fold, n_tiles, score_<class>..., low_<class>..., high_<class>...
    (`block_bootstrap.score_interval`; None where there is none), pred, distance and familiarity (of
    the slide from those taught on; None without tiles); and patient_id, label, site,
    fold, n_slides, n_slides_without_tiles, n_tiles, score_<class>..., pred. Where calls are learnt,
    both have offset_<class>...: what the logit of a score is raised by before the call.

    Args:
        facts: The slides, in the order of the table.
        predictions: slide_id and its tiles; read one at a time, any order; slides that do not
            occur count as without tiles.
        task: What was learnt.
        settings: How tiles become scores, and the number of resamples behind an interval.
        learnt: Scores by slide where slides are learnt.

    Raises:
        HistotileError: Slides are to be learnt, and these were not.
    """
    _check_learnt(settings, learnt)
    classes = task.names
    scores = np.full((len(facts), len(classes)), np.nan)
    bounds = np.full((2, len(facts), len(classes)), np.nan)
    n_tiles = np.zeros(len(facts), dtype=np.int64)
    rows = {slide.slide_id: row for row, slide in enumerate(facts)}
    distances: list[float | None] = [None] * len(facts)
    flags: list[str | None] = [None] * len(facts)
    for slide_id, tiles in predictions:
        row = rows[slide_id]
        if len(tiles.probabilities):
            distances[row], flags[row] = tiles.distance, tiles.familiarity
        p, whole = tiles.probabilities, task.is_exclusive
        if learnt is None:
            scores[row] = aggregate_slide(p, settings, whole)
            bounds[:, row] = score_interval(tiles.x, tiles.y, p, settings, whole)
        else:
            scores[row] = learnt[slide_id].values if slide_id in learnt else np.nan
        n_tiles[row] = int((~np.isnan(tiles.probabilities).any(axis=1)).sum())
    slides: Columns = {
        name: [getattr(slide, name) for slide in facts]
        for name in ("slide_id", "patient_id", "label", "site", "fold")
    }
    slides |= {"n_tiles": n_tiles.tolist(), **_score_columns("score", scores, classes)}
    for name, values in zip(("low", "high"), bounds, strict=True):
        slides |= _score_columns(name, values, classes)
    labels = task.labels(slide.label for slide in facts)
    methods = fold_methods(facts, learnt or {})
    slides |= _calls(slides, scores, labels, task, settings, methods)
    slides |= {"distance": distances, "familiarity": flags}
    return slides, _patient_columns(facts, scores, n_tiles, task, settings, methods)


def _check_learnt(settings: Aggregate, learnt: Mapping[str, LearntScore] | None) -> None:
    if settings.is_learnt and learnt is None:
        fact = f"{settings.method} learns the slides of a fold table; new slides have no learner"
        remedy = "pool their tiles: set a method such as top_k for them"
        raise HistotileError("aggregate.method", fact, remedy)


def _calls(
    columns: Columns,
    scores: NDArray[np.float64],
    labels: Labels,
    task: Task,
    settings: Aggregate,
    methods: Mapping[str, str],
) -> Columns:
    """Preds, and by which offsets they are called."""
    if settings.calls == "highest" or task.kind == "regression":
        return {"pred": task.preds(scores)}
    _, patients = np.unique(columns["patient_id"], return_inverse=True)
    folds = columns["fold"]
    found = fold_offsets(scores, labels, folds, patients, task, methods)
    offsets = np.array([found[str(fold)] for fold in folds]).reshape(scores.shape)
    told = _score_columns("offset", offsets, task.names)
    return told | {"pred": task.preds(shifted_by_fold(scores, folds, found))}


def _patient_columns(
    facts: Sequence[FoldSlide],
    scores: NDArray[np.float64],
    n_tiles: NDArray[np.int64],
    task: Task,
    settings: Aggregate,
    methods: Mapping[str, str],
) -> Columns:
    classes = task.names
    members: dict[str, list[int]] = {}
    for row, slide in enumerate(facts):
        members.setdefault(slide.patient_id, []).append(row)
    groups = list(members.values())
    pooled = [
        aggregate_patient(scores[rows], n_tiles[rows], settings, task.is_exclusive)
        for rows in groups
    ]
    columns: Columns = {
        "patient_id": list(members),
        "label": [task.merged(facts[r].label for r in rows) for rows in groups],
        "site": [_joined(facts[r].site for r in rows) for rows in groups],
        "fold": [facts[rows[0]].fold for rows in groups],
        "n_slides": [len(rows) for rows in groups],
        "n_slides_without_tiles": [int((n_tiles[rows] == 0).sum()) for rows in groups],
        "n_tiles": [int(n_tiles[rows].sum()) for rows in groups],
    }
    patients = np.array(pooled).reshape(-1, len(classes))
    columns |= _score_columns("score", patients, classes)
    labels = task.labels(columns["label"])
    return columns | _calls(columns, patients, labels, task, settings, methods)


def _joined(sites: Iterable[str | None]) -> str | None:
    return ";".join(sorted({site for site in sites if site})) or None


def _score_columns(name: str, values: NDArray[np.float64], classes: Sequence[str]) -> Columns:
    return {
        f"{name}_{class_name}": [None if np.isnan(v) else _rounded(v) for v in values[:, c]]
        for c, class_name in enumerate(classes)
    }


def _rounded(value: float) -> float:
    return round(float(value), 6) + 0.0  # 0.0 turns -0.0, as 1 - 1.0000000000000002 gives, into 0.0
