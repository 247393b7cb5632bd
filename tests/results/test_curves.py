from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from histotile.config import Aggregate, Evaluate
from histotile.results.curves import GRID, draw_roc
from histotile.results.evaluation import Evaluation, evaluate

SETTINGS = Evaluate(bootstraps=100, confidence=0.95, seed=0)
TOP = Aggregate(method="top_k", top_k=5, quantile=0.9, bootstraps=0)


def run(cohort: Any) -> Evaluation:
    slides, folds = cohort
    return evaluate(slides, folds, ("healthy", "tumour"), SETTINGS, TOP, True)


def test_area_under_the_kept_curve_is_the_auroc(make_cohort: Callable[..., Any]) -> None:
    found = run(make_cohort())
    aurocs = {
        (r["level"], r["model"], r["fold"]): r["value"]
        for r in found.summary["metrics"]
        if r["metric"] == "auroc"
    }
    assert len(found.curves) == 3 * 2 * 3
    for curve in found.curves:
        area = np.trapezoid(curve.rates, GRID)
        assert area == pytest.approx(aurocs[curve.level, curve.model, curve.fold], abs=0.01)


def test_picture_is_svg_with_a_panel_per_level(make_cohort: Callable[..., Any]) -> None:
    found = run(make_cohort())
    svg = draw_roc(found.curves)
    ElementTree.fromstring(svg)
    for word in ("Tiles", "Slides", "Patients", "Network (mean of 3 folds)", "Colour alone"):
        assert word in svg
    assert svg == draw_roc(found.curves)
    assert "No fold has both classes" in draw_roc([])
