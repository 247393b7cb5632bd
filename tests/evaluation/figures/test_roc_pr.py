from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_recall_curve

from histotile.config import Aggregate, Evaluate
from histotile.evaluation.evaluate import Evaluation, evaluate
from histotile.evaluation.figures.roc_pr import GRID
from histotile.evaluation.metrics import precision_recall
from histotile.tasks.registry import make_task

SETTINGS = Evaluate(bootstraps=100, confidence=0.95, seed=0)
TOP = Aggregate(method="top_k", top_k=5, quantile=0.9, calls="highest", bootstraps=0)


def run(cohort: Any) -> Evaluation:
    slides, folds = cohort
    return evaluate(slides, folds, make_task(("healthy", "tumour")), SETTINGS, TOP, True)


def test_area_under_the_kept_curves_is_the_metric(make_cohort: Callable[..., Any]) -> None:
    found = run(make_cohort())
    values = {
        (r["level"], r["model"], r["fold"], r["metric"]): r["value"]
        for r in found.summary["metrics"]
    }
    curves = found.shown.curves
    assert len(curves) == 2 * 3 * 2 * 3
    for curve in curves:
        key = curve.level, curve.model, curve.fold
        if curve.kind == "roc":
            area = np.trapezoid(curve.rates, GRID)
            assert area == pytest.approx(values[*key, "auroc"], abs=0.01)
        else:  # precision holds up to its recall
            area = curve.rates[1:].mean()
            assert area == pytest.approx(values[*key, "auprc"], abs=0.01)
            assert 0.1 < curve.prevalence < 0.6


def test_precision_and_recall_are_those_of_sklearn() -> None:
    rng = np.random.default_rng(0)
    positive = rng.random(300) < 0.3
    scores = (rng.random(300) + positive * 0.4).round(2)
    recall, precision = precision_recall(positive, scores)
    expected = precision_recall_curve(positive, scores)
    np.testing.assert_allclose(precision, expected[0][:-1][::-1])
    np.testing.assert_allclose(recall, expected[1][:-1][::-1])
    area = np.sum(np.diff(recall, prepend=0) * precision)
    assert area == pytest.approx(average_precision_score(positive, scores))
    for one_class in (positive * False, positive | True):
        assert np.isnan(precision_recall(one_class, scores)).all()
