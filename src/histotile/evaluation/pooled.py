"""Slides and patients, scored as `aggregate` scores them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histotile.aggregation.aggregate import aggregate_patient, aggregate_slide, fold_methods
from histotile.config import Aggregate
from histotile.evaluation.units import (
    NETWORK,
    UNLABELLED,
    Patients,
    Probabilities,
    SlideTiles,
    Units,
    owners,
)
from histotile.tasks.task import Task

Learnt = Mapping[str, NDArray[np.float64]]  # model -> (slides, names)


def pooled_units(
    slides: Sequence[SlideTiles],
    patients: Patients,
    probabilities: Probabilities,
    task: Task,
    settings: Aggregate,
) -> tuple[Units, Units]:
    """All slides, and all patients, scored as `aggregate` scores them; labelled or not."""
    classes, methods = task.names, learnt_methods(slides)
    learnt = learnt_scores(slides, task, settings)
    scores, pooled = pool_scores(probabilities, learnt, patients.members, settings)
    owner = owners(patients, len(slides))
    firsts = np.array([members[0] for members in patients.members], dtype=np.int64)
    labels = _indices([tiles.slide.label for tiles in slides], classes)
    folds = np.array([tiles.slide.fold for tiles in slides])
    places = np.arange(len(slides)), owner, folds
    of_patients = firsts, owner[firsts], np.array(patients.folds)
    return (
        Units("slide", labels, *places, scores).with_calls(task, settings, methods),
        Units("patient", _indices(patients.labels, classes), *of_patients, pooled).with_calls(
            task, settings, methods
        ),
    )


def learnt_scores(slides: Sequence[SlideTiles], task: Task, settings: Aggregate) -> Learnt:
    """By the network's name (slides, names) of what is learnt; empty where tiles are pooled."""
    if not settings.is_learnt:
        return {}
    nothing = np.full(len(task.names), np.nan)
    return {NETWORK: np.array([t.learnt.values if t.learnt else nothing for t in slides])}


def learnt_methods(slides: Sequence[SlideTiles]) -> dict[str, str]:
    """Fold -> the method that scored its slides; empty where tiles are pooled."""
    learnt = {t.slide.slide_id: t.learnt for t in slides if t.learnt}
    return fold_methods([t.slide for t in slides], learnt)


def count_predicted(probabilities: Probabilities) -> dict[str, NDArray[np.int64]]:
    """Model -> (slides,) tiles it said something of."""
    return {
        model: np.array([int((~np.isnan(p).any(axis=1)).sum()) for p in values], np.int64)
        for model, values in probabilities.items()
    }


def pool_scores(
    probabilities: Probabilities,
    learnt: Learnt,
    members: Sequence[Any],
    settings: Aggregate,
    has_background: bool = True,
) -> tuple[dict[str, NDArray[np.float64]], dict[str, NDArray[np.float64]]]:
    """Model -> (slides, C) and (patients, C) scores; `members`: per patient, rows of its slides."""
    n_tiles = count_predicted(probabilities)
    scores = {
        model: np.array([aggregate_slide(p, settings, has_background) for p in values])
        for model, values in probabilities.items()
    } | dict(learnt)
    pooled = {
        model: np.array(
            [aggregate_patient(s[m], n_tiles[model][m], settings, has_background) for m in members]
        )
        for model, s in scores.items()
    }
    return scores, pooled


def _indices(labels: Sequence[str | None], classes: Sequence[str]) -> NDArray[np.int64]:
    return np.array([UNLABELLED if name is None else classes.index(name) for name in labels])
