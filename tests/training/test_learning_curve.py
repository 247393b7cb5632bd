"""Curves and the diagnosis drawn from them."""

import csv
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from histotile.training.learning_curve import Point, diagnose, draw_curve, mean_auroc, write_curve


def curve(train: list[float], val: list[float]) -> list[Point]:
    return [Point(i, t, t, v, 0.9) for i, (t, v) in enumerate(zip(train, val, strict=True))]


@pytest.mark.parametrize(
    ("train", "val", "strategy", "verdict"),
    [
        ([0.69, 0.68], [0.69, 0.69], "finetune", "underfit"),
        ([0.5, 0.3, 0.1], [0.5, 0.35, 0.5], "finetune", "overfit"),
        ([0.5, 0.2, 0.21], [0.6, 0.45, 0.45], "finetune", "overfit"),
        ([0.6, 0.5, 0.4], [0.6, 0.5, 0.4], "finetune", "underfit"),
        ([0.5, 0.3, 0.29], [0.5, 0.33, 0.335], "finetune", "good fit"),
        ([0.5, 0.3, 0.1], [0.5, 0.35, 0.5], "retrain", "overfit"),
        ([0.6, 0.5, 0.4], [0.6, 0.5, 0.4], "retrain", "underfit"),
        ([0.5, 0.3, 0.1], [0.5, 0.32, 0.5], "linear_probe", "good fit"),
        ([0.69, 0.68], [0.69, 0.69], "early_probe", "underfit"),
        ([0.2, 0.1], [0.6, 0.45], "early_probe", "overfit"),
        ([0.02, 0.01], [0.03, 0.03], "linear_probe", "good fit"),
    ],
)
def test_diagnosis(train: list[float], val: list[float], strategy: str, verdict: str) -> None:
    points = curve(train, val)
    best = min(points, key=lambda p: p.val_loss)
    found = diagnose(points, best, 2, strategy, strategy in ("finetune", "retrain"))
    assert found.verdict == verdict
    assert bool(found.remedies) == (verdict != "good fit")


def test_auroc_agrees_with_scikit_learn_and_knows_its_limits() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 60)
    shares = rng.dirichlet([1, 1, 1], 60)
    expected = roc_auc_score(labels, shares, multi_class="ovr")
    assert mean_auroc(shares, labels) == pytest.approx(expected)
    assert mean_auroc(shares[:, :2], np.zeros(60, np.int64)) is None


@pytest.mark.parametrize("xlabel", ["epoch", "L2 strength"])
def test_curves_are_written_and_the_same_again(tmp_path: Path, xlabel: str) -> None:
    points = [Point(1, 0.5, 0.4, 0.5, None), Point(2, None, 0.3, 0.4, 0.8)]
    for name in ("a.svg", "b.svg"):
        draw_curve(tmp_path / name, points, points[1], xlabel)
    ElementTree.parse(tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    write_curve(tmp_path / "c.csv", points)
    with (tmp_path / "c.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["val_auroc"] for row in rows] == ["", "0.8"]
    assert rows[1]["step"] == "2"
