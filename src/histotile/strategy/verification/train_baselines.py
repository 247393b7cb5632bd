"""What needs no strategy, on one fold: colour alone, random weights, and plain scikit-learn."""

import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histotile.config import Train
from histotile.data.selection import Selection, make_selection, read_labels, select_tiles, take_part
from histotile.io import tables
from histotile.io.features import BaselineFile, read_baseline
from histotile.strategy.verification.train_alternatives import chosen_features, judged_columns
from histotile.tasks.probe import Features, fit_probe
from histotile.tasks.task import Task
from histotile.training.job import FoldSlide

MOST = 5000  # tiles that scikit-learn learns from: more would take it hours
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # its C; the inverse is the alpha of a ridge


def compare_colour(slides: Sequence[FoldSlide], task: Task, settings: Train) -> dict[str, Any]:
    """The same columns from mean and SD of red, green and blue alone: the baseline."""
    start = time.monotonic()
    limit = settings.max_tiles_per_slide
    tested = [s for s in slides if s.role == "test"]
    taught = [s for s in slides if s.role != "test"]
    train, test = (
        select_tiles(
            {s.slide_id: s.tiles for s in some},
            [s.slide_id for s in some],
            task,
            limit,
            settings.seed,
        )
        for some in (taught, tested)
    )
    groups = np.array([s.patient_id for s in taught])[train.slide]
    seen = Features(_colour(train, taught), train.label, groups)
    head = fit_probe(task, seen, settings.class_weights, settings.seed).head
    values = task.activate(head.logits(_colour(test, tested)))
    patients = np.array([s.patient_id for s in tested])[test.slide]
    return judged_columns(test, patients, values, time.monotonic() - start)


def compare_random(
    slides: Sequence[FoldSlide], task: Task, settings: Train, baseline: Path, stage: int
) -> dict[str, Any]:
    """The same columns of the tiles that the baseline holds, from their features by random weights.

    Args:
        slides: Of the fold, test slides too; those of the fixed test set have no such features.
        task: What is learnt.
        settings: Section `train`.
        baseline: What `baseline` wrote.
        stage: Under the probe.
    """
    start = time.monotonic()
    sample = read_baseline(baseline)
    values = sample.of_stage(stage)
    (train, taught), (test, tested) = (
        _sampled([s for s in slides if (s.role == "test") == is_tested], task, sample)
        for is_tested in (False, True)
    )
    groups = np.array([s.patient_id for s in slides if s.role != "test"])[train.slide]
    seen = Features(values[taught], train.label, groups)
    head = fit_probe(task, seen, settings.class_weights, settings.seed).head
    patients = np.array([s.patient_id for s in slides if s.role == "test"])[test.slide]
    found = task.activate(head.logits(values[tested]))
    return judged_columns(test, patients, found, time.monotonic() - start)


def compare_sklearn(
    slides: Sequence[FoldSlide], task: Task, settings: Train, stage: int
) -> dict[str, Any]:
    """The same columns by a few lines of scikit-learn, on the features of a stage.

    Standardised; balanced logistic regression (one per label where there may be several; numbers:
    ridge regression), its strength by inner folds of patients. It learns from all tiles of train
    and val, at most `MOST` of them, drawn at random.

    Args:
        slides: Of the fold, test slides too, with their features.
        task: What is learnt.
        settings: Section `train`.
        stage: The best one, as `decide` judged it.
    """
    start = time.monotonic()
    tested = [s for s in slides if s.role == "test"]
    taught = [s for s in slides if s.role != "test"]
    train, test = (
        select_tiles(
            {s.slide_id: s.tiles for s in some},
            [s.slide_id for s in some],
            task,
            settings.max_tiles_per_slide,
            settings.seed,
        )
        for some in (taught, tested)
    )
    rng = np.random.default_rng(settings.seed)
    drawn = np.sort(rng.permutation(len(train.label))[:MOST])
    groups = np.array([s.patient_id for s in taught])[train.slide][drawn]
    seen = chosen_features(train, taught, (stage,))[drawn]
    values = _by_sklearn(
        seen, train.label[drawn], groups, chosen_features(test, tested, (stage,)), len(task.names)
    )
    patients = np.array([s.patient_id for s in tested])[test.slide]
    return judged_columns(test, patients, values, time.monotonic() - start)


def _by_sklearn(
    seen: NDArray[np.float64],
    labels: NDArray[Any],
    groups: NDArray[np.str_],
    tested: NDArray[np.float64],
    names: int,
) -> NDArray[np.float64]:
    """(N, names) values of tested tiles."""
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.model_selection import GridSearchCV, GroupKFold, StratifiedGroupKFold
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    folds = min(4, len(np.unique(groups)))
    logistic = LogisticRegression(class_weight="balanced", max_iter=300)
    if np.issubdtype(labels.dtype, np.floating):
        model, way, score = Ridge(), GroupKFold, "r2"
        grid = {"ridge__alpha": [1 / c for c in STRENGTHS]}
    elif labels.ndim == 2:
        model, way, score = OneVsRestClassifier(logistic), GroupKFold, "f1_macro"
        grid = {"onevsrestclassifier__estimator__C": list(STRENGTHS)}
    else:
        model, way, score = logistic, StratifiedGroupKFold, "balanced_accuracy"
        grid = {"logisticregression__C": list(STRENGTHS)}
    chain = make_pipeline(StandardScaler(), model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of inner folds that lack a class, and of its iterations
        if folds > 1:
            chain = GridSearchCV(chain, grid, scoring=score, cv=way(folds))
            chain.fit(seen, labels, groups=groups)
        else:
            chain.fit(seen, labels)
        if isinstance(model, Ridge):
            return np.asarray(chain.predict(tested), np.float64).reshape(-1, names)
        if labels.ndim == 2:
            return np.asarray(chain.predict_proba(tested), np.float64)
        found = np.zeros((len(tested), names))
        found[:, chain.classes_] = chain.predict_proba(tested)
    return found


def _sampled(
    slides: Sequence[FoldSlide], task: Task, sample: BaselineFile
) -> tuple[Selection, NDArray[np.int64]]:
    """The labelled tiles of these slides that the baseline holds, and their rows in it."""
    parts, rows = [], []
    for slide in slides:
        table = tables.read_table(slide.tiles)
        labels, strata = read_labels(table, task)
        own = np.flatnonzero(sample.slide_ids == slide.slide_id)
        own = own[np.isin(sample.tile_ids[own], np.concatenate(strata))]
        parts.append(take_part(table, labels, [sample.tile_ids[own].astype(np.int64)]))
        rows.append(own)
    paths = {s.slide_id: s.tiles for s in slides}
    return make_selection(paths, list(paths), task, parts), np.concatenate(rows)


def _colour(chosen: Selection, slides: Sequence[FoldSlide]) -> NDArray[np.float64]:
    paths = {s.slide_id: s.tiles for s in slides}
    found = []
    for number, slide_id in enumerate(chosen.slide_ids):
        table = tables.read_table(paths[slide_id])
        rows = chosen.tile_id[chosen.slide == number]
        found.append(np.stack([table[name].to_numpy()[rows] for name in tables.COLOUR], axis=1))
    return np.concatenate(found).astype(np.float64)
