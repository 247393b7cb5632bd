import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from histotile.config import Aggregate, Evaluate
from histotile.evaluation.evaluate import Evaluation, evaluate
from histotile.evaluation.units import SlideTiles
from histotile.tasks.registry import make_task

CLASSES = ("healthy", "tumour")
TASK = make_task(CLASSES)
SETTINGS = Evaluate(bootstraps=200, confidence=0.95, seed=0)
TOP = Aggregate(method="top_k", top_k=5, quantile=0.9, calls="highest", bootstraps=0)
Cohort = tuple[list[SlideTiles], dict[str, list[Any]]]


def run(cohort: Cohort, has_patients: bool = True) -> Evaluation:
    return evaluate(cohort[0], cohort[1], TASK, SETTINGS, TOP, has_patients)


def row(found: Evaluation, level: str, model: str, fold: str, metric: str) -> dict[str, Any]:
    key = {"level": level, "model": model, "fold": fold, "metric": metric}
    (only,) = (r for r in found.summary["metrics"] if key.items() <= r.items())
    assert isinstance(only, dict)
    return only


def test_headline_is_the_mean_of_fold_aurocs_even_where_folds_are_scaled_apart(
    make_cohort: Callable[..., Cohort],
) -> None:
    slides, folds = make_cohort(signal=1.0)
    scaled = []
    for tiles in slides:  # every fold's model calibrated differently: raw pooling would suffer
        p = tiles.probabilities[:, 1] * 0.2 + 0.3 * int(tiles.slide.fold)
        scaled.append(replace(tiles, probabilities=np.stack([1 - p, p], axis=1)))
    found = run((scaled, folds))
    by_hand = []
    for fold in "012":
        inside = [t for t in scaled if t.slide.fold == fold]
        labels = np.concatenate([t.labels for t in inside])
        p = np.concatenate([t.probabilities[:, 1] for t in inside])
        by_hand.append(roc_auc_score(labels, p))
        assert row(found, "tile", "network", fold, "auroc")["value"] == pytest.approx(by_hand[-1])
    mean = row(found, "tile", "network", "mean", "auroc")
    assert mean["value"] == pytest.approx(np.mean(by_hand), abs=1e-12)
    assert mean["lower"] < mean["value"] < mean["upper"]
    assert mean["n"] == sum(len(t.labels) for t in scaled)
    labels = np.concatenate([t.labels for t in scaled])
    pooled = roc_auc_score(labels, np.concatenate([t.probabilities[:, 1] for t in scaled]))
    assert mean["value"] - pooled > 0.05


def test_colour_sees_colour_only_and_the_difference_is_paired(
    make_cohort: Callable[..., Cohort],
) -> None:
    blind = run(make_cohort(hue=0.0))
    assert row(blind, "tile", "colour", "mean", "auroc")["value"] < 0.62
    gain = row(blind, "tile", "network-colour", "mean", "auroc_difference")
    values = [row(blind, "tile", m, "mean", "auroc")["value"] for m in ("network", "colour")]
    assert gain["value"] == pytest.approx(values[0] - values[1])
    assert gain["lower"] > 0
    seeing = run(make_cohort(hue=3.0, signal=0.2))
    assert row(seeing, "tile", "colour", "mean", "auroc")["value"] > 0.95
    assert any("not clearly better than colour" in w for w in seeing.summary["warnings"])
    assert not any("not clearly better" in w and "tile" in w for w in blind.summary["warnings"])


def test_colour_of_a_fold_is_learnt_without_its_test_slides(
    make_cohort: Callable[..., Cohort],
) -> None:
    slides, folds = make_cohort(hue=3.0)
    flipped = [
        replace(t, colour=-t.colour) if t.slide.fold == "0" else t for t in slides
    ]  # colour means the opposite in fold 0; a model that had seen it would not be below chance
    found = run((flipped, folds))
    assert row(found, "tile", "colour", "0", "auroc")["value"] < 0.2


def test_fixed_test_set_stands_apart(make_cohort: Callable[..., Cohort]) -> None:
    slides, folds = make_cohort(patients=28, fixed=4, hue=2.0)
    found = run((slides, folds))
    held = row(found, "slide", "network", "holdout", "auroc")
    assert held["n"] == 4
    assert row(found, "slide", "network", "mean", "auroc")["n"] == 24
    assert row(found, "tile", "colour", "holdout", "auroc")["value"] > 0.9
    counts = found.confusion
    held_counts = [
        n
        for n, level, model, fold in zip(
            counts["count"], counts["level"], counts["model"], counts["fold"], strict=True
        )
        if (level, model, fold) == ("slide", "network", "holdout")
    ]
    assert sum(held_counts) == 4


def test_fold_of_one_class_is_named_and_left_out(make_cohort: Callable[..., Cohort]) -> None:
    slides, folds = make_cohort(patients=12)
    healthy = [
        replace(t, labels=t.labels * 0, slide=replace(t.slide, label="healthy"))
        if t.slide.fold == "1"
        else t
        for t in slides
    ]
    found = run((healthy, folds))
    alone = row(found, "slide", "network", "1", "auroc")
    assert alone["value"] is None
    assert alone["note"] == "only healthy among 4 slide(s)"
    mean = row(found, "slide", "network", "mean", "auroc")
    assert mean["n"] == 8
    assert "without fold 1 (only healthy among 4 slide(s))" in mean["note"]
    assert row(found, "slide", "network", "mean", "accuracy")["n"] == 12
    assert any("fold 1 defines no AUROC" in w for w in found.summary["warnings"])
    others = [row(found, "slide", "network", f, "auroc")["value"] for f in "02"]
    assert mean["value"] == pytest.approx(np.mean(others))


def test_patients_pool_their_slides(make_cohort: Callable[..., Cohort]) -> None:
    found = run(make_cohort(slides_each=3))
    assert row(found, "slide", "network", "mean", "auroc")["n"] == 72
    assert row(found, "patient", "network", "mean", "auroc")["n"] == 24


def test_empty_and_unlabelled_slides_are_counted_and_named(
    make_cohort: Callable[..., Cohort],
) -> None:
    slides, folds = make_cohort(patients=12, source="slide")
    slides[0] = replace(
        slides[0],
        labels=slides[0].labels[:0],
        colour=slides[0].colour[:0],
        probabilities=slides[0].probabilities[:0],
    )
    slides[1] = replace(slides[1], slide=replace(slides[1].slide, label=None))
    slides[2] = replace(slides[2], labels=np.full(60, -1))
    slides[3] = replace(slides[3], probabilities=slides[3].probabilities * np.nan)
    found = run((slides, folds), has_patients=False)
    warnings = " | ".join(found.summary["warnings"])
    for part in (
        "no patient_id",
        "inherited from the slide",
        "60 of 660 tiles have no label",
        "1 slide (p0s0) without tiles",
        "1 slide (p1s0) without a label",
        "1 slide (p3s0) with tiles that the network did not predict",
        "Few slides per class",
    ):
        assert part in warnings
    assert found.summary["counts"]["slides_without_tiles"] == 1
    assert row(found, "slide", "network", "mean", "accuracy")["n"] == 9
    json.dumps(found.summary, allow_nan=False)


def test_nothing_labelled_gives_reasons_not_a_crash(make_cohort: Callable[..., Cohort]) -> None:
    slides, folds = make_cohort(patients=6)
    bare = [replace(t, labels=np.full(60, -1), slide=replace(t.slide, label=None)) for t in slides]
    found = run((bare, folds))
    assert set(found.metrics["value"]) == {None}
    assert row(found, "tile", "network", "mean", "auroc")["note"].startswith("in no fold: no label")
    shown = found.shown
    assert not (shown.curves or shown.reliability or shown.lanes)


def test_three_classes(make_cohort: Callable[..., Cohort]) -> None:
    slides, folds = make_cohort()
    rng = np.random.default_rng(0)
    classes = ("healthy", "grade1", "grade2")
    three = []
    for i, t in enumerate(slides):
        labels = rng.integers(0, 3, len(t.labels))
        p = rng.dirichlet([1, 1, 1], len(labels)) + 2 * np.eye(3)[labels]
        facts = replace(t.slide, label=classes[i % 3])
        three.append(
            replace(t, labels=labels, slide=facts, probabilities=(p / 3).astype(np.float32))
        )
    found = evaluate(three, folds, make_task(classes), SETTINGS, TOP, True)
    assert row(found, "tile", "network", "mean", "auroc")["value"] > 0.95
    assert "sensitivity" not in found.metrics["metric"]
    assert len(found.confusion["count"]) == 3 * 2 * 9


def test_poor_calls_of_good_ranks_are_told_once(make_cohort: Callable[..., Cohort]) -> None:
    slides, folds = make_cohort(signal=3.0)
    confident = []
    for t in slides:  # every score above one half: ranks stay, calls are all `tumour`
        p = 0.6 + 0.4 * t.probabilities[:, 1]
        confident.append(replace(t, probabilities=np.stack([1 - p, p], axis=1)))
    told = [w for w in run((confident, folds)).summary["warnings"] if "choose a threshold" in w]
    assert [w.split()[1] for w in told] == ["tile", "slide"]
    honest = run((slides, folds)).summary["warnings"]
    assert not any("choose a threshold" in w and "tile" in w for w in honest)


def test_same_seed_same_numbers(make_cohort: Callable[..., Cohort]) -> None:
    assert run(make_cohort()).metrics == run(make_cohort()).metrics


def of_images(cohort: Cohort, mixed: Callable[[int], bool]) -> Cohort:
    """The cohort as groups of ready-made tiles; those chosen hold several classes: no label."""
    slides, folds = cohort
    groups = [
        replace(
            t, labels_source="image", slide=replace(t.slide, label=None) if mixed(n) else t.slide
        )
        for n, t in enumerate(slides)
    ]
    return groups, folds


def test_groups_of_several_classes_are_measured_by_their_tiles_alone(
    make_cohort: Callable[..., Cohort],
) -> None:
    usual = run(make_cohort())
    found = run(of_images(make_cohort(), lambda _: True), has_patients=False)
    json.dumps(found.summary, allow_nan=False)
    assert set(found.metrics["level"]) == set(found.confusion["level"]) == {"tile"}
    same = ("tile", "network", "mean", "auroc")
    assert row(found, *same)["value"] == row(usual, *same)["value"]
    assert row(found, *same)["lower"] is not None
    warnings = " ".join(found.summary["warnings"])
    assert "24 groups" in warnings
    assert "with tiles of several classes, hence measured at tile level only" in warnings
    assert "Patients are unknown" in warnings
    assert "slide" not in warnings.replace("slides of", "")


def test_groups_of_one_class_are_measured_as_slides_are(
    make_cohort: Callable[..., Cohort],
) -> None:
    found = run(of_images(make_cohort(), lambda n: n < 4))
    assert row(found, "slide", "network", "mean", "auroc")["n"] == 20
    assert "4 groups" in " ".join(found.summary["warnings"])
