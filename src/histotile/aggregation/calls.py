"""Calls as good as ranks: offsets of classes, thresholds of labels, learnt on other patients."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from histotile.aggregation.aggregate import HOLDOUT, UNTESTED
from histotile.stats.crossvalidation import Integers
from histotile.tasks.task import UNKNOWN, Doubles, Labels, Task

LEAST = 5  # patients with and without a class; fewer teach luck
_EDGE = 1e-4  # scores nearer to 0 or 1 than this are as certain as it
_DRAG = 0.01  # pull of slope towards 1 and offsets towards 0, so that both are finite


def fold_offsets(
    scores: Doubles,
    labels: Labels,
    folds: Sequence[str],
    patients: Integers,
    task: Task,
    methods: Mapping[str, str] | None = None,
) -> Mapping[str, Doubles]:
    """Offsets (names,) by fold, each learnt from the held-out scores that other folds test.

    So they are learnt from training and validation patients of the fold alone, each scored by
    models that never saw it. The fixed test set gets those of all folds' patients; slides that no
    fold tests likewise. Zeros for a number, and where a class has few patients.

    Args:
        scores: (N, names); NaN rows count nothing.
        labels: (N, ...).
        folds: (N,) fold that tests each, as `FoldSlide` says it.
        patients: (N,) patient numbers.
        task: What was learnt.
        methods: Fold -> what scored it, where folds differ; of different scales none is learnt.
    """
    names = np.array([str(fold) for fold in folds])
    usable = ~np.isnan(scores).any(axis=1) & (task.stratum(labels) != UNKNOWN)
    usable &= ~np.isin(names, [HOLDOUT, UNTESTED])
    scales, found = {**dict.fromkeys(names.tolist(), ""), **(methods or {})}, {}
    of_rows = np.array([scales[name] for name in names.tolist()])
    for fold in dict.fromkeys(names.tolist()):
        rows = usable & (names != fold) & (of_rows == scales[fold])
        found[fold] = _offsets(scores[rows], labels[rows], patients[rows], task)
    return found


def shifted(scores: Doubles, offsets: Doubles) -> Doubles:
    """Scores (N, names) whose highest, or whether they reach 0.5, is the call; NaN stays."""
    if not offsets.any():
        return scores
    return np.asarray(1 / (1 + np.exp(-_evidence(scores) - offsets)))


def shifted_by_fold(
    scores: Doubles, folds: Sequence[str], offsets: Mapping[str, Doubles]
) -> Doubles:
    """The same of rows each with the offsets of its fold."""
    rows = [
        shifted(score[None], offsets[str(fold)]) for score, fold in zip(scores, folds, strict=True)
    ]
    return np.concatenate(rows) if rows else scores


def _offsets(scores: Doubles, labels: Labels, patients: Integers, task: Task) -> Doubles:
    nothing = np.zeros(len(task.names))
    if task.kind == "regression" or not len(scores):
        return nothing
    evidence = _evidence(scores)
    if not task.is_exclusive:
        each = [
            _fitted(np.stack([-e, e], 1) / 2, labels[:, c] == 1, patients)
            for c, e in enumerate(evidence.T)
        ]
        return np.array([offset[1] * 2 for offset in each])
    return _fitted(evidence, labels, patients)


def _evidence(scores: Doubles) -> Doubles:
    held = np.clip(scores, _EDGE, 1 - _EDGE)
    return np.asarray(np.log(held) - np.log1p(-held))


def _fitted(evidence: Doubles, truth: NDArray[np.generic], patients: Integers) -> Doubles:
    """(C,) offsets that sum to 0, by cross-entropy in which classes weigh alike; or zeros.

    One slope for all classes takes up how sharp the scores are; where it is not positive, higher
    scores speak against a class, and no offset helps.
    """
    from scipy.optimize import minimize

    labels, classes = truth.astype(np.int64), evidence.shape[1]
    held = [len(np.unique(patients[labels == c])) for c in range(classes)]
    if min(held) < LEAST:
        return np.zeros(classes)
    weights = 1 / (classes * np.bincount(labels, minlength=classes)[labels])

    def loss(point: Doubles) -> tuple[float, Doubles]:
        logits = point[0] * evidence + point[1:]
        logits = logits - logits.max(axis=1, keepdims=True)
        shares = np.exp(logits)
        totals = shares.sum(axis=1, keepdims=True)
        own = np.arange(len(labels)), labels
        value = float(weights @ (np.log(totals[:, 0]) - logits[own]))
        pull = shares / totals
        pull[own] -= 1
        pull *= weights[:, None]
        slope = np.append((pull * evidence).sum(), pull.sum(axis=0))
        away = point - start
        return value + _DRAG / 2 * float(away @ away), slope + _DRAG * away

    start = np.append(1.0, np.zeros(classes))
    best = np.asarray(minimize(loss, start, jac=True, method="BFGS").x)
    offsets = best[1:] - best[1:].mean()
    return offsets / best[0] if best[0] > _DRAG else np.zeros(classes)
