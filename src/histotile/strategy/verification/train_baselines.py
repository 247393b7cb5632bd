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
    train, test = (_drawn(slides, task, settings, is_tested) for is_tested in (False, True))
    seen = Features(_colour(train, slides), train.label, _patients(train, slides))
    head = fit_probe(task, seen, settings.class_weights, settings.seed).head
    values = task.activate(head.logits(_colour(test, slides)))
    return judged_columns(test, _patients(test, slides), values, time.monotonic() - start)


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
    seen = Features(values[taught], train.label, _patients(train, slides))
    head = fit_probe(task, seen, settings.class_weights, settings.seed).head
    found = task.activate(head.logits(values[tested]))
    return judged_columns(test, _patients(test, slides), found, time.monotonic() - start)


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
    train, test = (_drawn(slides, task, settings, is_tested) for is_tested in (False, True))
    rng = np.random.default_rng(settings.seed)
    some = np.sort(rng.permutation(len(train.label))[:MOST])
    groups = _patients(train, slides)
    seen = Features(chosen_features(train, slides, (stage,)), train.label, groups)[some]
    values = _by_sklearn(task, seen, chosen_features(test, slides, (stage,)))
    return judged_columns(test, _patients(test, slides), values, time.monotonic() - start)


def _by_sklearn(task: Task, seen: Features, tested: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, names) values of tested tiles."""
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.model_selection import GridSearchCV, GroupKFold, StratifiedGroupKFold
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    labels, groups = seen.labels, seen.groups
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
    folds = min(4, len(np.unique(groups)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of inner folds that lack a class, and of its iterations
        plan = way(folds).split(seen.values, labels, groups) if folds > 1 else ()
        plan = [part for part in plan if not task.lacking(labels[part[0]])]
        if plan:  # else its own strength, 1
            chain = GridSearchCV(chain, grid, scoring=score, cv=plan)
        chain.fit(seen.values, labels)
        if isinstance(model, Ridge):
            return np.asarray(chain.predict(tested), np.float64).reshape(-1, 1)
        if labels.ndim == 2:
            return np.asarray(chain.predict_proba(tested), np.float64)
        found = np.zeros((len(tested), len(task.names)))
        found[:, chain.classes_] = chain.predict_proba(tested)
    return found


def _drawn(slides: Sequence[FoldSlide], task: Task, settings: Train, is_tested: bool) -> Selection:
    """The tiles that every strategy learns from, or is judged on."""
    paths = {s.slide_id: s.tiles for s in slides if (s.role == "test") == is_tested}
    return select_tiles(paths, list(paths), task, settings.max_tiles_per_slide, settings.seed)


def _patients(chosen: Selection, slides: Sequence[FoldSlide]) -> NDArray[np.str_]:
    owners = {s.slide_id: s.patient_id for s in slides}
    return np.array([owners[slide_id] for slide_id in chosen.slide_ids])[chosen.slide]


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
