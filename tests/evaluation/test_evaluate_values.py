"""Measures of several labels and of numbers: per level, per fold, beside colour alone."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from fixtures.results import tile_table
from histotile.aggregation.aggregate import fold_slides
from histotile.config import Aggregate, Evaluate
from histotile.evaluation.evaluate import Evaluation, evaluate_values
from histotile.evaluation.figures.figures import draw_pictures
from histotile.evaluation.figures.shown import Shown
from histotile.evaluation.units import SlideTiles, slide_tiles
from histotile.io.tables import prediction_schema
from histotile.tasks.registry import make_task
from histotile.tasks.task import Task

SETTINGS = Evaluate(bootstraps=100, confidence=0.95, seed=0)
MEAN = Aggregate(method="mean", top_k=5, quantile=0.9, calls="highest", bootstraps=0)
SEVERAL = make_task(("a", "b"), "multilabel")
PERCENT = make_task(("marked",), "regression", {"low": 0, "high": 100, "unit": "%"})
TILES, PATIENTS, FOLDS = 30, 12, 3


def guesses(task: Task, values: np.ndarray) -> pa.Table:
    n = len(values)
    columns: dict[str, Any] = {"tile_id": range(n), "x": [0] * n, "y": [0] * n}
    columns |= dict(zip(task.columns, values.T, strict=True))
    columns |= {"distance": [0.5] * n, "familiarity": ["familiar"] * n}
    schema = prediction_schema(task.columns)
    return pa.table({f.name: pa.array(columns[f.name], f.type) for f in schema})


def cohort(task: Task, labels: Sequence[str | None]) -> tuple[list[SlideTiles], dict[str, Any]]:
    """Patients of one slide each; the network sees the truth through noise, colour sees nothing."""
    rng = np.random.default_rng(0)
    rows = [
        (fold, f"s{p}", f"p{p}", None, labels[p], "test" if p % FOLDS == fold else "train")
        for fold in range(FOLDS)
        for p in range(PATIENTS)
    ]
    names = ("fold", "slide_id", "patient_id", "site", "label", "role")
    folds = {name: [row[i] for row in rows] for i, name in enumerate(names)}
    slides = []
    for slide in fold_slides(folds):
        if task is SEVERAL:
            flags = rng.integers(0, 2, (TILES, 2)).astype(np.int8)
            texts = task.texts(flags)
            values = 1 / (1 + np.exp(-rng.normal(2 * flags - 1, 0.7)))
        else:
            numbers = np.clip(rng.normal(10 + 6 * int(slide.slide_id[1:]), 8, TILES), 0, 100)
            texts = task.texts(numbers)
            values = rng.normal(numbers, 6)[:, None]
        texts[0] = None
        table = tile_table(texts, rng.normal(size=(TILES, 6)))
        slides.append(slide_tiles(slide, table, guesses(task, values), "annotation", task))
    return slides, folds


def measured(task: Task, labels: Sequence[str | None]) -> tuple[Evaluation, list[SlideTiles]]:
    slides, folds = cohort(task, labels)
    return evaluate_values(slides, folds, task, SETTINGS, MEAN, True), slides


@pytest.mark.parametrize("method", ["mean", "quantile"])
def test_perfect_predictions_are_perfect_of_patients_with_unequal_slides(method: Any) -> None:
    rng = np.random.default_rng(0)
    members = [(p, s) for p in range(PATIENTS) for s in range(2)]
    names = ("fold", "slide_id", "patient_id", "site", "label", "role")
    folds: dict[str, Any] = {name: [] for name in names}
    for fold in range(FOLDS):
        for p, s in members:
            role = "test" if p % FOLDS == fold else "train"
            label = f"{7 * p + s:g}" if method == "quantile" else None
            cells = (fold, f"s{p}_{s}", f"p{p}", None, label, role)
            for name, value in zip(names, cells, strict=True):
                folds[name].append(value)
    slides = []
    for slide in fold_slides(folds):
        p, s = map(int, slide.slide_id[1:].split("_"))
        numbers = np.full(40 if s else 4, 7.0 * p + s) + (rng.random() * (method == "mean"))
        table = tile_table(PERCENT.texts(numbers), rng.normal(size=(len(numbers), 6)))
        values = guesses(PERCENT, numbers[:, None])
        slides.append(slide_tiles(slide, table, values, "annotation", PERCENT))
    how = Aggregate(method=method, top_k=5, quantile=0.9, calls="highest", bootstraps=0)
    found = evaluate_values(slides, folds, PERCENT, SETTINGS, how, True)
    for level in ("slide", "patient"):
        assert row(found, level, "r2")["value"] == pytest.approx(1, abs=1e-4)


def row(found: Evaluation, level: str, metric: str, fold: str = "mean", of: str = "network") -> Any:
    (one,) = (
        r
        for r in found.summary["metrics"]
        if (r["level"], r["metric"], r["fold"], r["model"]) == (level, metric, fold, of)
    )
    return one


def test_several_labels_are_measured_one_by_one_and_together() -> None:
    found, slides = measured(SEVERAL, ["a", "b", "a;b", "none"] * 3)
    own = [t for t in slides if t.slide.fold == "1"]
    truth = np.concatenate([t.labels[1:] for t in own])
    values = np.concatenate([t.probabilities[1:] for t in own])
    each = [roc_auc_score(truth[:, c], values[:, c]) for c in (0, 1)]
    assert row(found, "tile", "auroc a", "1")["value"] == pytest.approx(each[0])
    assert row(found, "tile", "auroc", "1")["value"] == pytest.approx(np.mean(each))
    mean = row(found, "tile", "auroc")
    assert mean["lower"] < mean["value"] < mean["upper"]
    assert row(found, "tile", "auroc", of="colour")["value"] == pytest.approx(0.5, abs=0.1)
    assert row(found, "tile", "auroc_difference", of="network-colour")["lower"] > 0.2
    assert row(found, "tile", "auprc", "1")["n_positive"] <= len(truth)
    assert {r["level"] for r in found.summary["metrics"]} == {"tile", "slide", "patient"}
    assert found.summary["patients"][2]["label"] == "a;b"
    assert found.summary["counts"]["tiles_without_label"] == PATIENTS


def test_numbers_are_ranked_explained_and_missed_in_their_unit() -> None:
    found, slides = measured(PERCENT, [None] * PATIENTS)
    own = [t for t in slides if t.slide.fold == "2"]
    truth = np.concatenate([t.labels[1:] for t in own])
    values = np.concatenate([t.probabilities[1:, 0] for t in own]).astype(float)
    wanted = spearmanr(values, truth).statistic
    assert row(found, "tile", "spearman", "2")["value"] == pytest.approx(wanted)
    missed = np.abs(values - truth).mean()
    assert row(found, "tile", "mae (%)", "2")["value"] == pytest.approx(missed)
    assert row(found, "tile", "r2")["value"] > 0.8
    slide = row(found, "slide", "spearman")  # truth: the mean of a slide's labelled tiles
    assert slide["value"] > 0.9
    assert any("mean of their tiles'" in line for line in found.summary["warnings"])
    assert found.summary["confusion"] == []


def test_numbers_that_do_not_differ_have_no_correlation_and_say_so() -> None:
    slides, folds = cohort(PERCENT, [None] * PATIENTS)
    alike = [
        SlideTiles(t.slide, t.labels * 0 + 5, t.colour, t.probabilities, t.labels_source)
        for t in slides
    ]
    found = evaluate_values(alike, folds, PERCENT, SETTINGS, MEAN, True)
    assert row(found, "tile", "spearman")["value"] is None
    assert "two different numbers" in row(found, "tile", "spearman")["note"]
    assert row(found, "tile", "mae (%)")["value"] is not None
    assert any("another number than 5 %" in line for line in found.summary["warnings"])


@pytest.mark.parametrize("task", [SEVERAL, PERCENT])
def test_pictures_survive_their_file(task: Task) -> None:
    labels = ["a", "b", "a;b", "none"] * 3 if task is SEVERAL else [None] * PATIENTS
    found, _ = measured(task, labels)
    again = Shown.from_json(found.shown.to_json())
    drawn = draw_pictures(again, found.summary)
    assert drawn == draw_pictures(found.shown, found.summary)
    assert "no such picture" in drawn["roc.svg"]
    assert ("Predicted: marked (%)" in drawn["scores.svg"]) == (task is PERCENT)
