from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from histotile.config import Aggregate, Evaluate
from histotile.evaluation.evaluate import Evaluation, evaluate
from histotile.evaluation.figures.roc_pr_plot import draw_precision_recall, draw_roc
from histotile.tasks.registry import make_task

SETTINGS = Evaluate(bootstraps=100, confidence=0.9, seed=0)
TOP = Aggregate(method="top_k", top_k=5, quantile=0.9, calls="highest", bootstraps=0)


def run(cohort: Any, classes: tuple[str, ...] = ("healthy", "tumour")) -> Evaluation:
    slides, folds = cohort
    return evaluate(slides, folds, make_task(classes), SETTINGS, TOP, True)


def draw(found: Evaluation) -> list[str]:
    shown = found.shown.curves, found.shown.bands, found.summary
    return [draw_roc(*shown), draw_precision_recall(*shown)]


def words(svg: str) -> str:
    """All text of the picture; its lines joined by a blank."""
    found = ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
    return " ".join("".join(each.itertext()) for each in found)


def test_pictures_are_svg_with_a_panel_per_level(make_cohort: Callable[..., Any]) -> None:
    found = run(make_cohort(signal=0.1))
    pictures = draw(found)
    assert pictures == draw(found) == draw(run(make_cohort(signal=0.1)))
    asked = ["True positive rate"], ["Precision", "Recall (sensitivity)", "Prevalence 0.5"]
    for svg, own in zip(pictures, asked, strict=True):
        panels = ["Tiles", "Slides", "Patients", "Network (mean of 3 folds)", "Colour alone"]
        for word in [*own, *panels, "90 % band of the mean", "over 100 resamples of patients"]:
            assert word in words(svg)
        assert "No band" not in svg
        assert "Mean over the classes" not in svg
    assert pictures[0] != pictures[1]
    for empty in (draw_roc, draw_precision_recall):
        assert "No fold has both classes" in empty([], [], found.summary)
        assert "resamples" not in empty([], [], found.summary)


def test_areas_and_intervals_are_those_of_the_metrics(make_cohort: Callable[..., Any]) -> None:
    found = run(make_cohort(signal=0.1, hue=0.5))
    for svg, metric in zip(draw(found), ("auroc", "auprc"), strict=True):
        for model in ("network", "colour"):
            rows = [
                r
                for r in found.summary["metrics"]
                if (r["fold"], r["metric"], r["model"]) == ("mean", metric, model)
            ]
            assert len(rows) == 3
            for r in rows:
                ends = f"[{r['lower']:.3f}, {r['upper']:.3f}]"
                assert f"{metric.upper()} {r['value']:.3f} {ends}" in words(svg)


def test_band_is_drawn_where_it_lies(make_cohort: Callable[..., Any]) -> None:
    found = run(make_cohort(signal=0.1))
    with_bands = draw(found)
    without = draw_roc(found.shown.curves, [], found.summary)
    assert with_bands[0].count("FillBetween") == 3
    assert without.count("FillBetween") == 0
    assert "band" not in words(without)


def test_panel_without_band_says_why(make_cohort: Callable[..., Any]) -> None:
    for svg in draw(run(make_cohort(patients=6))):
        assert words(svg).count("No band: one patient per fold and label") == 3
        assert "resamples" not in words(svg)


@pytest.mark.parametrize("levels", [1, 3])
def test_more_classes_are_averaged_and_the_picture_says_so(
    make_cohort: Callable[..., Any], levels: int
) -> None:
    from dataclasses import replace

    slides, folds = make_cohort()
    rng = np.random.default_rng(0)
    three = [
        replace(t, probabilities=rng.dirichlet([1, 1, 1], len(t.labels)).astype(np.float32))
        for t in slides
    ]
    if levels == 1:
        three = [
            replace(t, labels_source="image", slide=replace(t.slide, label=None)) for t in three
        ]
    found = run((three, folds), ("healthy", "tumour", "<b>$x$"))
    assert len(found.shown.bands) == 2 * levels
    for svg in draw(found):
        assert "Mean over the classes, each against the rest." in words(svg).replace("\n", " ")
