import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sklearn.metrics import roc_auc_score

from histotile.config import Aggregate, Evaluate
from histotile.evaluation.evaluate import evaluate
from histotile.evaluation.units import SlideTiles
from histotile.tasks.registry import make_task

CLASSES = ("healthy", "tumour")
TASK = make_task(CLASSES)
SETTINGS = Evaluate(bootstraps=100, confidence=0.95, seed=0)
TOP = Aggregate(method="top_k", top_k=5, quantile=0.9, calls="highest", bootstraps=0)


def at(tiles: SlideTiles, site: str | None) -> SlideTiles:
    return replace(tiles, slide=replace(tiles.slide, site=site))


def summary_of(slides: list[SlideTiles], folds: Any, has_patients: bool = True) -> dict[str, Any]:
    found = evaluate(slides, folds, TASK, SETTINGS, TOP, has_patients).summary
    json.dumps(found, allow_nan=False)
    return found


def number(tiles: SlideTiles) -> int:
    return int(tiles.slide.patient_id[1:])


def test_sites_are_measured_apart_within_folds(make_cohort: Callable[..., Any]) -> None:
    slides, folds = make_cohort(slides_each=2)
    placed = []
    for tiles in slides:  # site south: the network knows nothing
        site = "north" if number(tiles) < 12 else "south"
        p = tiles.probabilities if site == "north" else tiles.probabilities * 0 + 0.5
        placed.append(at(replace(tiles, probabilities=p), site))
    north, south = summary_of(placed, folds)["sites"]
    assert (north["site"], south["site"]) == ("north", "south")
    assert north["fold"] == "mean"
    assert (north["slides"], north["patients"]) == (24, 12)
    by_hand = []
    for fold in "012":
        own = [t for t in placed if t.slide.site == "north" and t.slide.fold == fold]
        labels = [int(i) for t in own for i in t.labels]
        by_hand.append(roc_auc_score(labels, [p for t in own for p in t.probabilities[:, 1]]))
    assert north["tile_auroc"] == pytest.approx(sum(by_hand) / 3)
    assert north["tile_auroc_lower"] < north["tile_auroc"] < north["tile_auroc_upper"]
    assert north["tile_auroc_n"] == 24 * 60
    assert north["slide_auroc_n"] == 24
    assert south["tile_auroc"] == south["slide_auroc"] == pytest.approx(0.5)
    assert south["tile_balanced_accuracy"] == pytest.approx(0.5)


def test_site_of_one_class_says_why_it_has_no_number(make_cohort: Callable[..., Any]) -> None:
    slides, folds = make_cohort(patients=12)
    placed = [at(t, "mixed" if number(t) < 10 else None) for t in slides]
    healthy = [
        replace(t, labels=t.labels * 0, slide=replace(t.slide, label="healthy"))
        if t.slide.site is None
        else t
        for t in placed
    ]
    mixed, unknown = summary_of(healthy, folds)["sites"]
    assert unknown["site"] is None
    assert unknown["slides"] == 2
    assert unknown["slide_auroc"] is unknown["slide_auroc_lower"] is None
    assert "only healthy among 2 slide(s)" in unknown["slide_auroc_note"]
    assert mixed["slides"] == 10


def test_fixed_test_set_of_another_site_has_its_own_row(make_cohort: Callable[..., Any]) -> None:
    slides, folds = make_cohort(patients=28, fixed=4)
    held = [at(t, "away" if t.slide.fold == "holdout" else "home") for t in slides]
    away, home = summary_of(held, folds)["sites"]
    assert (away["site"], away["fold"], away["slides"]) == ("away", "holdout", 4)
    assert (home["site"], home["fold"], home["slides"]) == ("home", "mean", 24)
    assert away["tile_auroc"] > 0.8


def test_no_site_no_rows(make_cohort: Callable[..., Any]) -> None:
    assert summary_of(*make_cohort(patients=6))["sites"] == []


def test_patients_have_a_row_each_labelled_or_not(make_cohort: Callable[..., Any]) -> None:
    slides, folds = make_cohort(patients=6, slides_each=2)
    slides = [
        replace(t, slide=replace(t.slide, label=None)) if number(t) == 2 else t for t in slides
    ]
    slides = [
        replace(t, probabilities=t.probabilities * float("nan")) if number(t) == 3 else t
        for t in slides
    ]
    rows = summary_of(slides, folds)["patients"]
    assert [row["patient_id"] for row in rows] == [f"p{i}" for i in range(6)]
    first, unlabelled, unpredicted = rows[1], rows[2], rows[3]
    assert first["label"] == "tumour"
    assert first["pred"] == ("tumour" if first["score"] > 0.5 else "healthy")
    assert (first["fold"], first["slides"], first["tiles"]) == ("0", 2, 120)
    assert unlabelled["label"] is None
    assert unlabelled["score"] is not None
    assert unpredicted["score"] is unpredicted["pred"] is None
    assert summary_of(slides, folds, has_patients=False)["patients"] == []


def test_ready_made_tiles_of_several_classes_give_a_patient_no_score(
    make_cohort: Callable[..., Any],
) -> None:
    slides, folds = make_cohort(patients=6)
    groups = [replace(t, labels_source="image", slide=replace(t.slide, label=None)) for t in slides]
    rows = summary_of(groups, folds)["patients"]
    assert {row["score"] for row in rows} == {row["pred"] for row in rows} == {None}
    assert {row["tiles"] for row in rows} == {60}
