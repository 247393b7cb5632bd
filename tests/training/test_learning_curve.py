"""Curves and the diagnosis drawn from them."""

import csv
import math
from pathlib import Path
from xml.etree import ElementTree

import pytest

from histotile.tasks.registry import make_task
from histotile.training.learning_curve import Point, diagnose, draw_curve, kept_point, write_curve

TASK = make_task(("healthy", "tumour"))


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
    found = diagnose(points, best, math.log(2), strategy, strategy in ("finetune", "retrain"))
    assert found.verdict == verdict
    assert bool(found.remedies) == (verdict != "good fit")


@pytest.mark.parametrize(
    ("scores", "losses", "patience", "kept"),
    [
        ([0.7, 0.9, 0.8], [0.6, 0.5, 0.9], False, 2),  # the last one, for it ranks better
        ([0.7, 0.9, 0.8], [0.6, 0.5, 0.9], True, 1),
        ([0.7, 0.9, 0.7], [0.6, 0.5, 0.4], False, 0),  # no better than the probe
        ([None, None, None], [0.6, 0.5, 0.4], False, 2),
        ([None, None, None], [0.6, 0.5, 0.7], False, 0),
        ([0.7, 0.5, 0.8], [0.6, 0.5, math.nan], False, 0),  # it diverged
    ],
)
def test_the_last_point_is_kept_where_it_betters_the_first(
    scores: list[float | None], losses: list[float], patience: bool, kept: int
) -> None:
    points = [
        Point(n, None, 0.1, loss, score)
        for n, (score, loss) in enumerate(zip(scores, losses, strict=True))
    ]
    assert kept_point(points, patience).step == kept


def test_a_rising_loss_is_told_with_what_became_of_the_score() -> None:
    points = [Point(n, None, 0.5 - n / 5, v, s) for n, v, s in ((0, 0.5, 0.8), (1, 0.4, 0.85))]
    for score, word in ((0.9, "rather than wrong"), (0.7, "train.patience")):
        last = Point(2, None, 0.05, 0.9, score)
        found = diagnose([*points, last], last, math.log(2), "retrain", True)
        assert found.verdict == "overfit" and word in found.reason


@pytest.mark.parametrize("xlabel", ["epoch", "L2 strength"])
def test_curves_are_written_and_the_same_again(tmp_path: Path, xlabel: str) -> None:
    points = [Point(1, 0.5, 0.4, 0.5, None), Point(2, None, 0.3, 0.4, 0.8)]
    for name in ("a.svg", "b.svg"):
        draw_curve(tmp_path / name, points, points[1], xlabel, TASK)
    ElementTree.parse(tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    write_curve(tmp_path / "c.csv", points)
    with (tmp_path / "c.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["val_score"] for row in rows] == ["", "0.8"]
    assert rows[1]["step"] == "2"
